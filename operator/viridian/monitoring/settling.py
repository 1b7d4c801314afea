"""The results of a window as those before it leave them: what has fired lasts until its number is well within.

A monitor fires as soon as its number is beyond the threshold. It is quiet again when `viridian.judgement.hysteresis`
says so, of each feature by itself. Another threshold or statistic begins afresh. A window with too little data
ends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from viridian.api.monitoring_status import MAX_FIGURES
from viridian.api.schema import MAX_WORD
from viridian.judgement.figures import Figure, MonitorVerdict
from viridian.monitoring.monitor_report import MonitoringReport, MonitorResult
from viridian.monitoring.monitor_verdict import judged_again
from viridian.monitoring.status import is_firing, rounded, stored_entries, stored_figures


@dataclass(frozen=True, slots=True)
class Firing:
    """What is remembered of a monitor that has fired and is not quiet again."""

    questions: frozenset[tuple[str, float | None]]
    """Statistic or metric and threshold, as it was judged."""
    features: frozenset[str] | None
    """Those that have fired; None where it is not known which."""

    def covers(self, figure: Figure) -> bool:
        """Whether this figure is one of those that have fired."""
        is_same = (figure.measure, rounded(figure.threshold)) in self.questions
        return is_same and (self.features is None or figure.feature[:MAX_WORD] in self.features)


def settled(report: MonitoringReport, stored: Mapping[str, Any] | None) -> MonitoringReport:
    """The report after the windows that `stored`, a `status.monitoring`, remembers."""
    before = {str(entry.get("name")): firing_of(entry) for entry in stored_entries(stored)}
    results = tuple(settled_result(result, before.get(result.name)) for result in report.results)
    return report if results == report.results else replace(report, results=results)


def settled_result(result: MonitorResult, before: Firing | None) -> MonitorResult:
    """The result after windows in which the monitor has fired."""
    if before is None:
        return result
    figures = tuple(_lasting(figure) if _lasts(figure, before) else figure for figure in result.figures)
    return result if figures == result.figures else judged_again(result, figures)


def firing_of(entry: Mapping[str, Any]) -> Firing | None:
    """What the entry of a monitor in a status remembers; None where it does not fire."""
    if not is_firing(entry):
        return None
    figures = stored_figures(entry)
    fired = [str(figure.get("feature", "")) for figure in figures if figure.get("verdict") == MonitorVerdict.FIRED]
    # Of many features a status shows a few, and of a window with too little data none that has fired.
    all_are_known = 0 < len(fired) < MAX_FIGURES
    questions = frozenset((str(figure.get("measure")), figure.get("threshold")) for figure in figures)
    return Firing(questions, frozenset(fired) if all_are_known else None)


def firing_after(result: MonitorResult, before: Firing | None) -> Firing | None:
    """What a window leaves to the next one, where no status stands between them."""
    if result.verdict is MonitorVerdict.QUIET:
        return None
    if result.verdict is MonitorVerdict.INSUFFICIENT_DATA:
        return replace(before, features=None) if before is not None else None
    fired = [figure for figure in result.figures if figure.verdict is MonitorVerdict.FIRED]
    questions = frozenset((figure.measure, rounded(figure.threshold)) for figure in fired)
    return Firing(questions, frozenset(figure.feature[:MAX_WORD] for figure in fired))


def _lasts(figure: Figure, before: Firing) -> bool:
    return (
        figure.verdict is MonitorVerdict.QUIET
        and figure.threshold is not None
        and figure.lasts_at(figure.threshold)
        and before.covers(figure)
    )


def _lasting(figure: Figure) -> Figure:
    sentence = f"{figure.sentence}; it has fired, and is quiet again {figure.quiet_when}"
    return replace(figure, verdict=MonitorVerdict.FIRED, sentence=sentence)
