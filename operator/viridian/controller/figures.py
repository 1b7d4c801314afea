"""Figures about each object, for dashboards and alerts: taken from the statuses that passes lead to.

Of a status only the lines are kept that a scrape shows, so that a scrape costs little and ten thousand statuses need no
room. The series of an object that is gone are gone with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram

from viridian.api import reasons
from viridian.api.drill_spec import DrillMode
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.controller.exposition import family, line
from viridian.controller.keys import Key
from viridian.controller.trigger_figures import SUPPRESSED, WAIT, WAIT_BOUNDS, Fired, fired_in, suppressed_lines, waits
from viridian.core.times import parse_time
from viridian.rollout.traffic.drill_record import RUNNING

Status = Mapping[str, Any]

_TRUTH: Final = {"True": 1.0, "False": 0.0}
_REVERT_BOUNDS: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0, 300.0)

_RECOVERY_BOUNDS: Final = (60.0, 600.0, 3600.0, 21600.0, 86400.0, 259200.0, 604800.0, 1209600.0, 2592000.0, 7776000.0)
_STAGE_BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_STAGES: Final = {
    "Evidence": ("breachAt", "decidedAt"),
    "LastAnswer": ("decidedAt", "lastAnswerAt"),
}
"""Stage of a way back to the fields of `status.lastRollback` between which it lies. The write is timed by itself."""
_WITHOUT_BREACH: Final = (reasons.CHAMPION_UNAVAILABLE, reasons.WORSE_THAN_PROMISED)
"""Reasons of rollbacks whose time says nothing of how fast a bad answer is found."""

_CONDITION: Final = "viridian_condition"
_WEIGHT: Final = "viridian_model_weight"
_VERDICT: Final = "viridian_verdict"
_ROLLBACKS: Final = "viridian_rollbacks_total"
_RUNS: Final = "viridian_runs_total"
_RUN_ACTIVE: Final = "viridian_run_active"
_REVIEW_DUE_SINCE: Final = "viridian_review_due_since_seconds"
_WAITS_FOR: Final = "viridian_waits_for"
_ROLLED_BACK_AT: Final = "viridian_rolled_back_at_seconds"
_LAST_RUN: Final = "viridian_last_run"
_WAITING: Final = (reasons.RECONCILING, reasons.PAUSED_CONDITION, reasons.REVIEW_REQUIRED)
"""Conditions whose reason says what an object waits for, while they are True."""


@dataclass(frozen=True, slots=True)
class _ShownPart:
    """What a scrape shows of one reconciler's part of a status, as text, and what the next one is compared with."""

    conditions: bytes
    weights: bytes
    verdicts: bytes
    suppressed: bytes
    review_due: bytes
    waits_for: bytes
    rolled_back: bytes
    last_run: bytes
    fired: Fired
    has_active_run: bool
    rolled_back_at: str | None
    last_answer_at: str | None
    """Of the revision that was rolled back, once it is known."""
    run: str | None
    """Id of the newest run that has ended."""
    recovered: tuple[str, ...]
    """Ids of the incidents that are over."""


@dataclass(slots=True)
class _Observed:
    """What was observed of one object so far."""

    parts: dict[str, _ShownPart] = field(default_factory=dict)
    """By reconciler."""
    rollbacks: int = 0
    runs: dict[str, int] = field(default_factory=dict)
    """By outcome."""


