"""The newest evaluation of each ModelDeployment's monitors. The collector is asked once for each window.

Evaluations are remembered only to answer passes between two windows; losing them costs one question. Profiles are
large: they are in memory only while a pass evaluates them, so the number of workers bounds them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from viridian.api import reasons
from viridian.api.feedback import Window
from viridian.api.monitoring import Monitoring
from viridian.api.samples import PodTarget
from viridian.controller.keys import Key
from viridian.controller.reference_profiles import ReferenceProfiles
from viridian.monitoring.evaluate import MonitoringData, evaluate
from viridian.monitoring.input import EvaluationFailure
from viridian.monitoring.monitor_report import MonitoringReport
from viridian.monitoring.windows import Calendar, Content, WindowQuery, Windows, calendar, window_queries
from viridian.ports.cluster import ClusterError
from viridian.ports.collector import Collector, FeedbackError, FeedbackUnavailable

log = logging.getLogger("viridian.evaluations")

RETRY_AFTER: Final = timedelta(seconds=60)
"""Until a failed evaluation, or one without a profile that a pod may still show, is tried again."""
MAX_SECONDS: Final = 120.0
"""Of one evaluation, which may need many answers. Each of them is bounded by the port."""


FindPods = Callable[[], Awaitable[Sequence[PodTarget]]]


@dataclass(frozen=True, slots=True)
class EvaluationSubject:
    """What is evaluated. An evaluation of another subject is worthless."""

    uid: str
    monitoring: Monitoring
    maturity: str
    predictions_kept: bool
    revision: str
    """The champion's."""
    digest: str | None
    label: str = ""
    """Under which definition of the label outcomes count; empty: under any."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The newest attempt."""

    subject: EvaluationSubject
    result: MonitoringReport | EvaluationFailure
    due: datetime
    """When the next attempt is made."""


class ReportSink(Protocol):
    """Gets every report, for the metrics."""

    def judged(self, key: Key, report: MonitoringReport) -> None: ...

    def forget(self, key: Key) -> None: ...


class Evaluations:
    """Evaluates windows, and remembers the newest result for each key."""

    def __init__(
        self, collector: Collector, profiles: ReferenceProfiles, sink: ReportSink, clock: Callable[[], datetime]
    ) -> None:
        self._clock = clock
        self._collector = collector
        self._profiles = profiles
        self._sink = sink
        self._newest: dict[Key, Evaluation] = {}

    async def newest(self, key: Key, subject: EvaluationSubject, pods: FindPods) -> Evaluation:
        """The evaluation of the newest complete window. `pods` finds those that may show the reference profile."""
        known = self._newest.get(key)
        if known is not None and known.subject != subject:
            self.forget(key)
        elif known is not None and self._clock() < known.due:
            return known
        self._newest[key] = found = await self._attempt(key, subject, pods)
        return found

    def forget(self, key: Key) -> None:
        """There is nothing to evaluate any more."""
        self._newest.pop(key, None)
        self._sink.forget(key)

    async def _attempt(self, key: Key, subject: EvaluationSubject, pods: FindPods) -> Evaluation:
        days = calendar(subject.monitoring, subject.maturity, self._clock(), subject.uid)
        try:
            async with asyncio.timeout(MAX_SECONDS):
                report, settled = await self._evaluate(key, subject, pods, days)
        except (FeedbackError, TimeoutError) as error:
            return Evaluation(subject, _failure(error), self._clock() + RETRY_AFTER)
        except ClusterError:
            raise
        except Exception as error:  # a response of the collector, or a fault of our own: both are reported
            log.exception("the windows could not be evaluated", extra={"key": str(key)})
            message = f"the collector's answer could not be judged: {type(error).__name__}"
            failure = EvaluationFailure(reasons.COLLECTOR_REFUSED, message)
            return Evaluation(subject, failure, self._clock() + RETRY_AFTER)
        self._sink.judged(key, report)
        due = days.next_evaluation if settled else min(days.next_evaluation, self._clock() + RETRY_AFTER)
        return Evaluation(subject, report, due)

    async def _evaluate(
        self, key: Key, subject: EvaluationSubject, pods: FindPods, days: Calendar
    ) -> tuple[MonitoringReport, bool]:
        """The report, and whether another evaluation of the same window would bring the same."""
        profile = self._profiles.known(subject.revision, subject.digest)
        if profile is None:
            profile = await self._profiles.of(subject.revision, subject.digest, await pods())
        report = evaluate(
            MonitoringData(
                monitoring=subject.monitoring,
                revision=subject.revision,
                calendar=days,
                windows=await self._windows(
                    key, window_queries(subject.monitoring, days, subject.revision), subject.label
                ),
                reference=profile.reference,
                no_reference=profile.absent,
                predictions_kept=subject.predictions_kept,
            )
        )
        return report, profile.settled

    async def _windows(self, key: Key, queries: Sequence[WindowQuery], label: str) -> Windows:
        found: list[Window] = []
        for query in queries:
            answer = await self._collector.windows(
                key.namespace,
                key.name,
                start=query.start,
                end=query.end,
                seconds=query.seconds,
                revision=query.revision,
                profiles=query.content > Content.OUTCOMES,
                label=label,
            )
            found += map(query.needed_of, answer)
        return Windows.of(found)


def _failure(error: FeedbackError | TimeoutError) -> EvaluationFailure:
    if isinstance(error, TimeoutError):
        message = f"the collector did not answer all questions within {MAX_SECONDS:g} s"
        return EvaluationFailure(reasons.COLLECTOR_UNAVAILABLE, message)
    unavailable = isinstance(error, FeedbackUnavailable)
    return EvaluationFailure(reasons.COLLECTOR_UNAVAILABLE if unavailable else reasons.COLLECTOR_REFUSED, str(error))
