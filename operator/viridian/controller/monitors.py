"""The monitors of each ModelDeployment: the collector is asked once for each window, and not in a pass's way.

A pass waits for the answer only for a moment; after that it goes on with what was known before, and the answer is
there for the next pass. So a collector that is slow or down holds up no rollout.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from viridian.api import reasons
from viridian.api.feedback import Keeping, Window
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.monitoring import Feedback as FeedbackSpec
from viridian.api.monitoring import Monitoring
from viridian.api.names import MONITORING_ANNOTATION, REVIEWED_ANNOTATION, revision_record
from viridian.controller.keys import Key
from viridian.controller.reference_profiles import ReferenceProfiles
from viridian.monitoring.evaluate import MonitoringData, MonitoringReport, evaluate
from viridian.monitoring.status import EvaluationFailure, MonitoringResult, remembered
from viridian.monitoring.windows import Calendar, Content, WindowQuery, Windows, calendar, seconds, window_queries
from viridian.ports.collector import Collector, FeedbackError, FeedbackUnavailable
from viridian.rollout.input import RolloutInput, judged_targets

log = logging.getLogger("viridian.monitors")

PATIENCE: Final = 0.25
"""Seconds that a pass waits for the answer about a new window."""
SOON: Final = timedelta(seconds=1)
"""When a pass looks again whose answer was not there in time; then as long again as it has been waiting."""
AGAIN: Final = timedelta(seconds=60)
"""Between two attempts at a collector that does not answer, or a profile that no pod could show."""
RULES_EVERY: Final = timedelta(minutes=5)
AT_ONCE: Final = 4
"""Objects whose windows are in memory at the same time: profiles of hundreds of features are large."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What an answer is about; another one makes it worthless."""

    monitoring: Monitoring
    maturity: str
    predictions_kept: bool
    revision: str
    digest: str | None


@dataclass(slots=True)
class _Known:
    """The newest answer, and the attempt at the next one."""

    question: _Question
    report: MonitoringReport | None = None
    blind: EvaluationFailure | None = None
    next_evaluation: datetime | None = None
    """None before the first attempt has ended."""
    asking: asyncio.Task[None] | None = None
    asked_at: datetime | None = None
    """When that attempt began."""


class Audience(Protocol):
    """Is told every report, for the metrics."""

    def judged(self, key: Key, report: MonitoringReport) -> None: ...

    def forget(self, key: Key) -> None: ...


