"""Sections of a review about worth: what runs cost and changed, known versions on one holdout, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from viridian.api.performance import PerformanceMetric
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.retrainpolicy_status import RetrainPolicyStatus
from viridian.api.version_quality import QualityStatus
from viridian.backtest.before_after import BeforeAfter, TimeFigures
from viridian.backtest.review_figures import ReviewFigures
from viridian.backtest.run_values import RunValue, run_values
from viridian.core.times import parse_time
from viridian.people.report_section import Plot, Section
from viridian.people.report_texts import ABSENT, number_of, span
from viridian.retraining.known_versions import counted_metrics


@dataclass(frozen=True, slots=True)
class PolicyWorth:
    """The runs that the status of a policy shows, with what they cost and changed in one metric."""

    metric: str
    """Empty where nothing says which one counts."""
    runs: tuple[RunValue, ...]

    def spent_since(self, since: datetime) -> float:
        """The cost of the runs that have ended since then."""
        ended = ((one.cost or 0.0, parse_time(one.run.finished_at)) for one in self.runs)
        return sum(cost for cost, at in ended if at is not None and at >= since)


def policy_worth(
    spec: RetrainPolicySpec, status: RetrainPolicyStatus, found: ReviewFigures | None, chosen: PerformanceMetric | None
) -> PolicyWorth:
    """The worth of a policy's runs. The metric is that of the windows, so that holdout and outcomes are one thing.

    Without windows it is the chosen one, else the one that counts most in the objective or the gate.
    """
    counted = max(counted_metrics(spec), key=lambda metric: metric.weight, default=None)
    otherwise = chosen or (counted.name if counted is not None else "")
    metric = str(found.metric if found is not None else otherwise)
    versions = found.versions if found is not None else ()
    return PolicyWorth(metric, run_values(status.runs, spec.budget, metric, versions))


def run_value_section(name: str, worth: PolicyWorth) -> Iterator[Section]:
    """Cost beside change; nothing where no run shows either."""
    found, metric = worth.runs, worth.metric
    if not any(one.cpu_hours or one.offline is not None or one.online is not None for one in found):
        return
    costs = [one.cost for one in found if one.cost is not None]
    gained = [one.online for one in found if one.online is not None]
    text = [f"Changes are in {metric}, positive for the better."] if metric else []
    if costs:
        text.append(f"These runs cost {sum(costs):.4g}.")
    if gained:
        text.append(f"On outcomes they changed {metric} by {sum(gained):+.3g}.")
    yield Section(
        title=f"Cost and change of the runs of {name}",
        text=text,
        headings=("run", "outcome", "version", "CPU-hours", "cost", "change on the holdout", "change on outcomes"),
        rows=[_run(one) for one in found],
    )


def _run(one: RunValue) -> tuple[str, ...]:
    numbers = (number_of(one.cpu_hours), number_of(one.cost), _signed(one.offline), _signed(one.online))
    return (one.run.id, one.run.outcome, one.run.version or ABSENT, *numbers)


def quality_section(name: str, quality: QualityStatus | None) -> Iterator[Section]:
    """Known versions on one holdout, with their trend."""
    if quality is None:
        return
    text = [f"Scores are gains over champion {quality.champion}, on holdout {quality.holdout}."]
    if quality.trend is not None:
        text.append(f"From one version that was handed over to the next, the score changes by {quality.trend:+.2%}.")
    if quality.best is not None:
        text.append(f"Version {quality.best} is better than the champion by the present objective.")
    scored = [(float(place), one.score) for place, one in enumerate(quality.versions) if one.score is not None]
    marks = [(float(place), f"version {one.version}") for place, one in enumerate(quality.versions)]
    yield Section(
        title=f"Versions of {name} on one holdout",
        text=text,
        headings=("version", "outcome", "score", "metrics"),
        rows=[
            (
                one.version,
                one.outcome or ABSENT,
                ABSENT if one.score is None else f"{one.score:+.2%}",
                ", ".join(f"{metric} {value:.4g}" for metric, value in one.metrics.items()),
            )
            for one in quality.versions
        ],
        plot=Plot(title="score by version", points=scored, marks=marks),
    )


def before_after_section(found: BeforeAfter) -> Section:
    """The account of what the loop changed."""
    return Section(
        title="Before and after",
        text=(found.sentence,),
        headings=("time", "days", "in breach", "share", "lost a day", "incidents", "time to recover"),
        rows=[_time("before", found.before), _time("after", found.after)],
    )


def _time(name: str, found: TimeFigures) -> tuple[str, ...]:
    return (
        name,
        f"{found.days:.4g}",
        span(found.breach_seconds),
        f"{found.share_in_breach:.1%}",
        number_of(found.lost_per_day),
        str(found.incidents),
        span(found.seconds_to_recover),
    )


def _signed(value: float | None) -> str:
    return ABSENT if value is None else f"{value:+.4g}"
