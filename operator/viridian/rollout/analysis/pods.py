"""The metrics that the pods count themselves: no other software is needed. Only what users asked of them counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from viridian.api.canary_metric import Metric
from viridian.api.cel_metrics import COUNTED
from viridian.api.names import Slot
from viridian.api.samples import PodSample
from viridian.judgement.beside_champion import BesideChampion
from viridian.judgement.canary import LATENCIES, Bound, has_bad, strength, tally
from viridian.judgement.compared_latency import slow_answers
from viridian.judgement.counts import absolute
from viridian.judgement.split_test import Concurrent, SlotTallies
from viridian.rollout.analysis.judged import ServingChampion
from viridian.rollout.analysis.metric_bounds import bound_of, margin_of
from viridian.rollout.analysis.pod_readings import MOST_MOMENTS, Courses, Readings, moments, readings_of
from viridian.rollout.analysis.source import Counted, Evidence, Look, MetricSource, Missing, Query
from viridian.rollout.input import RolloutInput
from viridian.rollout.traffic import exposure as exposures
from viridian.rollout.traffic.exposure import Counting, Exposure


class PodCounters:
    """The counters of the pods, read by the operator itself."""

    def queries(self, look: Look) -> Sequence[Query]:
        subject = look.subject
        return (*subject.pods, *(subject.champion.pods if subject.champion is not None else ()))

    def evidence(self, metric: Metric, look: Look) -> Evidence:
        seen = _seen(look)
        if seen.failure is not None and seen.blind:
            return Missing(seen.failure)
        times = [look.now - number * look.interval for number in range(metric.consecutive)]
        courses = seen.courses(bound_of(metric))
        return Counted(
            tuple(seen.between(at - look.window, at) for at in times),
            tuple(courses.memory(look, at) for at in times),
        )

    def beside_champion(self, metric: Metric, look: Look) -> BesideChampion | None:
        champion = look.subject.champion
        if champion is None or not champion.pods:
            return None
        theirs = readings_of(look, champion.pods, champion.exposure)
        if theirs.blind:
            return None
        bound = bound_of(metric)
        return BesideChampion(
            window=theirs.between(look.now - look.window, look.now),
            bounded=_side_by_side((bound, bound), look, champion, (_in_this_step(look, champion), theirs)),
            concurrent=_compared(metric, look, champion, theirs),
        )

    def breach_began(self, metric: Metric, look: Look) -> datetime | None:
        """A good model has bad answers too. So the breach began at the moment since which the answers speak most
        strongly against the bound, and its first sample is the first reading after that which shows a bad answer.
        """
        bound, now, seen = bound_of(metric), look.now, _seen(look)
        since = now - look.window
        times = sorted({reading.at for pod in seen.pods for reading in pod if reading.at > since})
        moments = [since, *times[:-1]][:: 1 + len(times) // MOST_MOMENTS]
        onset = max(moments, key=lambda start: strength(bound, seen.between(start, now)))
        after = [at for at in times if at > onset]
        thinned = [*after[:: 1 + len(after) // MOST_MOMENTS], *after[-1:]]
        return next((at for at in thinned if has_bad(bound, seen.between(onset, at))), None)


PODS: Final[MetricSource] = PodCounters()


def _seen(look: Look) -> Readings:
    return readings_of(look, look.subject.pods, look.subject.exposure)


def _compared(metric: Metric, look: Look, champion: ServingChampion, theirs: Readings) -> Concurrent:
    """What both are compared by, step by step; nothing where it is not known what the present step began with."""
    compared = champion.compared
    if compared is None:
        return Concurrent()
    earlier, both = compared.earlier.get(metric.name, ()), (_in_this_step(look, champion), theirs)
    bounds = _what_counts_as_bad(metric, *both)
    if bounds is None:
        return Concurrent(earlier)
    present = _side_by_side(bounds, look, champion, both)
    return Concurrent((*earlier, *present.steps), present.recent)


def _in_this_step(look: Look, champion: ServingChampion) -> Readings:
    """The challenger's readings, from the beginning of the present step."""
    compared = champion.compared
    return readings_of(look, look.subject.pods, (compared and compared.challenger) or look.subject.exposure)


def _side_by_side(
    bounds: tuple[Bound, Bound], look: Look, champion: ServingChampion, both: tuple[Readings, Readings]
) -> Concurrent:
    """The present step of challenger and champion, each by its bound."""
    challenger, beside = (readings.courses(bound) for readings, bound in zip(both, bounds, strict=True))
    begun = champion.compared.champion.since if champion.compared is not None else None
    recent = tuple(
        (number, _tallies(challenger, beside, moment, look.now))
        for number, moment in moments(look, look.now)
        if begun is None or moment >= begun
    )
    return Concurrent((_tallies(challenger, beside, None, look.now),), recent)


def _tallies(challenger: Courses, champion: Courses, since: datetime | None, until: datetime) -> SlotTallies:
    return SlotTallies(challenger.since(since, until), champion.since(since, until))


def _what_counts_as_bad(metric: Metric, challenger: Readings, champion: Readings) -> tuple[Bound, Bound] | None:
    """Which answers of challenger and champion count as bad; None where the champion has answered too little."""
    bound = bound_of(metric)
    if metric.name not in LATENCIES:
        return bound, bound
    return slow_answers(bound, margin_of(metric), challenger.whole(), champion.whole())


def bad_answers(metrics: Sequence[Metric]) -> Callable[[PodSample], tuple[float, ...]]:
    """What makes a reading worth keeping: the bad answers of each metric that had been counted by then."""
    bounds = [bound_of(metric) for metric in metrics if metric.name in COUNTED]
    return lambda reading: tuple(tally(bound, absolute(reading)).bad for bound in bounds)


def counting(inputs: RolloutInput, slot: Slot) -> list[Counting]:
    """The pods of a slot that users can meet now or soon, with what they have counted so far."""
    state = inputs.slots.get(slot)
    pods = [pod for pod in state.pods if pod.revision == state.revision and not pod.leaving] if state else []
    return [Counting(pod.uid, pod.process, pod.restarts, _newest(inputs, pod.uid)) for pod in pods]


def exposed_requests(inputs: RolloutInput, slot: Slot, exposure: Exposure) -> int:
    """Requests of users that a slot has answered in its trial; of a pod that cannot be read now, those known before."""
    pods = [replace(pod, reading=_newest_known(inputs, pod.uid)) for pod in counting(inputs, slot)]
    return exposures.answered(exposure, pods)


def _newest_known(inputs: RolloutInput, uid: str) -> PodSample | None:
    known = [result for result in inputs.readings.get(uid, ()) if isinstance(result, PodSample)]
    return known[-1] if known else None


def _newest(inputs: RolloutInput, uid: str) -> PodSample | None:
    """The newest reading, unless the newest attempt at one failed."""
    results = inputs.readings.get(uid, ())
    newest = results[-1] if results else None
    return newest if isinstance(newest, PodSample) else None
