"""Which source each metric has, and what the observer is to read for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from viridian.api.canary_metric import Metric
from viridian.api.cel_metrics import COUNTED
from viridian.api.samples import PodTarget
from viridian.judgement.beside_champion import BesideChampion
from viridian.judgement.canary import LATENCIES
from viridian.rollout.analysis.collected_rows import COLLECTOR, is_collected
from viridian.rollout.analysis.experiment_rows import experiment_questions
from viridian.rollout.analysis.judged import subject
from viridian.rollout.analysis.mirrored import MIRROR, is_mirrored
from viridian.rollout.analysis.pods import PODS
from viridian.rollout.analysis.queried_values import PROMETHEUS
from viridian.rollout.analysis.source import Evidence, Look, MetricSource, Query
from viridian.rollout.answers import Question
from viridian.rollout.input import RolloutInput
from viridian.rollout.way_back_times import drained_targets


class EachBySource:
    """All sources; each metric is left to its own. The pods are read in any case: they count the requests of a step."""

    def queries(self, look: Look) -> Sequence[Query]:
        return (*PODS.queries(look), *PROMETHEUS.queries(look), *COLLECTOR.queries(look))

    def evidence(self, metric: Metric, look: Look) -> Evidence:
        return _of(metric, look).evidence(metric, look)

    def beside_champion(self, metric: Metric, look: Look) -> BesideChampion | None:
        return _of(metric, look).beside_champion(metric, look)

    def breach_began(self, metric: Metric, look: Look) -> datetime | None:
        return _of(metric, look).breach_began(metric, look)


SOURCES: Final[MetricSource] = EachBySource()


def _of(metric: Metric, look: Look) -> MetricSource:
    if metric.query is not None:
        return PROMETHEUS
    if is_mirrored(metric, look):
        return MIRROR
    return COLLECTOR if is_collected(metric) else PODS


def queries(inputs: RolloutInput, now: datetime) -> Sequence[PodTarget]:
    """The pods that this pass needs; the observer fills `RolloutInput.readings` with the results before deciding."""
    return [query for query in _asked(inputs, now) if isinstance(query, PodTarget)]


def questions(inputs: RolloutInput, now: datetime) -> Sequence[Question]:
    """What is asked beside the passes; `RolloutInput.answers` has what is known by now."""
    asked = [query for query in _asked(inputs, now) if not isinstance(query, PodTarget)]
    return [*asked, *experiment_questions(inputs)]


def _asked(inputs: RolloutInput, now: datetime) -> Sequence[Query]:
    judged = subject(inputs, inputs.traffic, now)
    drained = drained_targets(inputs, now)
    if judged is None or inputs.spec is None:
        return drained
    return (*SOURCES.queries(Look(inputs.spec.rollout.analysis, judged, {}, now)), *drained)


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
    counted = [metric for metric in inputs.spec.rollout.analysis.metrics if metric.name in COUNTED]
    limits = [metric.max for metric in counted if metric.name in LATENCIES and metric.max is not None]
    return Streamed(judged.pods if counted else (), min(limits, default=None))


def is_about_to_be_met(inputs: RolloutInput) -> bool:
    """Whether this pass may be the one after which users meet the challenger, or the fallback is asked in a drill.

    Its counters are wanted as they are.
    """
    traffic = inputs.traffic
    if traffic is None or traffic.drill is not None:
        return traffic is not None and traffic.drill is not None and traffic.drill.since is None
    return traffic.trial is not None and traffic.share == 0
