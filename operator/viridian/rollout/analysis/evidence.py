"""What the judge says about a slot, on what users asked of its pods within the window and within their exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from viridian.api import durations
from viridian.api.modeldeployment import Analysis, Metric
from viridian.api.names import Slot
from viridian.api.samples import PodSample, ScrapeFailure
from viridian.judgement.canary import SUCCESS_RATE, Bound, Judgement, has_bad, judge, strength, unreadable
from viridian.judgement.counts import Counts, counted
from viridian.rollout import input as snapshots
from viridian.rollout.analysis import exposure as exposures
from viridian.rollout.analysis.exposure import Counting, Exposure
from viridian.rollout.state import RolloutState

# A reading older than this (or than three intervals) says nothing about now.
_STALE_AFTER = timedelta(seconds=5)
# How many moments of the window are looked at as the possible beginning of a breach: a revert is waiting.
_MOMENTS = 60


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Each pod's samples, and why the newest attempt to read one failed."""

    analysis: Analysis
    now: datetime
    pods: list[list[PodSample]]
    failure: str | None

    @property
    def window(self) -> timedelta:
        return durations.parse(self.analysis.window)

    @property
    def fresh(self) -> timedelta:
        """As old as the newest reading may be."""
        return max(_STALE_AFTER, 3 * durations.parse(self.analysis.interval))

    @property
    def blind(self) -> bool:
        return self.failure is not None and not any(pod[-1].at >= self.now - self.fresh for pod in self.pods)

    def between(self, since: datetime, until: datetime) -> Counts:
        """A window need not be exact to the second: a reading that is a little older may stand for its beginning."""
        return counted(self.pods, since, until, slack=max(self.fresh, self.window / 10))


def _evidence(state: RolloutState, slot: Slot, exposure: Exposure | None) -> _Evidence:
    samples, failure = [], None
    for target in snapshots.judged_targets(state.inputs, slot):
        seen = state.inputs.readings.get(target.uid, ())
        samples.append(exposures.evidence(exposure, [r for r in seen if isinstance(r, PodSample)]))
        if seen and isinstance(seen[-1], ScrapeFailure):
            failure = seen[-1].message
    return _Evidence(state.spec.rollout.analysis, state.now, [pod for pod in samples if pod], failure)


def judgements(state: RolloutState, slot: Slot, exposure: Exposure | None) -> tuple[Judgement, ...]:
    """One judgement a metric, on the answers of a slot's pods within the window."""
    analysis, evidence = state.spec.rollout.analysis, _evidence(state, slot, exposure)
    bounds = [bound_of(metric) for metric in analysis.metrics]
    if evidence.failure is not None and evidence.blind:
        return tuple(unreadable(bound, evidence.failure) for bound in bounds)
    interval = durations.parse(analysis.interval)
    return tuple(
        judge(
            bound,
            [evidence.between(at - evidence.window, at) for at in _looks(state, bound, interval)],
            evidence_needed=analysis.judge.rollback_evidence,
        )
        for bound in bounds
    )


def bound_of(metric: Metric) -> Bound:
    limit = metric.min if metric.name == SUCCESS_RATE else metric.max
    return Bound(metric.name, limit if limit is not None else 1.0, metric.min_samples, metric.consecutive)


def _looks(state: RolloutState, bound: Bound, interval: timedelta) -> list[datetime]:
    return [state.now - number * interval for number in range(bound.consecutive)]


def first_bad_sample(state: RolloutState, slot: Slot, exposure: Exposure | None, name: str) -> datetime | None:
    """When the readings of the window first showed the breach that this metric has now.

    A good model has bad answers too. So the breach began at the moment since which the answers speak most strongly
    against the bound, and its first sample is the first reading after that which shows an answer of that kind.
    """
    metric = next((metric for metric in state.spec.rollout.analysis.metrics if metric.name == name), None)
    if metric is None:
        return None
    bound, now, evidence = bound_of(metric), state.now, _evidence(state, slot, exposure)
    since = now - evidence.window
    times = sorted({reading.at for pod in evidence.pods for reading in pod if reading.at > since})
    moments = [since, *times[:-1]][:: 1 + len(times) // _MOMENTS]
    onset = max(moments, key=lambda start: strength(bound, evidence.between(start, now)))
    after = [at for at in times if at > onset]
    thinned = [*after[:: 1 + len(after) // _MOMENTS], *after[-1:]]
    return next((at for at in thinned if has_bad(bound, evidence.between(onset, at))), None)


def counting(state: RolloutState, slot: Slot) -> list[Counting]:
    """The pods of a slot that users can meet now or soon, with what they have counted so far."""
    slot_state = state.slot(slot)
    pods = (
        [pod for pod in slot_state.pods if pod.revision == slot_state.revision and not pod.leaving]
        if slot_state
        else []
    )
    return [Counting(pod.uid, pod.process, pod.restarts, _newest(state, pod.uid)) for pod in pods]


def _newest(state: RolloutState, uid: str) -> PodSample | None:
    """The newest reading, unless the newest attempt at one failed."""
    seen: Sequence[PodSample | ScrapeFailure] = state.inputs.readings.get(uid, ())
    newest = seen[-1] if seen else None
    return newest if isinstance(newest, PodSample) else None
