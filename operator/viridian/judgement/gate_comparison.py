"""One metric of a candidate beside the champion's: by the bounds of the interval, or by two numbers without one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from viridian.api.evaluation import MEASURED, MetricComparison
from viridian.judgement.gate_criteria import Aim, Criterion
from viridian.judgement.gate_findings import NUMBERS_ALONE, GateOutcome, MetricFinding, number_text, percent
from viridian.judgement.paired_differences import POWER, Gain, is_close

PASSED, REJECTED, INCONCLUSIVE = GateOutcome.PASSED, GateOutcome.REJECTED, GateOutcome.INCONCLUSIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How sure the bounds are, and must be, and on how many rows they rest."""

    confidence: float
    reported: float
    rows: int = 0


def compare(
    criterion: Criterion, compared: MetricComparison, evidence: Evidence, rival: str = "the champion"
) -> MetricFinding:
    """The finding about two numbers on the same rows; `compared.champion` is known and finite."""
    if not compared.has_interval and compared.method not in (NUMBERS_ALONE, MEASURED):
        # An evaluation gives no interval where its rows are too few for one: less evidence is no easier test.
        outcome, sentence = INCONCLUSIVE, f"cannot be compared with {_number_of(rival, compared)}: no interval is known"
    elif criterion.aim is Aim.RELATIVE:
        outcome, sentence = _relative(criterion, compared, evidence)
    elif compared.has_interval:
        outcome, sentence = _by_bounds(criterion, compared, evidence, rival)
    else:
        outcome, sentence = _by_points(criterion, compared, rival)
    return MetricFinding(
        name=criterion.name,
        outcome=outcome,
        sentence=f"{criterion.name} {number_text(compared.candidate)} {sentence}",
        value=compared.candidate,
        champion=compared.champion,
        points_alone=compared.method == NUMBERS_ALONE,
    )


def _number_of(rival: str, compared: MetricComparison) -> str:
    return f"{rival}'s {number_text(compared.champion if compared.champion is not None else math.nan)}"


# ---- with an interval


def gain_of(compared: MetricComparison, *, lower_is_better: bool) -> Gain | None:
    """By how much the candidate is better, as it was reported; None without an interval."""
    difference, low, high = compared.difference, compared.low, compared.high
    if difference is None or low is None or high is None:
        return None
    return Gain(-difference, -high, -low) if lower_is_better else Gain(difference, low, high)


def _by_bounds(
    criterion: Criterion, compared: MetricComparison, evidence: Evidence, rival: str
) -> tuple[GateOutcome, str]:
    reported = gain_of(compared, lower_is_better=criterion.lower_is_better)
    if reported is None:
        raise ValueError(f"{criterion.name} has no interval")
    gain = reported.at(evidence.confidence, reported=evidence.reported)
    other, shown = _number_of(rival, compared), f": {_shown(gain, evidence)}"
    if criterion.aim is Aim.BETTER:
        if gain.low > 0:
            return PASSED, f"is better than {other}{shown}"
        if gain.high < 0:
            return REJECTED, f"is worse than {other}{shown}"
        return INCONCLUSIVE, f"is not shown to be better than {other}{shown}"
    margin = criterion.amount
    within = f"than {other} by more than {number_text(margin)}{shown}"
    if gain.low > -margin or is_close(gain.low, -margin):
        return PASSED, f"is not worse {within}"
    if gain.high < -margin:
        return REJECTED, f"is worse {within}"
    return INCONCLUSIVE, f"may be worse {within}{_advice(gain, margin, evidence)}"


def _shown(gain: Gain, evidence: Evidence) -> str:
    bounds = f"from {number_text(gain.low)} to {number_text(gain.high)}"
    return f"gain {number_text(gain.value)}, {bounds} at {percent(evidence.confidence)}"


def _advice(gain: Gain, margin: float, evidence: Evidence) -> str:
    """What the holdout can show at all, so that nobody takes the candidate for bad."""
    chance, needed = (
        gain.chance_of_an_equal_one(margin, evidence.confidence),
        gain.margin_for_an_equal_one(evidence.confidence),
    )
    if chance >= POWER:
        return ""
    ways = [f"a margin of {needed:.2g}"]
    if margin > 0 and evidence.rows:
        ways.append(f"about {float(f'{evidence.rows * (needed / margin) ** 2:.2g}'):,.0f} rows")
    on = f"on {evidence.rows:,} rows " if evidence.rows else ""
    passes = f"{on}an equal candidate passes in {percent(round(chance, 2))} of cases"
    return f"; {passes}: {' or '.join(ways)} makes it {percent(POWER)}"


# ---- relative to the champion's number


def _relative(criterion: Criterion, compared: MetricComparison, evidence: Evidence) -> tuple[GateOutcome, str]:
    champion, share = compared.champion, criterion.amount
    if champion is None or champion <= 0:
        shown = "nothing" if champion is None else number_text(champion)
        return GateOutcome.INCOMPARABLE, f"has no share of the champion's {shown}: write margin or max"
    wanted = f"{percent(abs(share))} {'lower' if share < 0 else 'higher'} than the champion's {number_text(champion)}"
    change = compared.candidate / champion - 1
    bounds = _relative_bounds(compared, change)
    if bounds is None:
        reached = _reached(change, share)
        return PASSED if reached else REJECTED, f"is {'' if reached else 'not '}at least {wanted}"
    gain = bounds.at(evidence.confidence, reported=evidence.reported)
    shown = f": {percent(change)}, from {percent(gain.low)} to {percent(gain.high)} at {percent(evidence.confidence)}"
    nearest, farthest = (gain.high, gain.low) if share < 0 else (gain.low, gain.high)
    if _reached(nearest, share):
        return PASSED, f"is at least {wanted}{shown}"
    if not _reached(farthest, share):
        return REJECTED, f"is not at least {wanted}{shown}"
    return INCONCLUSIVE, f"is not shown to be at least {wanted}{shown}"


def _relative_bounds(compared: MetricComparison, change: float) -> Gain | None:
    """As they were reported; else from the difference, with the champion's number taken as exact."""
    if compared.relative_low is not None and compared.relative_high is not None:
        return Gain(change, compared.relative_low, compared.relative_high)
    if compared.low is None or compared.high is None or not compared.champion:
        return None
    return Gain(change, compared.low / compared.champion, compared.high / compared.champion)


def _reached(change: float, share: float) -> bool:
    return is_close(change, share) or (change < share if share < 0 else change > share)


# ---- without an interval


def _by_points(criterion: Criterion, compared: MetricComparison, rival: str) -> tuple[GateOutcome, str]:
    """The rule of two numbers. Only those that have no noise show that one is better, such as a size in bytes."""
    other, theirs = compared.champion if compared.champion is not None else math.nan, _number_of(rival, compared)
    worse_by = compared.candidate - other if criterion.lower_is_better else other - compared.candidate
    if criterion.aim is Aim.BETTER and compared.method == MEASURED:
        better = worse_by < 0
        return PASSED if better else REJECTED, f"is {'' if better else 'not '}better than {theirs}"
    if criterion.aim is Aim.BETTER:
        why = "no interval was reported: report an evaluation, as training.log does"
        return INCONCLUSIVE, f"is not shown to be better than {theirs}: {why}"
    inferior = worse_by > criterion.amount and not is_close(worse_by, criterion.amount)
    sentence = f"is {'' if inferior else 'not '}worse than {theirs} by more than {number_text(criterion.amount)}"
    return REJECTED if inferior else PASSED, sentence
