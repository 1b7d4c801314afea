"""What holds triggers back: `spec.suspend`, bad data, the cooldown after a run. A person's request is never held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.core.times import length
from viridian.retraining.data_quality import DataQuality
from viridian.retraining.runs import Run


@dataclass(frozen=True, slots=True)
class Hold:
    """A time in which triggers start no run: what occurs then, or could still start then, waits for its end."""

    since: datetime
    # None: until a person does something.
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """All holds, of now and of lately."""

    # No trigger starts a run until a person does something.
    paused: bool = False
    # When the cooldown after the latest run ends; None when it is over.
    cooling_until: datetime | None = None
    periods: tuple[Hold, ...] = ()

    @property
    def in_force(self) -> bool:
        return self.paused or self.cooling_until is not None

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


def read_holds(spec: RetrainPolicySpec, finished: Sequence[Run], quality: DataQuality, now: datetime) -> Holds:
    """What holds triggers back, from the runs that have ended, the newest first."""
    cooldown = tuple(_cooldown(spec, finished))
    bad_data = (Hold(quality.bad_since),) if quality.bad_since is not None else ()
    return Holds(
        paused=spec.suspend or quality.paused,
        cooling_until=next((hold.until for hold in cooldown if hold.until is not None and hold.until > now), None),
        periods=(*cooldown, *bad_data),
    )


def _cooldown(spec: RetrainPolicySpec, finished: Sequence[Run]) -> Iterator[Hold]:
    latest = finished[0].finished_at if finished else None
    if latest is not None:
        yield Hold(latest, latest + length(spec.budget.cooldown))
