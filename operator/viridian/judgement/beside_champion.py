"""The judgement of a challenger beside the champion that serves at the same time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

from viridian.judgement.canary import (
    LATENCIES,
    MOST_EVIDENCE,
    Bound,
    CanaryVerdict,
    Judgement,
    exponential,
    measured,
    shown,
)
from viridian.judgement.counts import Counts
from viridian.judgement.detector import Tally, log_trial_weight
from viridian.judgement.evidence import log_against_share, log_keeps_beside
from viridian.judgement.split_test import Concurrent, Margin, SlotTallies, log_no_worse, log_start_weights, log_worse

_CHAMPION_IS_WELL: Final = math.log(20)
"""Evidence that the champion keeps a bound which the challenger breaks. A rejection waits for it, so little is enough:
of breaches that both have alike, at most one in twenty is taken for the challenger's own."""


@dataclass(frozen=True, slots=True)
class BesideChampion:
    """What the champion answered while the challenger was asked too, and both side by side."""

    window: Counts = field(default_factory=Counts)
    bounded: Concurrent = field(default_factory=Concurrent)
    """Answers that are bad by the bound."""
    concurrent: Concurrent = field(default_factory=Concurrent)
    """Answers that are bad beside the champion: the same, except for latencies."""


def shares_its_breach(bound: Bound, champion: BesideChampion, margin: Margin, *, evidence_needed: float) -> bool:
    """Whether the champion breaks the bound as the challenger does, and nothing shows that the challenger is worse.

    Then the cause lies outside of both: a database, the network, the requests themselves. Compared is what both have
    answered since the breach began. A champion that was not asked since shares nothing.
    """
    ours, theirs = _since_it_began(bound, champion.bounded)
    if theirs.total <= 0 or log_worse(champion.concurrent, margin) >= math.log(evidence_needed):
        return False
    well = log_keeps_beside(ours.bad, ours.total, (theirs.bad, theirs.total), bound.allowed)
    return well < _CHAMPION_IS_WELL


def _since_it_began(bound: Bound, known: Concurrent) -> tuple[Tally, Tally]:
    """Challenger and champion since the moment from which the challenger speaks most strongly against its bound."""
    whole = SlotTallies(
        sum((step.challenger for step in known.steps), start=Tally()),
        sum((step.champion for step in known.steps), start=Tally()),
    )
    starts = zip(log_start_weights(known), (tallies for _, tallies in known.recent), strict=True)
    bets = [(log_trial_weight(), whole), *starts]

    def strength(bet: tuple[float, SlotTallies]) -> float:
        weight, tallies = bet
        return weight + log_against_share(tallies.challenger.bad, tallies.challenger.total, bound.allowed)

    strongest = max(bets, key=strength)[1]
    return strongest.challenger, strongest.champion


def compared(
    judgement: Judgement, champion: BesideChampion, margin: Margin, sentence: str, *, evidence_needed: float
) -> Judgement:
    """The judgement with what the comparison adds: a breach, or the evidence that the challenger is no worse.

    `sentence` names the margin, such as "by more than 50 %".
    """
    worse, no_worse = log_worse(champion.concurrent, margin), log_no_worse(champion.concurrent, margin)
    found = replace(
        judgement,
        champion=measured(judgement.name, champion.window),
        no_worse=min(exponential(no_worse), MOST_EVIDENCE),
    )
    if judgement.verdict is CanaryVerdict.BREACH or worse < math.log(evidence_needed):
        return found
    return replace(
        found,
        verdict=CanaryVerdict.BREACH,
        message=_worse(judgement.name, champion.concurrent, sentence),
        evidence=min(exponential(worse), MOST_EVIDENCE),
    )


def _worse(name: str, known: Concurrent, margin: str) -> str:
    """The sentence of a breach of the margin."""
    shares = []
    for tallies in ([split.challenger for split in known.steps], [split.champion for split in known.steps]):
        bad, total = sum(one.bad for one in tallies), sum(one.total for one in tallies)
        shares.append((bad / total if total > 0 else 0.0, math.floor(total)))
    (ours, asked), (theirs, beside) = shares
    what = f" ({100 * ours:.3g} % of the answers slower than that" if name in LATENCIES else f" ({100 * ours:.3g} %"
    return (
        f"{name} is worse than the champion's {margin}{what} over {asked} requests of this trial, "
        f"{100 * theirs:.3g} % over the champion's {beside})"
    )


def margin_sentence(name: str, margin: Margin) -> str:
    """The margin in words."""
    by = f"{100 * margin.relative:.3g} %" if margin.relative else shown(name, margin.absolute)
    return f"by more than {by}"
