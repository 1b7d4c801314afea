"""Verdicts on the performance of a model: on metrics of rows with outcomes, or on expected metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from viridian.api.monitoring import Decision
from viridian.api.performance import PerformanceMetric
from viridian.judgement.figures import SIGMAS, Figure, MonitorVerdict, exceeds, format_number, format_percent
from viridian.judgement.hysteresis import lasting
from viridian.judgement.metrics import LOWER_IS_BETTER, MIN_ROWS_PER_CLASS, Measured
from viridian.judgement.trend import trend

MIN_WINDOWS: Final = 4
"""Fewer windows show no trend."""
_TOO_FEW_PER_CLASS: Final = (
    f"it rests on fewer than {MIN_ROWS_PER_CLASS} rows of one kind, such as positive ones: choose a longer window"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowMetric:
    """The metric of one window, and the rows that it rests on."""

    measured: Measured | None
    known: int
    """Rows whose outcome is known; of an estimate, rows with a score."""
    predicted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The same metric on the version's own holdout."""

    value: float | None
    rows: int = 0
    absent: str = "the version's profile does not tell the metric of its holdout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Exactly one of the three."""

    metric: PerformanceMetric
    min: float | None = None
    max: float | None = None
    relative: float | None = None

    def absolute(self, baseline: Baseline) -> float | None:
        """The value that must not be crossed; None where that needs a baseline which is not known."""
        if self.relative is None:
            return self.max if self.min is None else self.min
        return None if baseline.value is None else baseline.value + self.relative * abs(baseline.value)

    @property
    def from_below(self) -> bool:
        """Whether smaller values are the worse ones."""
        return self.min is not None or (self.relative is not None and self.relative < 0)


def within_limit(
    limit: Limit,
    windows: Sequence[WindowMetric],
    baseline: Baseline,
    *,
    min_samples: int,
    consecutive: int,
    estimated: bool = False,
) -> Figure:
    """Fires when the newest `consecutive` windows are all beyond the limit; `windows` has the oldest first."""
    newest = windows[-1] if windows else None
    line = limit.absolute(baseline)
    if problem := _insufficient(newest, min_samples, estimated) or ("" if line is not None else baseline.absent):
        return _unknown(limit.metric, problem, newest, line, baseline, estimated)
    streak = 0
    for window in reversed(windows):
        if not _can_judge(window, min_samples) or not _crossed(limit, window.measured, line):
            break
        streak += 1
    measured = newest.measured if newest else None
    fired = streak >= consecutive
    side = "below" if limit.from_below else "above"
    relation = f"{side} {format_number(line)}" if streak else f"not {side} {format_number(line)}"
    if streak and consecutive > 1:
        relation += f" in {min(streak, consecutive)} of {consecutive} windows in a row"
    if limit.relative is not None:
        share, known = format_percent(abs(limit.relative)), format_number(baseline.value)
        relation += f", which is {share} {side} the {known} of the holdout"
    return Figure(
        measure=limit.metric.value,
        verdict=MonitorVerdict.FIRED if fired else MonitorVerdict.QUIET,
        sentence=f"{_described(limit.metric, measured, newest, estimated)}, {relation}",
        value=measured.value if measured else None,
        bound=_bound(measured, limit.from_below),
        threshold=line,
        reference=baseline.value,
        samples=newest.known if newest else 0,
        reference_samples=baseline.rows,
        estimated=estimated,
        decisive=_mildest(windows[-consecutive:], limit, min_samples) if len(windows) >= consecutive else None,
        from_below=limit.from_below,
    )


def _mildest(windows: Sequence[WindowMetric], limit: Limit, min_samples: int) -> float | None:
    """The value nearest to harmlessness, which all windows must have beyond the limit; None where one is not judged."""
    if not all(_can_judge(window, min_samples) for window in windows):
        return None
    values = [window.measured.value for window in windows if window.measured is not None]
    return max(values) if limit.from_below else min(values)


def concept_drift(
    metric: PerformanceMetric,
    window: WindowMetric | None,
    baseline: Baseline,
    *,
    threshold: float,
    decision: Decision,
    min_samples: int,
) -> Figure:
    """Fires when the metric is worse than on the holdout by more than `threshold`, as a share of the value there.

    The holdout's own standard error is taken to be that of the window, scaled to its number of rows.
    """
    measured = window.measured if window else None
    problem = _insufficient(window, min_samples, estimated=False) or _no_share_of(baseline)
    if problem or measured is None or not baseline.value:
        return _unknown(metric, problem, window, threshold, baseline, estimated=False)
    sign = 1 if metric in LOWER_IS_BETTER else -1
    worse = sign * (measured.value - baseline.value) / abs(baseline.value)
    scale = math.sqrt(window.known / baseline.rows) if window and baseline.rows > 0 else 1.0
    bound = worse - SIGMAS * math.hypot(measured.error, measured.error * scale) / abs(baseline.value)
    decisive = worse if decision is Decision.POINT else bound
    fired = exceeds(decisive, threshold)
    careful = (
        f", by at least {format_percent(max(0.0, bound))} beyond chance" if decision is Decision.LOWER_BOUND else ""
    )
    found = lasting(worse, bound, threshold, decision, by_chance=False)
    side = "worse" if worse > 0 else "better"
    change = f"{format_percent(abs(worse))} {side} than the {format_number(baseline.value)} of the holdout"
    return Figure(
        measure=metric.value,
        verdict=MonitorVerdict.FIRED if fired else MonitorVerdict.QUIET,
        sentence=f"{_described(metric, measured, window, estimated=False)}, {change}{careful}, "
        f"{'above' if fired else 'not above'} {format_percent(threshold)}",
        value=worse,
        bound=bound,
        threshold=threshold,
        reference=baseline.value,
        samples=window.known if window else 0,
        reference_samples=baseline.rows,
        decisive=decisive,
        lasting=found.number if found else None,
        quiet_when=f"at {format_percent(found.level)} worse or less" if found else "",
    )


