"""What a policy is going to cost: from its schedules, from its runs so far, and from what people declare.

Schedules start the runs that cooldown and budget leave of them. Runs of other triggers are expected as often as they
were in the runs so far. A run takes what those that made a candidate took on average. Without such a run, the number of
runs is all that can be estimated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.retrainpolicy_status import FinishedRun
from viridian.backtest.replayed_runs import runs as replayed_runs
from viridian.core.times import length, parse_time
from viridian.retraining.budget import HOUR_SECONDS, cost_of
from viridian.retraining.runs import JUDGED
from viridian.retraining.triggers.schedule import SCHEDULE

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredCosts:
    """What no record shows, in a period of the budget."""

    monitoring_cpu_hours: float = 0.0
    engineering_hours: float = 0.0
    hourly_rate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """Of one period of the budget."""

    period: str
    scheduled_runs: int
    other_runs: float
    """Of other triggers and of people, by the runs so far."""
    runs: float
    """Both together, at most as many as the budget allows."""
    cpu_hours_of_run: float | None
    """None while no run has shown it."""
    cpu_hours: float | None
    """Of all runs and of monitoring."""
    cost: float | None
    """Of these hours; None without a price."""
    engineering: float
    findings: tuple[str, ...]

    @property
    def total(self) -> float | None:
        """Of hours and people; None where the hours have no price."""
        return None if self.cost is None else self.cost + self.engineering


def estimate(
    policy: RetrainPolicySpec, finished: Sequence[FinishedRun], now: datetime, declared: DeclaredCosts
) -> CostEstimate:
    """The estimate for the period that begins now; UnusableHistory where a schedule cannot be read."""
    seconds = length(policy.budget.period).total_seconds()
    scheduled = _scheduled(policy, now.timestamp(), seconds)
    others = _other_runs(finished, now) * seconds
    limit = policy.budget.max_runs
    expected = scheduled + others if limit is None else min(float(limit), scheduled + others)
    known = [run for run in finished if run.outcome in JUDGED and run.cpu_seconds]
    hours = _mean([(run.cpu_seconds or 0.0) / HOUR_SECONDS for run in known])
    spot = _mean([(run.spot_cpu_seconds or 0.0) / HOUR_SECONDS for run in known]) or 0.0
    cpu_hours = None if hours is None else hours * expected + declared.monitoring_cpu_hours
    return CostEstimate(
        period=policy.budget.period,
        scheduled_runs=scheduled,
        other_runs=others,
        runs=expected,
        cpu_hours_of_run=hours,
        cpu_hours=cpu_hours,
        cost=None if cpu_hours is None else cost_of(policy.budget, cpu_hours, spot * expected),
        engineering=declared.engineering_hours * declared.hourly_rate,
        findings=tuple(_findings(policy, scheduled + others, hours, expected)),
    )


def _scheduled(policy: RetrainPolicySpec, start: float, seconds: float) -> int:
    """As the backtest replays them: what a cooldown holds back joins the next run."""
    schedules = tuple(trigger for trigger in policy.triggers if trigger.schedule is not None)
    unlimited = msgspec.structs.replace(policy.budget, max_runs=None)
    alone = msgspec.structs.replace(policy, triggers=schedules, budget=unlimited)
    return len(replayed_runs(alone, (), start, start + seconds, 0.0))


def _other_runs(finished: Sequence[FinishedRun], now: datetime) -> float:
    """A second, since the first of these runs began."""
    began = [at for run in finished if (at := parse_time(run.started_at)) is not None]
    since = (now - min(began)).total_seconds() if began else 0.0
    others = sum(not any(cause.startswith(f"{SCHEDULE}:") for cause in run.reasons) for run in finished)
    return others / since if since >= DAY_SECONDS else 0.0


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _findings(policy: RetrainPolicySpec, asked: float, hours: float | None, expected: float) -> Iterator[str]:
    budget = policy.budget
    if budget.max_runs is not None and asked > budget.max_runs:
        yield f"triggers ask for {asked:.3g} runs in {budget.period}, and budget.maxRuns is {budget.max_runs}"
    if hours is None:
        yield "no run has made a candidate yet, so what a run takes is not known"
    elif budget.cpu_hours is not None and hours * expected > budget.cpu_hours:
        taken = hours * expected
        yield f"these runs take {taken:.3g} CPU-hours in {budget.period}, and budget.cpuHours is {budget.cpu_hours:g}"
    if budget.price is None:
        yield "without budget.price there is no cost"
