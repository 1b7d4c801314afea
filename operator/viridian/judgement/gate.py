"""The champion gate: what a candidate must show before it is handed to the rollout. Plain comparisons, no I/O.

The numbers are those that the run reported; the verdict is the operator's own. Where an evaluation reported candidate
and champion on the same rows with intervals, the bound decides: *not worse* means that even the lower bound of the gain
is above -margin, *better* that it is above 0. Where only two numbers were reported, *not worse* compares them as they
are, so the margin has to cover the noise of the holdout; *better* is then never shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

from viridian.api.evaluation import DEFAULT_CONFIDENCE
from viridian.api.gate_spec import Direction, Gate, GateBaseline, GateMetric, GateRule
from viridian.api.metric_names import CHAMPION_PREFIX
from viridian.judgement.gate_comparison import Evidence, compare
from viridian.judgement.gate_criteria import Aim, Criterion, criteria_of, direction
from viridian.judgement.gate_findings import (
    Candidate,
    Champion,
    GateOutcome,
    GateVerdict,
    MetricFinding,
    number_text,
    percent,
)
from viridian.judgement.gate_slices import slice_findings
from viridian.judgement.paired_differences import worn_confidence

_USUAL: Final = ("auc", "accuracy", "rmse")
"""In what a first version is compared with a constant, where the policy names nothing."""


def judge(gate: Gate, candidate: Candidate, champion: Champion | None) -> GateVerdict:
    """The verdict about a candidate; `champion` is None when there is none to compare with."""
    evidence = _evidence(gate, candidate)
    criteria = criteria_of(gate, candidate, champion)
    findings = [_finding(one, evidence, candidate, champion) for one in criteria]
    if champion is None:
        findings += _beside_a_constant(gate, evidence, candidate)
    else:
        if not criteria and gate.rule is not GateRule.THRESHOLDS:
            findings.append(_nothing_in_common(candidate, champion))
        findings += slice_findings(gate, candidate)
    findings += _too_few_rows(gate, candidate)
    findings += _another_holdout(candidate)
    return _verdict(tuple(findings), gate, evidence, candidate, champion)


def _evidence(gate: Gate, candidate: Candidate) -> Evidence:
    evaluation = candidate.evaluation
    return Evidence(
        confidence=worn_confidence(gate.confidence, candidate.asked),
        reported=evaluation.confidence if evaluation else DEFAULT_CONFIDENCE,
        rows=evaluation.rows if evaluation else 0,
    )


def _finding(
    criterion: Criterion, evidence: Evidence, candidate: Candidate, champion: Champion | None
) -> MetricFinding:
    name, value = criterion.name, candidate.value(criterion.name)
    refusal = _out_of_bounds(criterion, value, candidate)
    if refusal or value is None:
        return MetricFinding(name=name, outcome=GateOutcome.REJECTED, sentence=refusal, value=value)
    if champion is None or criterion.aim is Aim.NOT_COMPARED:
        bounded = criterion.min is not None or criterion.max is not None
        sentence = f"{name} {number_text(value)} is {'within its bounds' if bounded else 'not bounded'}"
        return MetricFinding(name=name, outcome=GateOutcome.PASSED, sentence=sentence, value=value)
    compared = candidate.beside(champion, name)
    other = compared.champion if compared else None
    if compared is None or other is None or not math.isfinite(other):
        outcome, sentence = GateOutcome.INCOMPARABLE, _why_incomparable(name, candidate, champion)
        return MetricFinding(name=name, outcome=outcome, sentence=sentence, value=value, champion=other)
    return compare(criterion, compared, evidence)


def _out_of_bounds(criterion: Criterion, value: float | None, candidate: Candidate) -> str:
    """What is wrong with the number by itself, empty when nothing is."""
    name = criterion.name
    if value is None:
        return f"the gate asks for {name}, but the run reported {_reported(candidate)}; report it under that name"
    if not math.isfinite(value):
        return f"{name} is {value}, which is not a number to judge by"
    if criterion.min is not None and value < criterion.min:
        return f"{name} {number_text(value)} is below its minimum {number_text(criterion.min)}"
    if criterion.max is not None and value > criterion.max:
        return f"{name} {number_text(value)} is above its maximum {number_text(criterion.max)}"
    return ""


def _why_incomparable(name: str, candidate: Candidate, champion: Champion) -> str:
    lead = f"{name} cannot be compared with the champion, version {champion.version}"
    if candidate.champion_problem:
        return f"{lead}: {candidate.champion_problem}; report {CHAMPION_PREFIX}{name}, or use gate.rule Thresholds"
    if not candidate.judged_present_champion:
        return f"{lead}, which took over while this candidate was made; start another run"
    why = "both were not judged on the same holdout" if name in champion.metrics else "nothing was reported for it"
    return (
        f"{lead}: {why}; let the training judge VIRIDIAN_CHAMPION_URI on its own holdout and report "
        f"{CHAMPION_PREFIX}{name}, or use gate.rule Thresholds"
    )


def _nothing_in_common(candidate: Candidate, champion: Champion) -> MetricFinding:
    name = next((name for name in sorted(candidate.metrics) if not name.startswith(CHAMPION_PREFIX)), "the metric")
    sentence = _why_incomparable(name, candidate, champion)
    return MetricFinding(name=name, outcome=GateOutcome.INCOMPARABLE, sentence=sentence)


def _beside_a_constant(gate: Gate, evidence: Evidence, candidate: Candidate) -> Iterator[MetricFinding]:
    """The first version, where the policy wants it to be better than a constant."""
    if gate.baseline is not GateBaseline.CONSTANT:
        return
    known = candidate.evaluation.baseline if candidate.evaluation else {}
    usual = [GateMetric(name=name) for name in _USUAL if name in known][:1] or [GateMetric(name="the model")]
    for metric in gate.metrics or usual:
        name, lower = metric.name, direction(metric) is Direction.LOWER
        if name in known:
            criterion = Criterion(name=name, lower_is_better=lower, aim=Aim.BETTER)
            yield compare(criterion, known[name], evidence, "a constant prediction")
            continue
        sentence = (
            f"{name} cannot be compared with a constant prediction, which no evaluation reported: use training.log "
            "or the built-in evaluation, or remove gate.baseline"
        )
        yield MetricFinding(name=name, outcome=GateOutcome.INCOMPARABLE, sentence=sentence)


def _too_few_rows(gate: Gate, candidate: Candidate) -> Iterator[MetricFinding]:
    rows = candidate.evaluation.rows if candidate.evaluation else 0
    if rows >= gate.min_rows:
        return
    known = f"the holdout has {rows:,} rows" if rows else "how many rows the holdout has was not reported"
    sentence = f"{known}, and gate.minRows asks for {gate.min_rows:,}"
    yield MetricFinding(name="rows", outcome=GateOutcome.INCOMPARABLE, sentence=sentence)


def _another_holdout(candidate: Candidate) -> Iterator[MetricFinding]:
    meant = candidate.meant_holdout
    judged_on = candidate.evaluation.holdout if candidate.evaluation else candidate.holdout
    if not meant or judged_on == meant:
        return
    sentence = f"it was judged on the holdout {judged_on or 'of unknown digest'}, and {meant} is meant"
    yield MetricFinding(name="holdout", outcome=GateOutcome.INCOMPARABLE, sentence=sentence)


def _verdict(
    findings: tuple[MetricFinding, ...],
    gate: Gate,
    evidence: Evidence,
    candidate: Candidate,
    champion: Champion | None,
) -> GateVerdict:
    """The gravest outcome decides, and its findings make the sentence."""
    outcome = next((one for one in GateOutcome if any(found.outcome is one for found in findings)), GateOutcome.PASSED)
    deciding = [finding for finding in findings if finding.outcome is outcome]
    sentence = "; ".join(finding.sentence for finding in deciding) or "the gate asks for no number"
    if outcome is GateOutcome.PASSED and champion is None:
        sentence = f"there is no champion yet; {sentence}"
    remarks = "".join(_remarks(deciding, gate, evidence, candidate))
    return GateVerdict(outcome=outcome, sentence=f"{sentence}{remarks}", findings=findings)


def _remarks(deciding: Iterable[MetricFinding], gate: Gate, evidence: Evidence, candidate: Candidate) -> Iterator[str]:
    """What a reader has to know to understand the sentence."""
    if any(finding.points_alone for finding in deciding):
        yield "; no interval was reported, so the numbers alone were compared"
    if candidate.asked > 1:
        yield (
            f"; {candidate.asked} candidates were judged on this holdout by now, so bounds are those at "
            f"{percent(evidence.confidence)} in place of {percent(gate.confidence)}"
        )
    problems = candidate.evaluation.problems if candidate.evaluation else ()
    if problems and any(finding.outcome is not GateOutcome.PASSED for finding in deciding):
        yield f"; the evaluation has problems: {'; '.join(problems)}"


def _reported(candidate: Candidate) -> str:
    evaluated = candidate.evaluation.metrics if candidate.evaluation else {}
    names = sorted({*candidate.metrics, *evaluated})
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"only {', '.join(names[:10])}{more}" if names else "no number at all"
