"""The life of a model on one axis: who served, who was on trial, runs, drift, decisions of people, edits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from viridian.api import reasons
from viridian.api.modeldeployment_status import HistoryEntry, ModelDeploymentStatus
from viridian.api.retrainpolicy_status import RetrainPolicyStatus
from viridian.core.times import parse_time
from viridian.dashboard.views.time_axis import LABEL_ROOM, TimeTick, time_ticks

WIDTH: Final = 960.0
_LEFT: Final = 92.0
"""Room for the names of the lanes."""
_RIGHT: Final = 14.0
_LANE: Final = 34.0
_TOP: Final = 8.0
_AXIS: Final = 26.0
_NARROWEST: Final = 3.0
_LABEL_WIDTH: Final = 7.0
"""Of a character, roughly: a label that does not fit into its bar is left out."""
_CHANGES_CHAMPION: Final = ("Promoted", "Reinstated")
_LANES: Final = ("served", "on trial", "decisions", "drift", "runs", "edits")


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeEvent:
    """Something that happened, at a moment or for a while."""

    lane: str
    kind: str
    """A word for its colour and its shape."""
    at: datetime
    until: datetime | None = None
    label: str = ""
    text: str
    """The whole sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBar:
    x: float
    y: float
    width: float
    kind: str
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeMark:
    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A picture in units of its own, and the same as a list."""

    height: float
    lanes: Sequence[tuple[str, float]]
    """Name and middle of each."""
    bars: Sequence[TimeBar]
    marks: Sequence[TimeMark]
    ticks: Sequence[TimeTick]
    events: Sequence[LifeEvent]
    """Newest first."""


def timeline(
    status: ModelDeploymentStatus, policies: Iterable[tuple[str, RetrainPolicyStatus]], now: datetime
) -> Timeline | None:
    """The life as far as the statuses remember it; None where nothing has happened yet."""
    events = [*_served(status, now), *_trial(status, now), *_decisions(status), *_drift(status, now), *_edits(status)]
    events += [found for name, policy in policies for found in _runs(name, policy, now)]
    if not events:
        return None
    start = min(event.at for event in events)
    end = max(now, start + timedelta(minutes=1))
    start -= (end - start) * 0.02
    present = [lane for lane in _LANES if any(event.lane == lane for event in events)]
    middle = {lane: _TOP + _LANE * (number + 0.5) for number, lane in enumerate(present)}

    def x(at: datetime) -> float:
        part = (min(max(at, start), end) - start) / (end - start)
        return round(_LEFT + part * (WIDTH - _LEFT - _RIGHT), 1)

    bars, marks = [], []
    for event in events:
        y = middle[event.lane]
        if event.until is None:
            marks.append(TimeMark(x=x(event.at), y=y, kind=event.kind, text=event.text))
            continue
        width = max(_NARROWEST, round(x(event.until) - x(event.at), 1))
        label = event.label if len(event.label) * _LABEL_WIDTH + 8 <= width else ""
        bars.append(TimeBar(x=x(event.at), y=y, width=width, kind=event.kind, label=label, text=event.text))
    return Timeline(
        height=_TOP + _LANE * len(present) + _AXIS,
        lanes=[(lane, middle[lane]) for lane in present],
        bars=bars,
        marks=marks,
        ticks=[TimeTick(x=x(at), label=label) for at, label in time_ticks(start, end) if x(at) <= WIDTH - LABEL_ROOM],
        events=sorted(events, key=lambda event: event.at, reverse=True),
    )


def _served(status: ModelDeploymentStatus, now: datetime) -> Iterator[LifeEvent]:
    """Championships: each from the promotion of a version to that of the next."""
    begun = [
        (at, entry.version or entry.revision, entry.revision)
        for entry in status.history
        if entry.outcome in _CHANGES_CHAMPION and (at := parse_time(entry.at)) is not None
    ]
    champion = status.champion
    if champion is not None and (since := parse_time(champion.since)) is not None:
        begun.append((since, champion.version or champion.revision, champion.revision))
    changes: list[tuple[datetime, str, str]] = []
    for beginning in sorted(begun):
        if not changes or changes[-1][2] != beginning[2]:
            changes.append(beginning)
    if not changes:
        return
    for (at, name, _), (until, *_) in pairwise([*changes, (now, "", "")]):
        yield LifeEvent(
            lane="served", kind="served", at=at, until=until, label=f"v{name}", text=f"version {name} serves users"
        )


def _trial(status: ModelDeploymentStatus, now: datetime) -> Iterator[LifeEvent]:
    challenger = status.challenger
    if challenger is None:
        return
    started = challenger.step.started_at if challenger.step is not None else None
    at = parse_time(challenger.since) or parse_time(started)
    if at is not None:
        name = challenger.version or challenger.revision
        text = f"version {name} is on trial"
        yield LifeEvent(lane="on trial", kind="trial", at=at, until=now, label=f"v{name}", text=text)


def _decisions(status: ModelDeploymentStatus) -> Iterator[LifeEvent]:
    for entry in status.history:
        if (at := parse_time(entry.at)) is not None:
            yield LifeEvent(lane="decisions", kind=_kind(entry), at=at, text=_decision(entry))
    drill = status.drill
    if drill is not None and (at := parse_time(drill.ended_at or drill.started_at)) is not None:
        kind = "good" if drill.outcome == "Passed" else "neutral" if drill.outcome == "Running" else "bad"
        yield LifeEvent(lane="decisions", kind=kind, at=at, text=f"drill of the rollback: {drill.outcome}")


def _kind(entry: HistoryEntry) -> str:
    if entry.outcome in (reasons.REJECTED, reasons.ROLLED_BACK):
        return "bad"
    return "good" if entry.outcome in _CHANGES_CHAMPION else "neutral"


def _decision(entry: HistoryEntry) -> str:
    return f"version {entry.version or entry.revision}: {entry.outcome}, by {entry.by}"


def _drift(status: ModelDeploymentStatus, now: datetime) -> Iterator[LifeEvent]:
    for incident in status.incidents:
        if (at := parse_time(incident.began)) is None:
            continue
        until = parse_time(incident.recovered)
        text = f"{incident.monitor} fires: {incident.message}" if incident.message else f"{incident.monitor} fires"
        text += "" if until is not None else " (still)"
        yield LifeEvent(lane="drift", kind="drift", at=at, until=until or now, label=incident.monitor, text=text)


def _runs(name: str, policy: RetrainPolicyStatus, now: datetime) -> Iterator[LifeEvent]:
    for run in policy.runs:
        at, until = parse_time(run.started_at), parse_time(run.finished_at)
        if at is None and until is None:
            continue
        version = f", version {run.version}" if run.version else ""
        kind = "good" if run.outcome == "HandedOver" else "bad" if run.outcome in _BAD_RUNS else "neutral"
        text = f"run {run.id} of {name}: {run.outcome}{version}"
        yield LifeEvent(lane="runs", kind=kind, at=at or until or now, until=until or at, label=run.outcome, text=text)
    active = policy.active_run
    if active is not None and (at := parse_time(active.started_at)) is not None:
        text = f"run {active.id} of {name} is in its stage {active.stage}"
        yield LifeEvent(lane="runs", kind="trial", at=at, until=now, label=active.stage, text=text)


_BAD_RUNS: Final = ("Rejected", "Failed", "ForeignModel", "DataQualityFailed")


def _edits(status: ModelDeploymentStatus) -> Iterator[LifeEvent]:
    for edit in status.revisions:
        if (at := parse_time(edit.at)) is not None:
            by = f" by {edit.by}" if edit.by else ""
            changed = f": {'; '.join(edit.changed)}" if edit.changed else ""
            yield LifeEvent(lane="edits", kind="neutral", at=at, text=f"edit {edit.number}{by}{changed}")
