"""`review`: the report for a review of a model, from its objects, its windows and its incidents."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.performance import PerformanceMetric
from viridian.api.retrainpolicy_status import FinishedRun, RetrainPolicyStatus
from viridian.backtest.before_after import NothingToCompare, before_after
from viridian.backtest.history import History, UnusableHistory
from viridian.backtest.review_figures import ReviewFigures, VersionFigures, review_figures
from viridian.cli.age_sections import image_section, tool_section
from viridian.cli.files import UnusableFile, name_of, policy_status, read_manifests
from viridian.cli.history_arguments import add_history, add_objects, amount, history_of, time_or_now
from viridian.cli.report_pages import Plot, Section, html, markdown
from viridian.cli.text_tables import ABSENT, number_of, span, time_of
from viridian.cli.value_sections import (
    PolicyWorth,
    before_after_section,
    policy_worth,
    quality_section,
    run_value_section,
)
from viridian.core.lookup import dig, entries, mapping, text
from viridian.core.times import parse_time

if TYPE_CHECKING:
    from viridian.cli.subcommands import Subparsers

DESCRIPTION: Final = """\
Write the report for a review: thresholds that never fire or always, how long incidents took to be seen and to be over,
versions on their holdouts and on outcomes, runs with their costs, worn holdouts, and the age of what people have
decided. It asks whether thresholds, objective and context still fit.
"""
EPILOG: Final = """\
example:
  kubectl get modeldeployment/churn retrainpolicy/churn -n ml -o yaml --show-managed-fields > churn.yaml
  python -m viridian.cli review -f churn.yaml --windows windows.json --profile profile.json -o html > review.html
