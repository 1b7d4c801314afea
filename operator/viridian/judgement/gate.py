"""The champion gate: what a candidate must show before it is handed to the rollout. Plain comparisons, no I/O.

The numbers are those that the training run reported; the verdict is the operator's own. A bound is kept or it is not.
*Not worse than the champion* is only asked where both sides were judged on the same holdout rows, and means: not worse
by more than the margin, in the metric's own unit. The margin has to cover the noise of the holdout, since two point
estimates are compared: the difference of two AUCs about .80 with 10 % positives has a standard error near .016 on 500
rows and .0035 on 10,000.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from viridian.api.gate_spec import Direction, Gate, GateMetric, GateRule

CHAMPION_PREFIX: Final = "champion."
"""Prefix of the numbers of the champion on the candidate's own holdout: `champion.auc` beside `auc`."""

ERRORS: Final = ("rmse", "mae", "mape", "mse", "loss", "brier", "error")
"""Endings of the names of metrics of which less is better."""

_TOLERANCE: Final = 1e-9
"""0.80 - 0.795 is a little more than 0.005 for a computer, and should not be."""


class GateOutcome(StrEnum):
    PASSED = "Passed"
    REJECTED = "Rejected"
    INCOMPARABLE = "Incomparable"
    """Nothing is known against it, and it could not be compared with the champion: it is not handed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The version that serves now, and what was recorded when it was the candidate."""

    version: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    holdout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a training run reported."""

    metrics: Mapping[str, float]
    holdout: str = ""
    # Whether the `champion.…` among the metrics are about the version that is the champion now.
    judged_present_champion: bool = True
    # Why the run could not judge the champion, in its own words.
    champion_problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFinding:
    """What the gate says of one number."""

    name: str
    outcome: GateOutcome
    sentence: str
    value: float | None = None
    champion: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """All findings, and the one sentence for people: what spoke against it, or else what spoke for it."""

    outcome: GateOutcome
    sentence: str
    findings: tuple[MetricFinding, ...] = ()

    @property
    def passed(self) -> bool:
        return self.outcome is GateOutcome.PASSED


def judge(gate: Gate, candidate: Candidate, champion: Champion | None) -> GateVerdict:
    """The verdict about a candidate; `champion` is None when there is none to compare with."""
    compared = champion if gate.rule is GateRule.NON_INFERIOR else None
    metrics = gate.metrics or _reported_for_both(candidate, compared)
    findings = tuple(_finding(metric, gate, candidate, compared) for metric in metrics)
    if compared is not None and not metrics:
        findings = (_nothing_in_common(candidate, compared),)
    return _verdict(findings, champion)


def direction(metric: GateMetric) -> Direction:
    """Which way is better: as the policy says, else by the name."""
    if metric.direction is not None:
        return metric.direction
    return Direction.LOWER if metric.name.lower().endswith(ERRORS) else Direction.HIGHER


def _reported_for_both(candidate: Candidate, champion: Champion | None) -> tuple[GateMetric, ...]:
    """Without a list in the policy, everything counts that is known of both sides."""
    if champion is None:
        return ()
    names = sorted(name for name in candidate.metrics if not name.startswith(CHAMPION_PREFIX))
    return tuple(GateMetric(name=name) for name in names if _of_champion(name, candidate, champion) is not None)


def _finding(metric: GateMetric, gate: Gate, candidate: Candidate, champion: Champion | None) -> MetricFinding:
    value = candidate.metrics.get(metric.name)
    refusal = _out_of_bounds(metric, value, candidate)
    if refusal or value is None:
        return MetricFinding(name=metric.name, outcome=GateOutcome.REJECTED, sentence=refusal, value=value)
    if champion is None:
        bounded = metric.min is not None or metric.max is not None
        sentence = f"{metric.name} {_number(value)} is {'within its bounds' if bounded else 'not bounded'}"
        return MetricFinding(name=metric.name, outcome=GateOutcome.PASSED, sentence=sentence, value=value)
    return _against_champion(metric, value, gate.margin, candidate, champion)


def _out_of_bounds(metric: GateMetric, value: float | None, candidate: Candidate) -> str:
    """What is wrong with the number by itself, empty when nothing is."""
    if value is None:
        reported = _listed(candidate.metrics)
        return f"the gate asks for {metric.name}, but the run reported {reported}; report it under that name"
    if not math.isfinite(value):
        return f"{metric.name} is {value}, which is not a number to judge by"
    if metric.min is not None and value < metric.min:
        return f"{metric.name} {_number(value)} is below its minimum {_number(metric.min)}"
    if metric.max is not None and value > metric.max:
        return f"{metric.name} {_number(value)} is above its maximum {_number(metric.max)}"
    return ""


def _against_champion(
    metric: GateMetric, value: float, margin: float, candidate: Candidate, champion: Champion
) -> MetricFinding:
    other = _of_champion(metric.name, candidate, champion)
    if other is None or not math.isfinite(other):
        outcome, sentence = GateOutcome.INCOMPARABLE, _why_incomparable(metric.name, candidate, champion)
        return MetricFinding(name=metric.name, outcome=outcome, sentence=sentence, value=value, champion=other)
    worse_by = other - value if direction(metric) is Direction.HIGHER else value - other
    inferior = worse_by > margin and not math.isclose(worse_by, margin, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    relation = f"is {'' if inferior else 'not '}worse than the champion's {_number(other)}"
    return MetricFinding(
        name=metric.name,
        outcome=GateOutcome.REJECTED if inferior else GateOutcome.PASSED,
        sentence=f"{metric.name} {_number(value)} {relation} by more than {_number(margin)}",
        value=value,
        champion=other,
    )


def _of_champion(name: str, candidate: Candidate, champion: Champion) -> float | None:
    """The champion's number on the candidate's holdout, from the run itself or from when the champion was judged."""
    reported = candidate.metrics.get(f"{CHAMPION_PREFIX}{name}")
    if reported is not None and candidate.judged_present_champion:
        return reported
    same_rows = bool(candidate.holdout) and candidate.holdout == champion.holdout
    return champion.metrics.get(name) if same_rows else None


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


def _verdict(findings: tuple[MetricFinding, ...], champion: Champion | None) -> GateVerdict:
    """The gravest outcome decides, and its findings make the sentence."""
    for outcome in (GateOutcome.REJECTED, GateOutcome.INCOMPARABLE):
        against = [finding.sentence for finding in findings if finding.outcome is outcome]
        if against:
            return GateVerdict(outcome=outcome, sentence="; ".join(against), findings=findings)
    sentences = "; ".join(finding.sentence for finding in findings) or "the gate asks for no number"
    lead = "" if champion is not None else "there is no champion yet; "
    return GateVerdict(outcome=GateOutcome.PASSED, sentence=f"{lead}{sentences}", findings=findings)


def _listed(metrics: Iterable[str]) -> str:
    names = sorted(metrics)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"only {', '.join(names[:10])}{more}" if names else "no number at all"


def _number(value: float) -> str:
    return f"{value:.6g}"
