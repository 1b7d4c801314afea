"""What a story came to: `make stories` writes it into docs/stories, and page, picture and tests read it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[3]
RECORDS: Final = ROOT / "docs" / "stories"
EXAMPLES: Final = ROOT / "examples" / "stories"
_TELLING: Final = Path(__file__).parent
_SHARED: Final = ("fitted_model", "live_rows", "story_world", "telling")
"""Modules that tell every story."""


class ToldEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An Event that the operator has recorded."""

    at: datetime
    about: str
    """The kind of the object."""
    reason: str
    message: str


class MonitorFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor found in a window."""

    day: int
    """Of the story, from 0: the one that begins with the end of the window."""
    monitor: str
    verdict: str
    value: float | None = None
    threshold: float | None = None


class StoryRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the RetrainPolicy."""

    id: str
    began: datetime
    reasons: tuple[str, ...]
    outcome: str
    message: str
    version: str


class StoryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the page and the pictures show."""

    story: str
    files: str
    """The digest of the example and of what tells it."""
    versions: dict[str, str]
    """Of Python and the packages that made the models."""
    cpu_seconds: float
    begin: datetime
    days: int
    series: dict[str, tuple[float | None, ...]]
    """By name, a share for each day."""
    milestones: dict[str, int]
    """By name, the day."""
    figures: dict[str, float]
    """What follows from all else."""
    findings: tuple[MonitorFinding, ...]
    runs: tuple[StoryRun, ...]
    """The oldest first."""
    told: tuple[ToldEvent, ...]

    def date(self, day: float) -> datetime:
        return self.begin + timedelta(days=day)

    def day_of(self, at: datetime) -> int:
        return (at - self.begin).days

    def first_fired(self, monitor: str, since: int = 0) -> MonitorFinding:
        """When the monitor fired first, from that day on."""
        return next(f for f in self.findings if f.monitor == monitor and f.verdict == "Fired" and f.day >= since)


@dataclass(frozen=True)
class Promise:
    """A sentence about a record, and whether it holds."""

    sentence: str
    holds: bool


def mean(values: Iterable[float | None]) -> float:
    """Of the days that have a value."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known)


def percent(share: float, digits: int = 0) -> str:
    """As people read it."""
    return f"{100 * share:.{digits}f} %"


def record_of(story: str) -> Path:
    return RECORDS / f"{story}.json"


def read(story: str) -> StoryRecord:
    return msgspec.json.decode(record_of(story).read_bytes(), type=StoryRecord)


def write(record: StoryRecord) -> None:
    """In the form in which it is committed."""
    record_of(record.story).write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def digest_of(story: str) -> str:
    """Of the files of the example and of what tells it."""
    example = (path for path in (EXAMPLES / story).rglob("*") if path.suffix in (".py", ".yaml"))
    state = hashlib.sha256()
    for path in sorted((*example, *(_TELLING / f"{name}.py" for name in (story, *_SHARED)))):
        state.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return state.hexdigest()[:16]
