"""`review`: the report for a review of a model, from its objects, its windows and its incidents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.performance import PerformanceMetric
from viridian.backtest.before_after import NothingToCompare, before_after
from viridian.backtest.history import History, UnusableHistory
from viridian.backtest.review_figures import ReviewFigures, VersionFigures, review_figures
from viridian.cli.files import UnusableFile, name_of, policy_spec, read_manifests
from viridian.cli.history_arguments import WINDOWS, IncidentFile, Objects, Profiles, amount, stored_history, time_or_now
from viridian.cli.output_formats import PageFormat
from viridian.cli.report_pages import html, markdown
from viridian.cli.text_tables import time_of
from viridian.cli.tool_section import tool_section
from viridian.people.policy_objects import known_status
from viridian.people.report_section import Plot, Section
from viridian.people.report_texts import ABSENT, number_of, span
from viridian.people.review_sections import QUESTIONS, decided_section, image_section, run_sections
from viridian.people.value_sections import (
    PolicyWorth,
    before_after_section,
    policy_worth,
    quality_section,
    run_value_section,
)

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


def write_review(
    filename: Objects,
    windows: Annotated[Path | None, WINDOWS] = None,
    profile: Profiles = [],  # noqa: B006 - typer copies it
    incidents: IncidentFile = None,
    metric: Annotated[PerformanceMetric | None, typer.Option(help="The figure of the model that counts.")] = None,
    now: Annotated[str | None, typer.Option(metavar="TIME", help="Of the review, in RFC 3339; else now.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="When the loop was closed: what was before and after it.")
    ] = None,
    value_of_point: Annotated[
        float | None,
        typer.Option(metavar="AMOUNT", help="What 1.0 of the metric is worth a day, with --since.", parser=amount),
    ] = None,
    effort: Annotated[
        float | None,
        typer.Option(metavar="AMOUNT", help="What it took once to close the loop, with --since.", parser=amount),
    ] = None,
    output: Annotated[PageFormat, typer.Option("--output", "-o", help="What is written.")] = PageFormat.MARKDOWN,
) -> str:
    manifests = read_manifests(filename)
    name, deployment = manifests.deployment()
    at = time_or_now("--now", now)
    sections = [Section(title="Questions", text=QUESTIONS)]
    sections += decided_section(manifests.deployments[0], manifests.policies, at)
    sections += tool_section([*manifests.deployments, *manifests.policies], at)
    found = None
    if windows is not None:
        found = _figures(deployment, stored_history(windows, profile, incidents), metric)
    if found is not None:
        sections += _windows(found)
    values = {
        name_of(policy): policy_worth(policy_spec(policy), known_status(policy), found, metric)
        for policy in manifests.policies
    }
    for policy in manifests.policies:
        name, status = name_of(policy), known_status(policy)
        sections += run_sections(name, status)
        sections += run_value_section(name, values[name])
        sections += quality_section(name, status.quality)
        sections += image_section(name, status.runs, at)
    if since is not None:
        sections.append(_account(found, list(values.values()), since, effort or 0.0, value_of_point))
    page = html if output is PageFormat.HTML else markdown
    return page(f"Review of {name}, {at:%Y-%m-%d}", sections)


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


def _account(
    found: ReviewFigures | None, values: Sequence[PolicyWorth], loop_closed: str, effort: float, value: float | None
) -> Section:
    if found is None:
        raise UnusableFile("--since needs --windows: before and after are compared by their windows")
    since = time_or_now("--since", loop_closed)
    spent = sum(worth.spent_since(since) for worth in values)
    try:
        account = before_after(found, since.timestamp(), cost_of_runs=spent, effort=effort, value_of_point=value)
    except NothingToCompare as problem:
        raise UnusableFile(f"--since {loop_closed}: {problem}") from problem
    return before_after_section(account)