"""
QUESTIONS: Final = (
    "Do the thresholds still fit? Change them in spec.monitoring, or keep them.",
    "Do the objective, the definition of the label and the context still fit the business? Answer fits or changed.",
    "Are there new versions of the images, and tools that are no longer maintained?",
)
_DAY: Final = 86_400.0


def add_to(commands: Subparsers) -> None:
    """The arguments of the command."""
    parser = commands.add_parser(
        "review",
        help="the report for a review of a model",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=_answer)
    add_objects(parser, "one ModelDeployment and its RetrainPolicies")
    add_history(parser, required=False)
    parser.add_argument("--metric", type=PerformanceMetric, choices=list(PerformanceMetric), metavar="METRIC")
    parser.add_argument("--now", metavar="TIME", help="the time of the review in RFC 3339; default: now")
    parser.add_argument("--since", metavar="TIME", help="when the loop was closed: what was before and after it")
    parser.add_argument(
        "--value-of-point", type=amount, metavar="AMOUNT", help="what 1.0 of the metric is worth a day, with --since"
    )
    parser.add_argument(
        "--effort", type=amount, default=0.0, metavar="AMOUNT", help="what it took once to close the loop, with --since"
    )
    parser.add_argument(*("-o", "--output"), choices=("markdown", "html"), default="markdown")


def _answer(options: argparse.Namespace) -> str:
    manifests = read_manifests(options.filename)
    name, deployment = manifests.deployment()
    now = time_or_now("--now", options.now)
    sections = [Section(title="Questions", text=QUESTIONS)]
    sections += _ages(manifests.deployments[0], manifests.policies, now)
    sections += tool_section([*manifests.deployments, *manifests.policies], now)
    found = _figures(deployment, history_of(options), options.metric) if options.windows is not None else None
    if found is not None:
        sections += _windows(found)
    values = {name_of(policy): policy_worth(policy, found, options.metric) for policy in manifests.policies}
    for policy in manifests.policies:
        name, status = name_of(policy), policy_status(policy)
        sections += _runs(name, status)
        sections += run_value_section(name, values[name])
        sections += quality_section(name, status.quality)
        sections += image_section(name, status.runs, now)
    if options.since is not None:
        sections.append(_account(found, list(values.values()), options))
    page = html if options.output == "html" else markdown
    return page(f"Review of {name}, {now:%Y-%m-%d}", sections)


# ---- what people have decided


def _ages(deployment: Mapping[str, Any], policies: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[Section]:
    rows = [
        ("champion", text(deployment, "status", "champion", "version"), _age(_since(deployment), now)),
        *_decided(deployment, "context", "f:context", now),
        *_decided(deployment, "monitoring", "f:monitoring", now),
    ]
    for policy in policies:
        rows += _decided(policy, "objective", "f:objective", now)
        rows += [("image", image, ABSENT) for image in _images(policy)]
    headings = ("what", "value", "age")
    yield Section(title="What people have decided", headings=headings, rows=[row for row in rows if row[1]])


def _decided(manifest: Mapping[str, Any], field: str, managed: str, now: datetime) -> Iterator[tuple[str, str, str]]:
    value = mapping(manifest, "spec", field)
    shown = ", ".join(f"{key}: {one}" for key, one in value.items() if not isinstance(one, Mapping | list))
    if value:
        yield field, shown or "set", _age(_written(manifest, managed), now)


def _written(manifest: Mapping[str, Any], managed: str) -> datetime | None:
    """When the field was last written, as the API server keeps it; else when the object was made."""
    times = (
        parse_time(text(entry, "time"))
        for entry in entries(manifest, "metadata", "managedFields")
        if dig(entry, "fieldsV1", "f:spec", managed) is not None
    )
    known = [at for at in times if at is not None]
    return max(known) if known else parse_time(text(manifest, "metadata", "creationTimestamp"))


def _since(deployment: Mapping[str, Any]) -> datetime | None:
    return parse_time(text(deployment, "status", "champion", "since"))


def _age(since: datetime | None, now: datetime) -> str:
    return span((now - since).total_seconds()) if since is not None else ABSENT


def _images(policy: Mapping[str, Any]) -> Iterator[str]:
    for stage in mapping(policy, "spec", "stages").values():
        for container in entries(stage, "template", "spec", "containers"):
            yield text(container, "image")


# ---- what the windows show


def _figures(deployment: ModelDeploymentSpec, history: History, metric: PerformanceMetric | None) -> ReviewFigures:
    try:
        return review_figures(deployment, history, metric)
    except UnusableHistory as problem:
        raise UnusableFile(str(problem)) from problem


def _windows(found: ReviewFigures) -> Iterator[Section]:
    yield _thresholds(found)
    if found.incidents:
        yield _incidents(found)
    yield _versions(found)


def _thresholds(found: ReviewFigures) -> Section:
    rows = [
        (
            one.monitor,
            f"{one.fired} of {one.judged}",
            str(one.false_alarms),
            span(one.breach_seconds),
            one.finding or "no finding",
        )
        for one in found.thresholds
    ]
    return Section(
        title="Thresholds",
        text=(f"{time_of(found.start)} to {time_of(found.end)}.",),
        headings=("monitor", "fired in windows", "false alarms", "time in breach", "finding"),
        rows=rows,
    )


def _incidents(found: ReviewFigures) -> Section:
    rows = [
        (
            one.incident.name,
            one.incident.cause or ABSENT,
            one.detected_by or "nobody",
            span(one.seconds_to_detect),
            span(one.seconds_to_mitigate),
            span(one.seconds_to_recover),
        )
        for one in found.incidents
    ]
    headings = ("incident", "cause", "seen by", "time to detect", "to another version", "to recover")
    return Section(title="Incidents", headings=headings, rows=rows)


def _versions(found: ReviewFigures) -> Section:
    lost = found.lost_in_breach
    summary = () if lost is None else (f"Lost in windows that fired: {lost:.3g} of {found.metric} times days.",)
    headings = ("version", "windows", "on the holdout", "on outcomes", "distance", "labels")
    marks: list[tuple[float, str]] = []
    for point in found.points:
        if not marks or marks[-1][1] != f"version {point.version}":
            marks.append((point.start, f"version {point.version}"))
    spans = [
        (
            one.incident.start.timestamp(),
            (one.incident.end.timestamp() if one.incident.end else found.end),
            one.incident.name,
        )
        for one in found.incidents
    ]
    return Section(
        title=f"Versions, by {found.metric}",
        text=summary,
        headings=headings,
        rows=[_version(one) for one in found.versions],
        plot=Plot(
            title=f"{found.metric} by window",
            points=[(point.start, point.value) for point in found.points],
            marks=marks,
            spans=spans,
        ),
    )


def _version(one: VersionFigures) -> tuple[str, ...]:
    shown = map(number_of, (one.offline, one.online, one.distance))
    return (one.version, str(one.windows), *shown, str(one.labelled))


# ---- what was spent


def _runs(name: str, status: RetrainPolicyStatus) -> Iterator[Section]:
    if not status.runs:
        return
    hours = sum(run.cpu_seconds or 0.0 for run in status.runs) / 3600.0
    cost = f", which cost {status.budget.cost:g}" if status.budget is not None and status.budget.cost else ""
    rejected = sum(run.outcome == "Rejected" for run in status.runs)
    yield Section(
        title=f"Runs of {name}",
        text=(f"The newest {len(status.runs)} runs took {hours:.3g} CPU-hours{cost}; {rejected} were rejected.",),
        headings=("finished", "outcome", "version", "metrics", "CPU-hours"),
        rows=[_run(run) for run in status.runs],
    )
    if worn := _worn(status.runs):
        headings = ("holdout", "candidates judged on it")
        text = ("A holdout that is asked again and again says less each time: freeze another one.",)
        yield Section(title=f"Holdouts of {name}", text=text, headings=headings, rows=worn)


def _account(found: ReviewFigures | None, values: Sequence[PolicyWorth], options: argparse.Namespace) -> Section:
    if found is None:
        raise UnusableFile("--since needs --windows: before and after are compared by their windows")
    since = time_or_now("--since", options.since)
    spent = sum(worth.spent_since(since) for worth in values)
    given = {"cost_of_runs": spent, "effort": options.effort, "value_of_point": options.value_of_point}
    try:
        return before_after_section(before_after(found, since.timestamp(), **given))
    except NothingToCompare as problem:
        raise UnusableFile(f"--since {options.since}: {problem}") from problem


def _run(run: FinishedRun) -> tuple[str, ...]:
    metrics = ", ".join(f"{key} {value:.4g}" for key, value in sorted(run.metrics.items())[:3])
    hours = ABSENT if run.cpu_seconds is None else f"{run.cpu_seconds / 3600.0:.3g}"
    return (run.finished_at or ABSENT, run.outcome, run.version or ABSENT, metrics or ABSENT, hours)


def _worn(runs: Sequence[FinishedRun]) -> list[tuple[str, str]]:
    asked: dict[str, int] = {}
    for run in runs:
        if run.holdout and run.holdout_asked:
            asked[run.holdout] = max(asked.get(run.holdout, 0), run.holdout_asked)
    return [(holdout, str(count)) for holdout, count in sorted(asked.items())]
