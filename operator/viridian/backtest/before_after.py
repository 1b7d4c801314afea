"""Before and after the loop was closed: what decay cost in both times, and when the effort has paid.

The loss of a day is what the metric lost in windows that fired, below the level of each version's first window. Fewer
losses are worth `value_of_point` for each whole unit of the metric and day. From that the daily cost of runs is taken.
The effort has paid after as many days as it takes for the rest to reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from viridian.backtest.review_figures import ReviewFigures

DAY_SECONDS = 86_400.0


class NothingToCompare(ValueError):
    """One of the two times has no window; the text says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFigures:
    """One of the two times."""

    days: float
    breach_seconds: float
    """In windows in which a monitor fired."""
    lost_per_day: float
    """Points of the metric."""
    incidents: int
    seconds_to_recover: float | None
    """Median of the incidents that began in that time and are over."""

    @property
    def share_in_breach(self) -> float:
        return self.breach_seconds / (self.days * DAY_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeAfter:
    """Both times, and the account."""

    before: TimeFigures
    after: TimeFigures
    saved_per_day: float | None
    """Worth of the points that are lost no more; None where the worth of a point is not given."""
    runs_per_day: float
    """What runs cost a day, after."""
    effort: float
    payback_days: float | None
    """None where it is not known, and where it never pays."""

    @property
    def sentence(self) -> str:
        """The account for people."""
        if self.saved_per_day is None:
            return "What a point is worth is not given, so there is no account in money."
        net = self.saved_per_day - self.runs_per_day
        account = f"{self.saved_per_day:.4g} a day saved, {self.runs_per_day:.4g} a day for runs"
        if self.payback_days is None:
            return f"{account}: the effort of {self.effort:g} does not pay."
        return (
            f"{account}: the effort of {self.effort:g} has paid after {self.payback_days:.3g} days, at {net:.4g} a day."
        )


def before_after(
    found: ReviewFigures,
    since: float,
    *,
    cost_of_runs: float = 0.0,
    effort: float = 0.0,
    value_of_point: float | None = None,
) -> BeforeAfter:
    """The account of what was done at `since`, in seconds since 1970.

    `cost_of_runs` is of all runs after it, `effort` of all that was spent once, and `value_of_point` what one whole
    unit of the metric is worth a day: all in one unit of money. NothingToCompare is raised where either time is empty.
    """
    if not found.start < since < found.end:
        raise NothingToCompare("it lies outside of the stored windows: choose a time between their first and last")
    before, after = _time(found, found.start, since), _time(found, since, found.end)
    saved = None if value_of_point is None else value_of_point * (before.lost_per_day - after.lost_per_day)
    runs = cost_of_runs / after.days
    net = None if saved is None else saved - runs
    return BeforeAfter(
        before=before,
        after=after,
        saved_per_day=saved,
        runs_per_day=runs,
        effort=effort,
        payback_days=effort / net if net is not None and net > 0 else None,
    )


def _time(found: ReviewFigures, start: float, end: float) -> TimeFigures:
    days = (end - start) / DAY_SECONDS
    began = [one for one in found.incidents if start <= one.incident.start.timestamp() < end]
    return TimeFigures(
        days=days,
        breach_seconds=found.window_seconds * sum(start <= at < end for at in found.breach),
        lost_per_day=sum(loss.point_days for loss in found.losses if start <= loss.start < end) / days,
        incidents=len(began),
        seconds_to_recover=_median([one.seconds_to_recover for one in began if one.seconds_to_recover is not None]),
    )


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
