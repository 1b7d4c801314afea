"""What holds triggers back: one function a hold, in one table. A person's request is held back by a run at work alone.

A hold says since when and until when triggers start no run, and why, for a person who is woken by it. What occurs
meanwhile is not lost: the newest occurrence of each trigger waits, and its deadline counts from the end of the hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from viridian.api import reasons
from viridian.api.names import OVERRIDE_ANNOTATION
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.core.times import format_time, length
from viridian.retraining.budget import Spending
from viridian.retraining.circuit_breaker import Breaker
from viridian.retraining.data_quality import DataQuality
from viridian.retraining.input import Deployment
from viridian.retraining.runs import Run
from viridian.retraining.triggers.blackouts import newest_windows
from viridian.retraining.triggers.monitor_pause import MonitorPause, pausing_monitors


@dataclass(frozen=True, slots=True)
class Hold:
    """A time in which triggers start no run: what occurs then, or could still start then, waits for its end."""

    since: datetime
    # None: until a person does something.
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Why no trigger starts a run now: a reason of `viridian.api.reasons`, and what to do about it."""

    reason: str
    message: str
    # None: until a person does something, or the data is good again.
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """All holds, of now and of lately."""

    # No trigger starts a run; `pauses` says why.
    paused: bool = False
    pauses: tuple[Pause, ...] = ()
    # When the cooldown after the latest run ends; None when it is over.
    cooling_until: datetime | None = None
    periods: tuple[Hold, ...] = ()
    # The latest pause by monitors, to be noted.
    monitor_pause: MonitorPause | None = None

    @property
    def in_force(self) -> bool:
        return self.paused or self.cooling_until is not None

    @property
    def only_bad_data(self) -> bool:
        """Whether nothing but bad data holds triggers back."""
        return self.cooling_until is None and {pause.reason for pause in self.pauses} == {reasons.DATA_QUALITY_FAILED}

    @property
    def paused_until(self) -> datetime | None:
        """When the last of the pauses ends; None while one of them has no end, and where there is none."""
        ends = [pause.until for pause in self.pauses]
        return None if None in ends else max((end for end in ends if end is not None), default=None)

    def latest_start(self, occurred: datetime, deadline: timedelta) -> datetime | None:
        """When it is too late for what occurred then: the deadline counts from the end of what holds it back."""
        possible = occurred
        for hold in sorted(self.periods, key=lambda hold: hold.since):
            if hold.since > possible + deadline:
                continue
            if hold.until is None:
                return None
            possible = max(possible, hold.until)
        return possible + deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldInput:
    """What holds follow from."""

    spec: RetrainPolicySpec
    # Runs that have ended, the newest first.
    finished: Sequence[Run]
    quality: DataQuality
    spending: Spending
    breaker: Breaker
    # The ModelDeployment, whose monitors may pause automation.
    deployment: Deployment | None
    now: datetime
    # What is known of the latest pause by monitors.
    monitor_pause: MonitorPause | None = None
    # Since when what is due may wait for a person; None where nothing does.
    waits_since: datetime | None = None


def read_holds(given: HoldInput) -> Holds:
    """What holds triggers back, and what did so lately."""
    pauses = tuple(pause for find in PAUSES for pause in find(given))
    cooldown = tuple(_cooldown(given))
    return Holds(
        paused=bool(pauses),
        pauses=pauses,
        cooling_until=next((one.until for one in cooldown if one.until is not None and one.until > given.now), None),
        periods=(*cooldown, *_periods(given)),
        monitor_pause=given.monitor_pause,
    )


def _periods(given: HoldInput) -> Iterator[Hold]:
    """Holds with a beginning, those that have ended included: a deadline counts from their end."""
    if given.waits_since is not None:
        yield Hold(given.waits_since)
    if given.monitor_pause is not None:
        yield Hold(given.monitor_pause.since, given.monitor_pause.until)
    if given.quality.bad_since is not None:
        yield Hold(given.quality.bad_since)
    if given.breaker.opened_at is not None:
        yield Hold(given.breaker.opened_at)
    yield from (Hold(exhausted.since, exhausted.until) for exhausted in given.spending.exhausted)
    yield from (Hold(window.since, window.until) for window in newest_windows(given.spec, given.now))


def is_suspended(given: HoldInput) -> Iterator[Pause]:
    if given.spec.suspend:
        yield Pause(reasons.SUSPENDED, "spec.suspend is true")


def has_bad_data(given: HoldInput) -> Iterator[Pause]:
    if given.quality.paused:
        yield Pause(
            reasons.DATA_QUALITY_FAILED, "no trigger starts a run with this data: see the condition DataQuality"
        )


def has_an_open_breaker(given: HoldInput) -> Iterator[Pause]:
    if given.breaker.is_open:
        yield Pause(reasons.CIRCUIT_OPEN, given.breaker.message)


def has_a_monitor_that_pauses(given: HoldInput) -> Iterator[Pause]:
    overridden = given.monitor_pause is not None and given.monitor_pause.override
    for fired in () if overridden else pausing_monitors(given.deployment):
        which = f"monitor {fired.name} of ModelDeployment {given.spec.model_deployment}"
        advice = (
            f'to train all the same, write the annotation {OVERRIDE_ANNOTATION}="{fired.name} <why>#<your user name>"'
        )
        blind = given.deployment.not_judged if given.deployment is not None else ""
        meanwhile = f"; monitors judge nothing now ({blind})" if blind else ""
        message = f"{which} has fired, until it is quiet: {fired.status.message}{meanwhile}; {advice}"
        yield Pause(reasons.MONITOR_FIRED, message)


def has_used_up_its_budget(given: HoldInput) -> Iterator[Pause]:
    for exhausted in given.spending.exhausted:
        if exhausted.until > given.now:
            yield Pause(reasons.BUDGET_EXCEEDED, exhausted.message, exhausted.until)


def is_in_a_blackout(given: HoldInput) -> Iterator[Pause]:
    for window in newest_windows(given.spec, given.now):
        if window.until > given.now:
            which = f'spec.blackouts "{window.blackout.cron}" ({window.blackout.time_zone})'
            message = f"{which} lasts until {format_time(window.until)}: only a person starts a run before"
            yield Pause(reasons.BLACKOUT, message, window.until)


PAUSES: Final[tuple[Callable[[HoldInput], Iterator[Pause]], ...]] = (
    is_suspended,
    has_bad_data,
    has_an_open_breaker,
    has_a_monitor_that_pauses,
    has_used_up_its_budget,
    is_in_a_blackout,
)
"""The first that finds something gives the condition `Paused` its reason."""


def _cooldown(given: HoldInput) -> Iterator[Hold]:
    latest = next((run.finished_at for run in given.finished if not run.only_looked), None)
    if latest is not None:
        yield Hold(latest, latest + length(given.spec.budget.cooldown))
