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
    tally,
)
from viridian.judgement.counts import Counts
from viridian.judgement.evidence import log_against_share
from viridian.judgement.split_test import Concurrent, Margin, log_no_worse, log_worse

_CHAMPION_IS_BEYOND: Final = math.log(3)
"""Evidence that the champion breaks a bound as well. It keeps a challenger on trial, so little is enough."""


@dataclass(frozen=True, slots=True)
class BesideChampion:
    """What the champion answered while the challenger was asked too, and both side by side."""

    window: Counts = field(default_factory=Counts)
    step: Counts = field(default_factory=Counts)
    """Since the present weight step began."""
    concurrent: Concurrent = field(default_factory=Concurrent)


def shares_its_breach(bound: Bound, champion: BesideChampion, margin: Margin, *, evidence_needed: float) -> bool:
    """Whether the champion breaks the bound as well, and nothing shows that the challenger is worse.

    Then the cause lies outside of both: a database, the network, the requests themselves.
    """
    beyond = max(
        log_against_share(seen.bad, seen.total, bound.allowed)
        for seen in (tally(bound, champion.window), tally(bound, champion.step))
    )
    return beyond >= _CHAMPION_IS_BEYOND and log_worse(champion.concurrent, margin) < math.log(evidence_needed)


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