class Figures:
    """Remembers what each object's newest status shows, and counts what changes in it while this process runs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._observed: dict[Key, _Observed] = {}
        self._reverts = Histogram(
            "viridian_time_to_revert_seconds",
            "From the first breaching sample to the traffic being back, all models.",
            buckets=_REVERT_BOUNDS,
            registry=registry,
        )
        self._stages = Histogram(
            "viridian_revert_stage_seconds",
            "Of ways back after a breach, all models: from the first bad answer to the deciding one (Evidence), from "
            "there to the write that moved the traffic (Switch) and to the last answer of the version (LastAnswer).",
            ("stage",),
            buckets=_STAGE_BOUNDS,
            registry=registry,
        )
        self._waits = Histogram(
            WAIT,
            "From what a trigger asks for having occurred to the begin of the run that answers it, all policies.",
            buckets=WAIT_BOUNDS,
            registry=registry,
        )
        self._recoveries = Histogram(
            "viridian_time_to_recover_seconds",
            "From the first window in which a monitor fires to the first one in which it is quiet again, all models.",
            buckets=_RECOVERY_BOUNDS,
            registry=registry,
        )

    def seen(
        self, key: Key, status: Status, reconciler: str = "", *, whose: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """One reconciler's part of a status as it now stands, with the labels by which alerts find people.

        What the first one shows was decided before this process began, and is not counted.
        """
        observed = self._observed.setdefault(key, _Observed())
        before = observed.parts.get(reconciler)
        now = observed.parts[reconciler] = _part(key, whose, status)
        if before is None:
            return
        if now.rolled_back_at not in (None, before.rolled_back_at):
            self._count_rollback(observed, status["lastRollback"])
        if now.last_answer_at not in (None, before.last_answer_at):
            self._time_stages(status["lastRollback"])
        if now.run not in (None, before.run):
            outcome = str(status["lastRun"].get("outcome", "Unknown"))
            observed.runs[outcome] = observed.runs.get(outcome, 0) + 1
        for seconds in waits(before.fired, status):
            self._waits.observe(seconds)
        for incident in status.get("incidents") or ():
            if incident["id"] in now.recovered and incident["id"] not in before.recovered:
                self._recoveries.observe(float(incident.get("seconds") or 0.0))

    def forget(self, key: Key) -> None:
        self._observed.pop(key, None)

    def clear(self) -> None:
        self._observed.clear()

    def exposition(self) -> Iterator[bytes]:
        """The text of all series, in slices. Objects may come and go between two of them."""
        every = "A condition of an object: 1 True, 0 False, -1 Unknown."
        yield from family(_CONDITION, "gauge", every, self._texts(lambda part: part.conditions))
        share = "Share of the traffic in percent, by role."
        yield from family(_WEIGHT, "gauge", share, self._texts(lambda part: part.weights))
        verdict = "1 for the judge's latest verdict about each metric of the challenger."
        yield from family(_VERDICT, "gauge", verdict, self._texts(lambda part: part.verdicts))
        times = "Times the traffic went back to the former champion."
        yield from family(_ROLLBACKS, "counter", times, self._rollbacks())
        yield from family(_RUNS, "counter", "Finished retraining runs.", self._runs())
        yield from family(_RUN_ACTIVE, "gauge", "1 while a retraining run is under way.", self._active_runs())
        suppressed = "How often a trigger has occurred since it last fired without starting a run, and why."
        yield from family(SUPPRESSED, "gauge", suppressed, self._texts(lambda part: part.suppressed))
        due = "Since when a review is due, in seconds since 1970; no series while none is."
        yield from family(_REVIEW_DUE_SINCE, "gauge", due, self._texts(lambda part: part.review_due))
        awaited = "1 for each reason for which an object waits."
        yield from family(_WAITS_FOR, "gauge", awaited, self._reasons_to_wait())
        back = "When the traffic last went back to a former champion, in seconds since 1970."
        yield from family(_ROLLED_BACK_AT, "gauge", back, self._texts(lambda part: part.rolled_back))
        ended = "1 for the outcome of the newest finished retraining run."
        yield from family(_LAST_RUN, "gauge", ended, self._texts(lambda part: part.last_run))

    def _count_rollback(self, observed: _Observed, rollback: Status) -> None:
        """A rollback that a person asks for took no time, and pods that are not ready have answered nothing."""
        observed.rollbacks += 1
        began = rollback.get("breachAt") or rollback.get("seconds")
        if began and rollback.get("reason") not in _WITHOUT_BREACH:
            self._reverts.observe(float(rollback.get("seconds") or 0.0))

    def switched(self, seconds: float) -> None:
        """A write has taken the traffic back so long after the deciding answer."""
        self._stages.labels("Switch").observe(seconds)

    def _time_stages(self, rollback: Status) -> None:
        for stage, (begin, end) in _STAGES.items():
            began, ended = parse_time(rollback.get(begin) or ""), parse_time(rollback.get(end) or "")
            if began is not None and ended is not None:
                self._stages.labels(stage).observe(max(0.0, (ended - began).total_seconds()))

    def _texts(self, shown: Callable[[_ShownPart], bytes]) -> Iterator[bytes]:
        return (shown(part) for observed in list(self._observed.values()) for part in observed.parts.values())

    def _of(self, kind: str) -> Iterator[tuple[Key, _Observed]]:
        """A list of pairs would be ten thousand new objects: enough to set off a collection of all garbage."""
        for key in list(self._observed):
            observed = self._observed.get(key)
            if observed is not None and key.kind == kind:
                yield key, observed

    def _reasons_to_wait(self) -> Iterator[bytes]:
        """A reason that two reconcilers have is one series."""
        for observed in list(self._observed.values()):
            lines = (one for part in observed.parts.values() for one in part.waits_for.splitlines(keepends=True))
            yield b"".join(dict.fromkeys(lines))

    def _rollbacks(self) -> Iterator[bytes]:
        for key, observed in self._of(MODEL_DEPLOYMENT):
            yield line(_ROLLBACKS, _labels(key), observed.rollbacks)

    def _runs(self) -> Iterator[bytes]:
        for key, observed in self._of(RETRAIN_POLICY):
            for outcome, count in observed.runs.items():
                yield line(_RUNS, {**_labels(key), "outcome": outcome}, count)

    def _active_runs(self) -> Iterator[bytes]:
        for key, observed in self._of(RETRAIN_POLICY):
            yield line(_RUN_ACTIVE, _labels(key), any(part.has_active_run for part in observed.parts.values()))


def _part(key: Key, whose: Mapping[str, str], status: Status) -> _ShownPart:
    labels = {**_labels(key), **whose}
    return _ShownPart(
        conditions=_conditions({"kind": key.kind, **labels}, status),
        weights=_weights(key, status),
        verdicts=_verdicts(key, status),
        suppressed=suppressed_lines(labels, status),
        review_due=_review_due(labels, status),
        waits_for=_waits_for({"kind": key.kind, **labels}, status),
        rolled_back=_rolled_back(labels, status),
        last_run=_last_run(labels, status),
        fired=fired_in(status),
        has_active_run=bool(status.get("activeRun")),
        rolled_back_at=(status.get("lastRollback") or {}).get("revertedAt"),
        last_answer_at=(status.get("lastRollback") or {}).get("lastAnswerAt"),
        run=(status.get("lastRun") or {}).get("id"),
        recovered=tuple(one["id"] for one in status.get("incidents") or () if one.get("recovered")),
    )


def _conditions(labels: Mapping[str, str], status: Status) -> bytes:
    return b"".join(
        line(_CONDITION, {**labels, "type": condition.get("type", "")}, _TRUTH.get(condition.get("status", ""), -1.0))
        for condition in status.get("conditions") or ()
    )


def _waits_for(labels: Mapping[str, str], status: Status) -> bytes:
    """Each reason once, whether a condition or the trial names it."""
    awaited = {
        str(condition.get("reason", ""))
        for condition in status.get("conditions") or ()
        if condition.get("type") in _WAITING and condition.get("status") == "True"
    }
    awaited.add(str((status.get("challenger") or {}).get("waitingReason") or ""))
    return b"".join(line(_WAITS_FOR, {**labels, "reason": reason}, 1.0) for reason in sorted(awaited - {""}))


def _rolled_back(labels: Mapping[str, str], status: Status) -> bytes:
    rollback = status.get("lastRollback") or {}
    at = parse_time(rollback.get("revertedAt") or "")
    if at is None:
        return b""
    return line(_ROLLED_BACK_AT, {**labels, "reason": str(rollback.get("reason", ""))}, at.timestamp())


def _last_run(labels: Mapping[str, str], status: Status) -> bytes:
    run = status.get("lastRun") or {}
    return line(_LAST_RUN, {**labels, "outcome": str(run.get("outcome", "Unknown"))}, 1.0) if run else b""


def _weights(key: Key, status: Status) -> bytes:
    challenger = status.get("challenger")
    weight = float((challenger or {}).get("weight") or 0)
    shares = {"champion": 100.0 - weight} if status.get("champion") else {}
    if challenger:
        shares["challenger"] = weight
    drill = status.get("drill") or {}
    moved = drill.get("outcome") == RUNNING and drill.get("startedAt")
    if moved and drill.get("mode") != DrillMode.MIRRORED:
        shares = {"champion": 0.0, "fallback": 100.0}
    return b"".join(line(_WEIGHT, {**_labels(key), "role": role}, share) for role, share in shares.items())


def _verdicts(key: Key, status: Status) -> bytes:
    return b"".join(
        line(_VERDICT, {"metric": one.get("name", ""), **_labels(key), "verdict": one.get("verdict", "")}, 1.0)
        for one in (status.get("challenger") or {}).get("metrics") or ()
    )


def _review_due(labels: Mapping[str, str], status: Status) -> bytes:
    """An alert on its age outlives a restart of Prometheus, unlike one on how long the condition has been seen."""
    for condition in status.get("conditions") or ():
        since = parse_time(condition.get("lastTransitionTime") or "")
        if (condition.get("type"), condition.get("status")) == (reasons.REVIEW_DUE, "True") and since is not None:
            return line(_REVIEW_DUE_SINCE, labels, since.timestamp())
    return b""


def _labels(key: Key) -> dict[str, str]:
    return {"name": key.name, "namespace": key.namespace}
