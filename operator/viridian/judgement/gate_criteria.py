"""What the gate asks of each metric: the policy's metrics by its rule, and its guard rails."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from viridian.api.gate_spec import Direction, Gate, GateMetric, GateRule, GuardRail
from viridian.api.metric_names import CHAMPION_PREFIX, lower_is_better
from viridian.judgement.gate_findings import Candidate, Champion


class Aim(Enum):
    """How a candidate is compared with the champion in one metric."""

    NOT_COMPARED = auto()
    NOT_WORSE = auto()
    BETTER = auto()
    RELATIVE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One metric, its bounds, and what is asked of it beside the champion."""

    name: str
    lower_is_better: bool
    aim: Aim
    amount: float = 0.0
    """The margin of NOT_WORSE, the share of RELATIVE."""
    min: float | None = None
    max: float | None = None


def direction(metric: GateMetric | GuardRail) -> Direction:
    """Which way is better: as the policy says, else by the name."""
    if metric.direction is not None:
        return metric.direction
    return Direction.LOWER if lower_is_better(metric.name) else Direction.HIGHER


def criteria_of(gate: Gate, candidate: Candidate, champion: Champion | None) -> tuple[Criterion, ...]:
    """All criteria. Without a list of metrics, those that are known of candidate and champion."""
    metrics = gate.metrics
    if not metrics and champion is not None and gate.rule is not GateRule.THRESHOLDS:
        guarded = {rail.name for rail in gate.guard_rails}
        known = _known_of_both(candidate, champion)
        metrics = tuple(GateMetric(name=name) for name in known if name not in guarded)
    return (*(_of_metric(gate, metric) for metric in metrics), *(_of_rail(gate, rail) for rail in gate.guard_rails))


def _known_of_both(candidate: Candidate, champion: Champion) -> list[str]:
    named = candidate.metrics or (candidate.evaluation.metrics if candidate.evaluation else {})
    names = sorted(name for name in named if not name.startswith(CHAMPION_PREFIX))
    return [name for name in names if candidate.beside(champion, name) is not None]


def _of_metric(gate: Gate, metric: GateMetric) -> Criterion:
    aim, amount = {
        GateRule.NON_INFERIOR: (Aim.NOT_WORSE, gate.margin),
        GateRule.SUPERIOR: (Aim.BETTER, 0.0),
        GateRule.THRESHOLDS: (Aim.NOT_COMPARED, 0.0),
    }[gate.rule]
    if metric.relative_to_champion is not None:
        aim, amount = Aim.RELATIVE, metric.relative_to_champion
    return _criterion(metric, aim, amount)


def _of_rail(gate: Gate, rail: GuardRail) -> Criterion:
    return _criterion(rail, Aim.NOT_WORSE, gate.margin if rail.margin is None else rail.margin)


def _criterion(metric: GateMetric | GuardRail, aim: Aim, amount: float) -> Criterion:
    lower = direction(metric) is Direction.LOWER
    return Criterion(name=metric.name, lower_is_better=lower, aim=aim, amount=amount, min=metric.min, max=metric.max)
