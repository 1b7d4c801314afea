"""What each run cost, and what it changed: on the holdout, and later on outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from viridian.api import reasons
from viridian.api.automation import Budget
from viridian.api.metric_names import CHAMPION_PREFIX, lower_is_better
from viridian.api.retrainpolicy_status import FinishedRun
from viridian.backtest.review_figures import VersionFigures
from viridian.retraining.budget import HOUR_SECONDS, cost_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RunValue:
    """A run with its cost beside the change that it brought. Changes are positive where they are for the better."""

    run: FinishedRun
    cpu_hours: float | None
    cost: float | None
    """In the unit of `spec.budget.price`; None without a price, and where the hours are not known."""
    offline: float | None
    """Gain over the champion on the run's own holdout, whether it was handed over or not."""
    online: float | None
    """Gain on outcomes over the version that served before; None where it has not served, or labels are missing."""


def run_values(
    runs: Sequence[FinishedRun], budget: Budget, metric: str, versions: Sequence[VersionFigures] = ()
) -> tuple[RunValue, ...]:
    """The runs in their order; `versions` in the order in which they served."""
    online = dict(_online_gains(versions, metric))
    return tuple(
        RunValue(
            run=run,
            cpu_hours=None if run.cpu_seconds is None else run.cpu_seconds / HOUR_SECONDS,
            cost=_cost(run, budget),
            offline=_offline_gain(run, metric),
            online=online.get(run.version or "") if run.outcome == reasons.HANDED_OVER else None,
        )
        for run in runs
    )


def _cost(run: FinishedRun, budget: Budget) -> float | None:
    if run.cpu_seconds is None:
        return None
    return cost_of(budget, run.cpu_seconds / HOUR_SECONDS, (run.spot_cpu_seconds or 0.0) / HOUR_SECONDS)


def _offline_gain(run: FinishedRun, metric: str) -> float | None:
    ours, theirs = run.metrics.get(metric), run.metrics.get(f"{CHAMPION_PREFIX}{metric}")
    return None if ours is None or theirs is None else _gain(metric, ours, theirs)


def _online_gains(versions: Sequence[VersionFigures], metric: str) -> Iterator[tuple[str, float]]:
    for before, after in pairwise(versions):
        if before.online is not None and after.online is not None:
            yield after.version, _gain(metric, after.online, before.online)


def _gain(metric: str, ours: float, theirs: float) -> float:
    return theirs - ours if lower_is_better(metric) else ours - theirs
