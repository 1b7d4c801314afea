"""Which metric source a ModelDeployment has, and what the observer is to read for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from viridian.api.samples import PodTarget
from viridian.judgement.canary import LATENCIES
from viridian.rollout.analysis.judged import subject
from viridian.rollout.analysis.pods import PODS
from viridian.rollout.analysis.source import MetricSource, Query
from viridian.rollout.input import RolloutInput


def source_of(_: RolloutInput) -> MetricSource:
    """The pods themselves, as there is no other source yet."""
    return PODS


def queries(inputs: RolloutInput, now: datetime) -> Sequence[Query]:
    """What this pass needs; the observer fills `RolloutInput.readings` with the results before deciding."""
    judged = subject(inputs, inputs.traffic, now)
    return source_of(inputs).queries(judged) if judged is not None else ()


@dataclass(frozen=True, slots=True)
class Streamed:
    """Pods that are read as they answer, and from how many seconds on an answer may be bad by its time alone."""

    targets: tuple[PodTarget, ...] = ()
    slow_seconds: float | None = None


def streamed(inputs: RolloutInput, now: datetime) -> Streamed:
    """The pods of the revision that is judged: a bad answer of theirs may decide."""
    judged = subject(inputs, inputs.traffic, now)
    if judged is None or inputs.spec is None:
        return Streamed()
    metrics = inputs.spec.rollout.analysis.metrics
    limits = [metric.max for metric in metrics if metric.name in LATENCIES and metric.max is not None]
    return Streamed(judged.pods if metrics else (), min(limits, default=None))


def is_about_to_be_met(inputs: RolloutInput) -> bool:
    """Whether this pass may be the one after which users meet the challenger, or the fallback in a drill.

    Its counters are wanted as they are.
    """
    traffic = inputs.traffic
    return traffic is not None and (traffic.trial or traffic.drill) is not None and traffic.share == 0