class Monitors:
    """Remembers the newest report on each ModelDeployment. Losing it costs one question."""

    def __init__(self, feedback: Collector | None, reference_profiles: ReferenceProfiles, audience: Audience) -> None:
        self._feedback = feedback
        self._references = reference_profiles
        self._audience = audience
        self._known: dict[Key, _Known] = {}
        self._rules: dict[Key, tuple[Keeping, datetime]] = {}
        self._telling: dict[Key, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def watch(self, key: Key, snapshot: RolloutInput, now: datetime) -> MonitoringResult | None:
        """What the monitors say now; None where none are asked for. Never raises."""
        if snapshot.spec is None:
            return None
        self._tell_rules(key, snapshot.spec, now)
        if self._feedback is None:
            return _without_collector(snapshot, snapshot.spec)
        if snapshot.spec.monitoring is None:
            self._drop(key)
            outdated = _outdated(snapshot, "")
            return MonitoringResult(monitors=(), revision="", outdated=outdated) if outdated else None
        question = _question(snapshot, snapshot.spec, snapshot.spec.monitoring)
        if question is None:
            self._drop(key)
            return MonitoringResult(monitors=snapshot.spec.monitoring.monitors, revision="")
        known = self._about(key, question)
        if known.asking is None and (known.next_evaluation is None or now >= known.next_evaluation):
            known.asking, known.asked_at = self._start(self._ask(key, known, snapshot, self._feedback, now)), now
            # This pass alone: many objects that wait for their turn must not keep the workers.
            await asyncio.wait([known.asking], timeout=PATIENCE)
        waiting = known.asking is not None
        waited = now - known.asked_at if known.asked_at else SOON
        return MonitoringResult(
            monitors=question.monitoring.monitors,
            revision=question.revision,
            report=known.report,
            blind=known.blind,
            name=key.name,
            namespace=key.namespace,
            reviewed=snapshot.annotations.get(REVIEWED_ANNOTATION, ""),
            look=now + min(AGAIN, max(SOON, waited)) if waiting else known.next_evaluation,
            record=revision_record(key.name, question.revision) if question.revision in snapshot.records else "",
            remembered=remembered(_noted(snapshot, question.revision)),
            outdated=_outdated(snapshot, question.revision),
        )

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._drop(key)
        self._close_rules(key)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # ---- inside

    def _about(self, key: Key, question: _Question) -> _Known:
        known = self._known.get(key)
        if known is None or known.question != question:
            self._drop(key)
            known = self._known[key] = _Known(question)
        return known

    def _drop(self, key: Key) -> None:
        known = self._known.pop(key, None)
        self._audience.forget(key)
        if known is not None and known.asking is not None:
            known.asking.cancel()

    async def _ask(self, key: Key, known: _Known, snapshot: RolloutInput, feedback: Collector, now: datetime) -> None:
        days = calendar(known.question.monitoring, known.question.maturity, now, snapshot.uid)
        try:
            known.report, again = await self._judge(key, known.question, snapshot, feedback, days)
            known.blind = None
            known.next_evaluation = min(days.next_evaluation, now + AGAIN) if again else days.next_evaluation
        except FeedbackError as error:
            unavailable = isinstance(error, FeedbackUnavailable)
            reason = reasons.COLLECTOR_UNAVAILABLE if unavailable else reasons.COLLECTOR_REFUSED
            known.blind, known.next_evaluation = EvaluationFailure(reason, str(error)), now + AGAIN
        except Exception as error:  # a mistake of ours about monitoring must not hold up a rollout
            log.exception("the windows could not be judged", extra={"key": str(key)})
            message = f"the collector's answer could not be judged: {type(error).__name__}"
            known.blind, known.next_evaluation = EvaluationFailure(reasons.COLLECTOR_REFUSED, message), now + AGAIN
        finally:
            known.asking = None

    async def _judge(
        self, key: Key, question: _Question, snapshot: RolloutInput, feedback: Collector, days: Calendar
    ) -> tuple[MonitoringReport, bool]:
        """The report, and whether it is worth asking again before the next window."""
        traffic = snapshot.traffic
        pods = judged_targets(snapshot, traffic.champion) if traffic else ()
        found = await self._references.of(question.revision, question.digest, pods)
        async with self._turns:
            told = evaluate(
                MonitoringData(
                    monitoring=question.monitoring,
                    revision=question.revision,
                    calendar=days,
                    windows=await self._windows(
                        key, feedback, window_queries(question.monitoring, days, question.revision)
                    ),
                    reference=found.reference,
                    no_reference=found.absent,
                    predictions_kept=question.predictions_kept,
                )
            )
        self._audience.judged(key, told)
        return told, not found.settled

    async def _windows(self, key: Key, feedback: Collector, asked: Sequence[WindowQuery]) -> Windows:
        known: list[Window] = []
        for span in asked:
            answer = await feedback.windows(
                key.namespace,
                key.name,
                start=span.start,
                end=span.end,
                seconds=span.seconds,
                revision=span.revision,
                profiles=span.content > Content.OUTCOMES,
            )
            known += map(span.needed_of, answer)
        return Windows.of(known)

    # ---- what may be kept

    def _tell_rules(self, key: Key, spec: ModelDeploymentSpec, now: datetime) -> None:
        """Told now and then, since a collector may have lost its database: it takes rows and windows of no other."""
        if self._feedback is None or (spec.feedback is None and spec.monitoring is None):
            self._close_rules(key)
            return
        keeping = _keeping(spec.feedback) if spec.feedback else Keeping()
        told, due = self._rules.get(key, (None, now))
        if told != keeping or now >= due:
            self._rules[key] = keeping, now + RULES_EVERY
            self._tell(key, self._keep(key, keeping, self._feedback, now))

    def _close_rules(self, key: Key) -> None:
        """Said once, by the operator that has told the rules."""
        if self._rules.pop(key, None) is not None and self._feedback is not None:
            self._tell(key, self._close(key, self._feedback))

    def _tell(self, key: Key, work: Coroutine[Any, Any, None]) -> None:
        """After what is being told about the same object: the last word must be the last to arrive."""
        before = self._telling.get(key)

        async def in_turn() -> None:
            if before is not None:
                await asyncio.wait([before])
            await work

        telling = self._telling[key] = self._start(in_turn())
        telling.add_done_callback(lambda done: self._told(key, done))

    def _told(self, key: Key, done: asyncio.Task[None]) -> None:
        if self._telling.get(key) is done:
            del self._telling[key]

    async def _close(self, key: Key, feedback: Collector) -> None:
        try:
            await feedback.close(key.namespace, key.name)
        except FeedbackError as error:
            log.warning("the collector was not told that this is gone: %s", error, extra={"key": str(key)})

    async def _keep(self, key: Key, keeping: Keeping, feedback: Collector, now: datetime) -> None:
        try:
            await feedback.keep(key.namespace, key.name, keeping)
        except FeedbackError as error:
            log.warning("the collector was not told what may be kept: %s", error, extra={"key": str(key)})
            if key in self._rules:
                self._rules[key] = keeping, now + AGAIN

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _without_collector(snapshot: RolloutInput, spec: ModelDeploymentSpec) -> MonitoringResult | None:
    """Told wherever a collector is asked for: answers that are not kept are missed only when it is too late."""
    wanted = [f"spec.{name}" for name in ("feedback", "monitoring") if getattr(spec, name) is not None]
    if not wanted:
        return None
    message = (
        "the operator knows no collector, so no answer is kept and nothing is monitored: install one (Helm: "
        f"collector.install) or name one (--collector-url), or remove {' and '.join(wanted)}"
    )
    return MonitoringResult(
        monitors=spec.monitoring.monitors if spec.monitoring else (),
        revision=snapshot.traffic.revision if snapshot.traffic else "",
        blind=EvaluationFailure(reasons.NO_COLLECTOR, message),
    )


def _noted(snapshot: RolloutInput, revision: str) -> str:
    """What the record of a revision says of its monitors."""
    record = snapshot.records.get(revision)
    annotations = record.manifest["metadata"].get("annotations") if record is not None else None
    return str((annotations or {}).get(MONITORING_ANNOTATION, ""))


def _outdated(snapshot: RolloutInput, revision: str) -> tuple[str, ...]:
    """Records on which something is left of the time when that revision was the champion."""
    others = (other for other in snapshot.records if other != revision and _noted(snapshot, other))
    return tuple(revision_record(snapshot.name, other) for other in others)


def _question(snapshot: RolloutInput, spec: ModelDeploymentSpec, monitoring: Monitoring) -> _Question | None:
    """None while nobody serves."""
    traffic = snapshot.traffic
    if traffic is None:
        return None
    record = snapshot.records.get(traffic.revision)
    return _Question(
        monitoring=monitoring,
        maturity=spec.feedback.label_maturity if spec.feedback else "0s",
        predictions_kept=spec.feedback is not None,
        revision=traffic.revision,
        digest=record.model.digest if record else None,
    )


def _keeping(feedback: FeedbackSpec) -> Keeping:
    return Keeping(
        deny=feedback.columns.deny, hash=feedback.columns.hash, retention_seconds=seconds(feedback.retention)
    )
