"""What the runs of the period took, what is left of the budget, and until when nothing is.

The period ends now and moves on with the clock: a run counts until it began as long ago as the period lasts. So the
budget has no anchor that a restart could lose, and what is left follows from the records of runs alone.

CPU-hours of a run are known once its stages have ended (`stages.cpu_time` says how they are measured). The run that
exceeds the budget goes on; the next one waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from viridian.api.automation import MAX_RUNS, Budget, BudgetStatus
from viridian.api.names import REJECT_ANNOTATION
from viridian.core.times import format_time, length, parse_time
from viridian.retraining.runs import Run

HOUR_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A part of the budget that was used up: by which time, and until when."""

    since: datetime
    until: datetime
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The budget as it stands."""

    budget: Budget
    # Runs of the period, the newest first.
    runs: tuple[Run, ...] = ()
    # What was used up last, whether or not enough has become free since.
    exhausted: tuple[Exhausted, ...] = ()
    # When the oldest of the runs counts no more.
    resets_at: datetime | None = None
    # Runs without whose records too little would be counted.
    evidence: tuple[Run, ...] = ()


def read_spending(budget: Budget, runs: Sequence[Run], now: datetime) -> Spending:
    """What `runs`, the newest first, have taken of the budget. Neither runs that a person rejected before they began
    count, nor further looks at bad data."""
    period = length(budget.period)
    runs = [run for run in runs if not run.only_looked and REJECT_ANNOTATION not in run.record.origin.commands]
    began = [(run, at) for run in runs if (at := _began(run)) is not None]
    counted = tuple(run for run, at in began if at + period > now)
    if not is_limited(budget):
        return Spending(budget=budget, runs=counted, resets_at=_resets_at(counted, period))
    return Spending(
        budget=budget,
        runs=counted,
        exhausted=tuple(_exhausted(budget, runs, period)),
        resets_at=_resets_at(counted, period),
        # One more than the limit tells when a limit was reached that has become free since.
        evidence=(*counted[:MAX_RUNS], *(run for run, _ in began[: _max_runs(budget)])),
    )


def is_limited(budget: Budget) -> bool:
    """Whether runs or CPU-hours of a period are limited."""
    return budget.max_runs is not None or budget.cpu_hours is not None


def status_of(spending: Spending, hand_overs: int = 0) -> BudgetStatus | None:
    """The budget as the status shows it; None where the policy has neither a limit nor a price.

    `hand_overs`: how many candidates were handed over within the period.
    """
    budget = spending.budget
    if not is_limited(budget) and budget.price is None and budget.max_hand_overs is None:
        return None
    spot = sum(run.spot_cpu_seconds for run in spending.runs) / HOUR_SECONDS
    whole = sum(run.cpu_seconds for run in spending.runs) / HOUR_SECONDS
    left = None if budget.cpu_hours is None else max(0.0, budget.cpu_hours - whole)
    return BudgetStatus(
        runs=len(spending.runs),
        runs_left=max(0, _max_runs(budget) - len(spending.runs)) if is_limited(budget) else None,
        cpu_hours=_rounded(whole) or 0.0,
        spot_cpu_hours=_rounded(spot) or 0.0,
        cpu_hours_left=_rounded(left),
        cost=_rounded(cost_of(budget, whole, spot)),
        hand_overs_left=None if budget.max_hand_overs is None else max(0, budget.max_hand_overs - hand_overs),
        resets_at=format_time(spending.resets_at) if spending.resets_at else None,
    )


def cost_of(budget: Budget, cpu_hours: float, spot_cpu_hours: float) -> float | None:
    """What CPU-hours cost, those on spot nodes among them; None without a price."""
    if budget.price is None:
        return None
    spot_price = budget.price if budget.spot_price is None else budget.spot_price
    return (cpu_hours - spot_cpu_hours) * budget.price + spot_cpu_hours * spot_price


def _max_runs(budget: Budget) -> int:
    return budget.max_runs if budget.max_runs is not None else MAX_RUNS


def _exhausted(budget: Budget, runs: Sequence[Run], period: timedelta) -> Iterator[Exhausted]:
    by_hand = "or start one with the annotation viridian.dev/run"
    if (found := _used_up(runs, float(_max_runs(budget)), period, lambda _: 1.0)) is not None:
        most = _max_runs(budget)
        says = f"{most} of {most} runs of {budget.period} have begun; the next one may begin at"
        yield Exhausted(*found, f"{says} {format_time(found[1])}: raise spec.budget.maxRuns, {by_hand}")
    limit = budget.cpu_hours
    if limit is None or (found := _used_up(runs, limit * HOUR_SECONDS, period, lambda run: run.cpu_seconds)) is None:
        return
    says = f"the runs of {budget.period} took all of {limit:g} CPU-hours; the next one may begin at"
    yield Exhausted(*found, f"{says} {format_time(found[1])}: raise spec.budget.cpuHours, {by_hand}")


def _used_up(
    runs: Sequence[Run], limit: float, period: timedelta, cost: Callable[[Run], float]
) -> tuple[datetime, datetime] | None:
    """From when until when the newest runs that reach the limit together have all begun within a period.

    The oldest of them has to leave the period before another one may begin. None where they never were so close.
    """
    known = [(run, at) for run in runs if (at := _began(run)) is not None]
    total = 0.0
    for run, at in known:
        total += cost(run)
        if total >= limit:
            since, until = known[0][1], at + period
            return (since, until) if until > since else None
    return None


def _resets_at(counted: Sequence[Run], period: timedelta) -> datetime | None:
    at = _began(counted[-1]) if counted else None
    return at + period if at is not None else None


def _began(run: Run) -> datetime | None:
    return parse_time(run.created)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
