"""The metrics that the pods count themselves: no other software is needed. Only what users asked of them counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from viridian.api.modeldeployment import Metric
from viridian.api.names import Slot
from viridian.api.samples import PodSample, ScrapeFailure
from viridian.judgement.canary import has_bad, strength
from viridian.judgement.counts import Counts, counted
from viridian.rollout.analysis.judged import JudgedRevision
from viridian.rollout.analysis.judging import bound_of
from viridian.rollout.analysis.source import Counted, Evidence, Look, MetricSource, Missing, Query
from viridian.rollout.input import RolloutInput
from viridian.rollout.traffic import exposure as exposures
from viridian.rollout.traffic.exposure import Counting

# A reading older than this (or than three intervals) says nothing about now.
_STALE_AFTER = timedelta(seconds=5)
# How many moments of the window are looked at as the possible beginning of a breach: a revert is waiting.
_MOMENTS = 60


class PodCounters:
    """The counters of the subject's pods, read by the operator itself."""

    def queries(self, subject: JudgedRevision) -> Sequence[Query]:
        return subject.pods

    def evidence(self, metric: Metric, look: Look) -> Evidence:
        seen = _seen(look)
        if seen.failure is not None and seen.blind:
            return Missing(seen.failure)
        times = [look.now - number * look.interval for number in range(metric.consecutive)]
        return Counted(tuple(seen.between(at - look.window, at) for at in times))

    def breach_began(self, metric: Metric, look: Look) -> datetime | None:
        """A good model has bad answers too. So the breach began at the moment since which the answers speak most
        strongly against the bound, and its first sample is the first reading after that which shows a bad answer.
        """
        bound, now, seen = bound_of(metric), look.now, _seen(look)
        since = now - look.window
        times = sorted({reading.at for pod in seen.pods for reading in pod if reading.at > since})
        moments = [since, *times[:-1]][:: 1 + len(times) // _MOMENTS]
        onset = max(moments, key=lambda start: strength(bound, seen.between(start, now)))
        after = [at for at in times if at > onset]
        thinned = [*after[:: 1 + len(after) // _MOMENTS], *after[-1:]]
        return next((at for at in thinned if has_bad(bound, seen.between(onset, at))), None)


PODS: Final[MetricSource] = PodCounters()


@dataclass(frozen=True, slots=True)
class _Seen:
    """Each pod's samples within the exposure, and why the newest attempt to read one failed."""

    look: Look
    pods: list[list[PodSample]]
    failure: str | None

    @property
    def fresh(self) -> timedelta:
        """As old as the newest reading may be."""
        return max(_STALE_AFTER, 3 * self.look.interval)

    @property
    def blind(self) -> bool:
        return not any(pod[-1].at >= self.look.now - self.fresh for pod in self.pods)

    def between(self, since: datetime, until: datetime) -> Counts:
        """A window need not be exact to the second: a reading that is a little older may stand for its beginning."""
        return counted(self.pods, since, until, slack=max(self.fresh, self.look.window / 10))


def _seen(look: Look) -> _Seen:
    samples, failure = [], None
    for target in look.subject.pods:
        results = look.results.get(target.uid, ())
        read = [result for result in results if isinstance(result, PodSample)]
        samples.append(exposures.evidence(look.subject.exposure, read))
        if results and isinstance(results[-1], ScrapeFailure):
            failure = results[-1].message
    return _Seen(look, [pod for pod in samples if pod], failure)


def counting(inputs: RolloutInput, slot: Slot) -> list[Counting]:
    """The pods of a slot that users can meet now or soon, with what they have counted so far."""
    state = inputs.slots.get(slot)
    pods = [pod for pod in state.pods if pod.revision == state.revision and not pod.leaving] if state else []
    return [Counting(pod.uid, pod.process, pod.restarts, _newest(inputs, pod.uid)) for pod in pods]


def _newest(inputs: RolloutInput, uid: str) -> PodSample | None:
    """The newest reading, unless the newest attempt at one failed."""
    results = inputs.readings.get(uid, ())
    newest = results[-1] if results else None
    return newest if isinstance(newest, PodSample) else None
