"""What verdicts amount to: alarms, those of them that were false, and what became of known incidents."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from viridian.backtest.history import Incident
from viridian.backtest.replay import JudgedWindow
from viridian.judgement.figures import MonitorVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Windows in which a monitor fired, up to the one in which it was quiet again."""

    start: float
    """Begin of the first span of time that fired."""
    raised_at: float
    ended_at: float | None
    """When the first quiet window was judged; None where there is none."""
    fired: int
    """Windows that fired."""
    false: bool
    """Whether none of them lies in a known incident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What a monitor would have made of an incident."""

    incident: str
    seconds: float | None
    """From the incident's start to the verdict; None where the monitor would have missed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good a monitor would have been."""

    windows: int
    judged: int
    """Windows with a verdict other than InsufficientData."""
    fired: int
    alarms: int
    false_alarms: int
    caught: int
    missed: int
    median_delay: float | None
    """Seconds from the start of an incident to its detection."""


def alarms(judged: Sequence[JudgedWindow], incidents: Sequence[Incident]) -> tuple[Alarm, ...]:
    """The alarms of one monitor, from its windows with the oldest first. A gap ends no alarm: it is not quiet."""
    verdicts = [window.result.verdict for window in judged]
    return tuple(_alarms(judged, verdicts, incidents))


def detections(judged: Sequence[JudgedWindow], incidents: Sequence[Incident]) -> tuple[Detection, ...]:
    """One for each incident that the stored windows reach."""
    return tuple(_detections(judged, [window.result.verdict for window in judged], incidents))


def score(judged: Sequence[JudgedWindow], verdicts: Sequence[MonitorVerdict], incidents: Sequence[Incident]) -> Score:
    """The score of a monitor that would have had these verdicts, one for each window."""
    raised = list(_alarms(judged, verdicts, incidents))
    found = list(_detections(judged, verdicts, incidents))
    delays = [detection.seconds for detection in found if detection.seconds is not None]
    return Score(
        windows=len(verdicts),
        judged=sum(verdict is not MonitorVerdict.INSUFFICIENT_DATA for verdict in verdicts),
        fired=sum(verdict is MonitorVerdict.FIRED for verdict in verdicts),
        alarms=len(raised),
        false_alarms=sum(alarm.false for alarm in raised),
        caught=len(delays),
        missed=len(found) - len(delays),
        median_delay=statistics.median(delays) if delays else None,
    )


def _alarms(
    judged: Sequence[JudgedWindow], verdicts: Sequence[MonitorVerdict], incidents: Sequence[Incident]
) -> Iterator[Alarm]:
    running: list[JudgedWindow] = []
    for window, verdict in zip(judged, verdicts, strict=True):
        if verdict is MonitorVerdict.FIRED:
            running.append(window)
        elif verdict is MonitorVerdict.QUIET and running:
            yield _alarm(running, window.judged_at, incidents)
            running = []
    if running:
        yield _alarm(running, None, incidents)


def _alarm(fired: Sequence[JudgedWindow], ended_at: float | None, incidents: Sequence[Incident]) -> Alarm:
    true = any(incident.overlaps(window.start, window.end) for window in fired for incident in incidents)
    return Alarm(
        start=fired[0].start, raised_at=fired[0].judged_at, ended_at=ended_at, fired=len(fired), false=not true
    )


def _detections(
    judged: Sequence[JudgedWindow], verdicts: Sequence[MonitorVerdict], incidents: Sequence[Incident]
) -> Iterator[Detection]:
    for incident in incidents:
        within = [
            (window, verdict)
            for window, verdict in zip(judged, verdicts, strict=True)
            if incident.overlaps(window.start, window.end)
        ]
        if within:
            times = (window.judged_at for window, verdict in within if verdict is MonitorVerdict.FIRED)
            first = next(times, None)
            seconds = None if first is None else first - incident.start.timestamp()
            yield Detection(incident=incident.name, seconds=seconds)
