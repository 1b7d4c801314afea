"""The verdicts that monitors would have reached on stored windows, each as of the time at which it would have come.

A window is judged by the function that judges live ones (`viridian.monitoring.evaluate`), on what it would have asked
of the collector. One thing differs: labels that came late are known from the beginning. With a `labelMaturity` that is
long enough this changes nothing, since windows are judged once their labels are mature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from viridian.api.durations import parse as duration
from viridian.api.monitoring import ConceptDrift, Decay, Monitoring, PerformanceMonitor, Source, source_of
from viridian.backtest.history import History, UnusableHistory, WindowIndex
from viridian.judgement.figures import MonitorVerdict
from viridian.monitoring.evaluate import MonitoringData, results_of
from viridian.monitoring.monitor_report import MonitorResult
from viridian.monitoring.settling import Firing, firing_after, settled_result
from viridian.monitoring.windows import Calendar, Windows, calendar, delay, window_queries

NO_PROFILE = "no reference profile was given for version {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWindow:
    """What one monitor would have found in one window."""

    start: float
    end: float
    """The span that the verdict is about: with immature labels an older one than the newest window."""
    judged_at: float
    version: str
    result: MonitorResult
    firing: Firing | None = None
    """What the windows before it leave."""

    @property
    def fired(self) -> bool:
        return self.result.verdict is MonitorVerdict.FIRED


@dataclass(frozen=True, slots=True)
class ReplayedMonitor:
    """One monitor over all stored windows, the oldest first."""

    name: str
    source: Source
    judged: tuple[JudgedWindow, ...]


def replay(monitoring: Monitoring, maturity: str, history: History) -> tuple[ReplayedMonitor, ...]:
    """The verdicts of all monitors, in the order of the spec. `maturity` counts for monitors without one of their own.

    UnusableHistory is raised where the stored windows are not those of the spec.
    """
    wanted, stored = duration(monitoring.window).total_seconds(), history.seconds
    if wanted != stored:
        raise UnusableHistory(
            f"the stored windows last {stored:.0f} s and spec.monitoring.window is {monitoring.window}: set the window "
            f"to the length of the stored ones, or export windows with seconds={wanted:.0f}"
        )
    if any(round(window.start) % stored for window in history.windows):
        raise UnusableHistory(
            f"windows are counted from 1970 in UTC, and some of the stored ones are not: export them with a start that "
            f"{stored:.0f} divides"
        )
    index = WindowIndex(history.windows)
    columns: list[list[JudgedWindow]] = [[] for _ in monitoring.monitors]
    for start in index.starts():
        for column, judged in zip(columns, _judge(monitoring, maturity, history, index, start), strict=True):
            column.append(_settled(judged, column[-1] if column else None))
    return tuple(
        ReplayedMonitor(monitor.name, source, tuple(column))
        for monitor, column in zip(monitoring.monitors, columns, strict=True)
        if (source := source_of(monitor)) is not None
    )


def _judge(
    monitoring: Monitoring, maturity: str, history: History, index: WindowIndex, start: int
) -> Iterator[JudgedWindow]:
    champion = index.champion(start)
    judged_at = champion.end + delay(champion.end - champion.start)
    days = calendar(monitoring, maturity, datetime.fromtimestamp(judged_at, UTC))
    found = [window for query in window_queries(monitoring, days, champion.revision) for window in index.answer(query)]
    data = MonitoringData(
        monitoring=monitoring,
        revision=champion.revision,
        calendar=days,
        windows=Windows.of(found),
        reference=history.reference(champion.version),
        no_reference=NO_PROFILE.format(champion.version),
    )
    for result in results_of(data):
        end = _end_of_evidence(result.source, days)
        yield JudgedWindow(
            start=end - days.seconds, end=end, judged_at=judged_at, version=champion.version, result=result
        )


def _settled(judged: JudgedWindow, before: JudgedWindow | None) -> JudgedWindow:
    """As the window before leaves it; another version begins afresh."""
    if before is None or before.version != judged.version:
        return judged
    firing = firing_after(before.result, before.firing)
    return replace(judged, result=settled_result(judged.result, firing), firing=firing)


def _end_of_evidence(source: Source, days: Calendar) -> float:
    match source:
        case PerformanceMonitor() | ConceptDrift() | Decay():
            return days.mature_end(source.label_maturity)
        case _:
            return days.end
