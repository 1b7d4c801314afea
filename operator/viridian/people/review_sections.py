"""Sections of a review that the objects alone hold: what people have decided and when, runs, images, holdouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from viridian.api.retrainpolicy_status import FinishedRun, RetrainPolicyStatus
from viridian.core.lookup import dig, entries, mapping, text
from viridian.core.times import parse_time
from viridian.people.report_section import Section
from viridian.people.report_texts import ABSENT, span

QUESTIONS: Final = (
    "Do the thresholds still fit? Change them in spec.monitoring, or keep them.",
    "Do the objective, the definition of the label and the context still fit the business? Answer fits or changed.",
    "Are there new versions of the images, and tools that are no longer maintained?",
)
OLD: Final = timedelta(days=180)
"""An image that is in use for longer lacks half a year of fixes."""


def image_section(name: str, runs: Sequence[FinishedRun], now: datetime) -> Iterator[Section]:
    """How long training has used its present image, as far as the runs show; `runs` has the newest first."""
    found = _present_image(runs)
    if found is None:
        return
    digest, since = found
    age = now - since
    finding = "build it anew on a present base image" if age >= OLD else "no finding"
    yield Section(
        title=f"Training image of {name}",
        headings=("digest", "in use for at least", "finding"),
        rows=[(digest, span(age.total_seconds()), finding)],
    )


def _present_image(runs: Sequence[FinishedRun]) -> tuple[str, datetime] | None:
    """The digest that trained last, and since when it has trained without another one in between."""
    trained = [(run.lineage.image_digest, run.started_at) for run in runs if run.lineage and run.lineage.image_digest]
    since = None
    for digest, started in trained:
        if digest != trained[0][0]:
            break
        since = parse_time(started) or since
    return (trained[0][0], since) if since is not None else None


def decided_section(
    deployment: Mapping[str, Any], policies: Sequence[Mapping[str, Any]], now: datetime
) -> Iterator[Section]:
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


def run_sections(name: str, status: RetrainPolicyStatus) -> Iterator[Section]:
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