def decay(
    metric: PerformanceMetric,
    windows: Sequence[WindowMetric],
    baseline: Baseline,
    *,
    per_window: float | None,
    relative: float | None,
    decision: Decision,
    min_samples: int,
) -> Figure:
    """Fires when the trend over the windows, the oldest first, goes beyond the given change from one to the next."""
    if per_window is None and relative is not None and baseline.value is not None:
        per_window = relative * abs(baseline.value)
    newest = windows[-1] if windows else None
    if per_window is None:
        return _unknown(metric, baseline.absent, newest, None, baseline, estimated=False)
    points = [
        (number, window.measured)
        for number, window in enumerate(windows)
        if window.measured is not None and _can_judge(window, min_samples)
    ]
    needed = max(MIN_WINDOWS, math.ceil(len(windows) / 2))
    found = trend(points) if len(points) >= needed else None
    if found is None:
        problem = (
            f"{len(points)} of the last {len(windows)} windows have {min_samples} mature labels, {needed} are needed"
        )
        return _unknown(metric, problem, newest, abs(per_window), baseline, estimated=False)
    sign = math.copysign(1.0, per_window)
    value, bound = sign * found.slope, sign * found.slope - found.allowance
    decisive = value if decision is Decision.POINT else bound
    fired = exceeds(decisive, abs(per_window))
    lasts = lasting(value, bound, abs(per_window), decision, by_chance=False)
    limit = f"{'beyond' if fired else 'not beyond'} {format_number(per_window)}"
    if relative is not None and baseline.value is not None:
        limit += f" ({format_percent(abs(relative))} of the {format_number(baseline.value)} of the holdout)"
    return Figure(
        measure=metric.value,
        verdict=MonitorVerdict.FIRED if fired else MonitorVerdict.QUIET,
        sentence=f"{metric} changes by {format_number(found.slope)} from window to window (standard error "
        f"{format_number(found.error)}, {len(points)} windows), {limit}",
        value=value,
        bound=bound,
        threshold=abs(per_window),
        reference=baseline.value,
        samples=sum(window.known for window in windows),
        reference_samples=baseline.rows,
        decisive=decisive,
        lasting=lasts.number if lasts else None,
        quiet_when=f"when it is not beyond {format_number(sign * lasts.level)}" if lasts else "",
    )


def _no_share_of(baseline: Baseline) -> str:
    if baseline.value is None:
        return baseline.absent
    return (
        "" if baseline.value else "it is 0 on the holdout, and no share of that can be taken: use performance with max"
    )


def _insufficient(window: WindowMetric | None, min_samples: int, estimated: bool) -> str:
    """Why there is no verdict, empty where there can be one."""
    what = "predictions" if estimated else "mature labels"
    if window is None:
        return f"nothing is known of the window: {min_samples} {what} are needed"
    if window.known < min_samples:
        return f"{window.known} {what} of {window.predicted} predictions, {min_samples} are needed"
    if window.measured is None:
        return "the metric cannot be computed from these rows"
    return "" if window.measured.reliable else _TOO_FEW_PER_CLASS


def _can_judge(window: WindowMetric, min_samples: int) -> bool:
    return window.known >= min_samples and window.measured is not None and window.measured.reliable


def _crossed(limit: Limit, measured: Measured | None, line: float | None) -> bool:
    if measured is None or line is None:
        return False
    return exceeds(line, measured.value) if limit.from_below else exceeds(measured.value, line)


def _bound(measured: Measured | None, from_below: bool) -> float | None:
    if measured is None:
        return None
    return measured.value + (SIGMAS if from_below else -SIGMAS) * measured.error


def _described(
    metric: PerformanceMetric, measured: Measured | None, window: WindowMetric | None, estimated: bool
) -> str:
    value = (
        f"{format_number(measured.value)} (standard error {format_number(measured.error)})" if measured else "unknown"
    )
    known, predicted = (window.known, window.predicted) if window else (0, 0)
    if estimated:
        return f"{metric} is estimated to be {value} on {known} rows without labels"
    return f"{metric} is {value} on the {known} of {predicted} rows with a label"


def _unknown(
    metric: PerformanceMetric,
    why: str,
    window: WindowMetric | None,
    threshold: float | None,
    baseline: Baseline,
    estimated: bool,
) -> Figure:
    return Figure(
        measure=metric.value,
        verdict=MonitorVerdict.INSUFFICIENT_DATA,
        sentence=f"{metric}: {why}",
        threshold=threshold,
        reference=baseline.value,
        samples=window.known if window else 0,
        reference_samples=baseline.rows,
        estimated=estimated,
    )
