"""Whether a slice of the holdout loses more than it may: by more than maxDrop, and by more than chance.

A slice is small, and there are many, so one of them always looks bad. A slice speaks against a candidate when its drop
exceeds maxDrop and *no drop* is excluded for it after Holm's correction over all slices that were compared.
"""

from __future__ import annotations

from viridian.api.evaluation import HoldoutEvaluation, SliceComparison, p_of_drop
from viridian.api.gate_spec import Gate, Slice
from viridian.api.metric_names import lower_is_better
from viridian.judgement.gate_findings import Candidate, GateOutcome, MetricFinding, number_text, percent
from viridian.judgement.paired_differences import holm, is_close


def slice_findings(gate: Gate, candidate: Candidate) -> tuple[MetricFinding, ...]:
    """One finding for each column that the gate names."""
    evaluation = candidate.evaluation if candidate.judged_present_champion else None
    if evaluation is None:
        return tuple(_unknown(one, "no evaluation of the present champion was reported") for one in gate.slices)
    excluded = _chance_is_excluded(evaluation, 1 - gate.confidence)
    return tuple(_finding(one, gate, evaluation, excluded) for one in gate.slices)


def _chance_is_excluded(evaluation: HoldoutEvaluation, alpha: float) -> frozenset[int]:
    """Places of the slices whose drop is no chance, all columns together."""
    p_values = [p_of_drop(one.metric, one.compared, evaluation.confidence) for one in evaluation.slices]
    return frozenset(place for place, beyond in enumerate(holm(p_values, alpha, evaluation.slices_tested)) if beyond)


def _finding(asked: Slice, gate: Gate, evaluation: HoldoutEvaluation, excluded: frozenset[int]) -> MetricFinding:
    slices = [
        (place, one)
        for place, one in enumerate(evaluation.slices)
        if one.column == asked.column and asked.metric in ("", one.metric)
    ]
    if not slices and evaluation.slices_tested <= len(evaluation.slices):
        reason = "; ".join(problem for problem in evaluation.problems if asked.column in problem)
        return _unknown(asked, reason or "the evaluation reported none")
    worse = [one for place, one in slices if place in excluded and _exceeds(one, asked.max_drop)]
    if worse:
        sentence = "; ".join(_sentence(one, asked.max_drop) for one in worse)
        return MetricFinding(name=asked.column, outcome=GateOutcome.REJECTED, sentence=sentence)
    tested = max(evaluation.slices_tested, len(evaluation.slices))
    kept = f"no slice of {asked.column} is shown to lose more than {number_text(asked.max_drop)}"
    sentence = f"{kept} ({tested} slices compared, Holm at {percent(gate.confidence)})"
    return MetricFinding(name=asked.column, outcome=GateOutcome.PASSED, sentence=sentence)


def _exceeds(one: SliceComparison, most: float) -> bool:
    drop = _drop(one)
    return drop > most and not is_close(drop, most)


def _drop(one: SliceComparison) -> float:
    difference = one.compared.difference or 0.0
    return difference if lower_is_better(one.metric) else -difference


def _sentence(one: SliceComparison, most: float) -> str:
    where = f"{one.metric} of the {one.rows:,} rows with {one.column} {one.value}"
    return f"{where} is worse than the champion's by {number_text(_drop(one))}, more than {number_text(most)}"


def _unknown(asked: Slice, why: str) -> MetricFinding:
    sentence = f"the slices of {asked.column} cannot be compared: {why}"
    return MetricFinding(name=asked.column, outcome=GateOutcome.INCOMPARABLE, sentence=sentence)


def weakest_slice(evaluation: HoldoutEvaluation) -> SliceComparison | None:
    """The slice that loses most beyond its noise."""
    slices = evaluation.slices
    return min(slices, key=lambda one: p_of_drop(one.metric, one.compared, evaluation.confidence), default=None)
