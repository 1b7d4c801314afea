"""How far a stage is and how it ended, whatever kind of object does its work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from viridian.api.stage import FINAL_EXIT_CODES, ExitCode
from viridian.core.pods_waiting import Impediment
from viridian.core.times import format_time, parse_time

SIDECAR_GRACE: Final = timedelta(seconds=15)
"""How long other containers may go on after the one that does the work; after that its exit code decides."""
OUT_OF_TIME: Final = "DeadlineExceeded"
"""The reason of a stage that did not end in its time, in the word of Jobs."""
_EXIT_CODE: Final = re.compile(r"exit code ([0-9]{1,3})\b")


class StageOutcome(StrEnum):
    """How a stage ended."""

    COMPLETE = "Complete"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class StageResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How a stage ended. It is noted on the record as soon as it is seen, since object and pods may go at any time."""

    outcome: StageOutcome = msgspec.field(name="state")
    at: str = ""
    reason: str = ""
    """Of the object's final condition."""
    message: str = ""
    exit_code: int | None = None
    """Of the main container; None when its pods are gone."""
    termination_message: str = msgspec.field(name="said", default="")
    lost: bool = False
    """It ended well, but the pod that did is gone, and with it its report."""
    failures: int = 0
    """Attempts that failed."""
    killed: str = ""
    """Why it was ended from outside, such as OOMKilled."""
    lingering: str = ""
    """Containers that kept the pod alive after that."""
    cpu_seconds: float = 0.0
    """What its pods took of CPUs, attempts that failed included."""
    spot: bool = False
    """They ran on spot nodes."""
    image_digest: str = ""
    """Of the image that the main container ran, as the node pulled it."""
    code_revision: str = ""
    """The Git commit that its pod template names."""
    rows_digest: str = ""
    """Of the frozen rows of feedback that it was given."""
    restored: bool = False
    """It ended long before the record was made: the record of then is gone, and MLflow remembers the run."""

    @property
    def code(self) -> int | None:
        """The exit code, or what the final condition says of it where the pods are gone."""
        if self.outcome is StageOutcome.COMPLETE:
            return ExitCode.DONE
        if self.exit_code is not None:
            return self.exit_code
        named = _EXIT_CODE.search(self.message)
        return int(named.group(1)) if named else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageState:
    """What the object of a stage and its pods show now."""

    result: StageResult | None = None
    """By the object's own conditions; None while it has none that is final."""
    main_container: StageResult | None = None
    """The container that does the work has ended, whatever the object says."""
    lingering: tuple[str, ...] = ()
    """Containers that still run in the pod whose main container has ended."""
    waiting: Impediment | None = None
    """What keeps the work from beginning."""
    failed: Impediment | None = None
    """How the newest attempt that failed ended, while another one is made."""
    failures: int = 0
    """Attempts that failed."""
    cpu_seconds: float = 0.0
    """What pods that have ended took of CPUs."""
    working: bool = False
    """The work goes on."""
    alive: bool = False
    """A pod lives that nobody has asked to end."""
    overdue_at: datetime | None = None
    """When its time is over, for an object that does not end by itself then."""
    watched_until: datetime | None = None
    """Until then the watch may still show how an object ended that is not there any more."""

    def overdue(self, now: datetime) -> StageResult | None:
        """The result of an object whose time is over."""
        if self.overdue_at is None or now < self.overdue_at:
            return None
        return StageResult(outcome=StageOutcome.FAILED, at=format_time(self.overdue_at), reason=OUT_OF_TIME)

    def outlasted(self, now: datetime) -> StageResult | None:
        """The result of a main container whose sidecars have had their time to end as well."""
        at = parse_time(self.main_container.at) if self.main_container and self.lingering else None
        if self.main_container is None or at is None or now < at + SIDECAR_GRACE:
            return None
        return msgspec.structs.replace(self.main_container, lingering=", ".join(self.lingering))

    def without_object(self, *, deleted: bool) -> StageResult | None:
        """How a stage ended whose object is gone, as far as its last pod shows.

        `deleted`: the object was seen without a final condition when it went. Then an error may have been one of
        several attempts, so only what no retry would change counts.
        """
        if self.result is not None or self.main_container is None or self.alive:
            return self.result
        final = self.main_container.exit_code in (ExitCode.DONE, *FINAL_EXIT_CODES)
        return self.main_container if final or not deleted else None
