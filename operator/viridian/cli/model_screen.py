"""What is printed of models: a list, one screen of one model, why it is as it is, and its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from viridian.api.modeldeployment_status import HistoryEntry, MetricStatus
from viridian.api.texts import introduced
from viridian.judgement.canary import CanaryVerdict
from viridian.people.model_summary import ModelHealth, ModelSummary
from viridian.people.next_step import next_steps
from viridian.people.slot_roles import slot_roles

HEALTH_COLOURS: Final = {
    ModelHealth.BROKEN: "red",
    ModelHealth.NEEDS_A_PERSON: "yellow",
    ModelHealth.ROLLING_OUT: "cyan",
    ModelHealth.WELL: "green",
}
VERDICT_COLOURS: Final[Mapping[str, str]] = {CanaryVerdict.PASS: "green", CanaryVerdict.BREACH: "red"}
_BAR: Final = 30
"""Columns of the bar that shows a share of the traffic."""


def model_list(models: Sequence[ModelSummary], *, namespaces: bool, wide: bool) -> RenderableType:
    """One line each, in the order that is given."""
    table = _table(*(["namespace"] if namespaces else []), "name", "health", "champion", "challenger", "step", "reason")
    if wide:
        table.add_column("MESSAGE", overflow="fold")
    for model in models:
        about = model.about
        cells: list[RenderableType] = [
            model.name,
            Text(model.health.word, HEALTH_COLOURS[model.health]),
            model.champion,
            model.challenger,
        ]
        cells += [model.step, about.reason if about is not None else ""]
        more = [about.message if about is not None else ""] if wide else []
        table.add_row(*([model.namespace] if namespaces else []), *cells, *more)
    return table


def model_screen(model: ModelSummary) -> RenderableType:
    """Slots with their shares, the step, the verdicts, what is waited for, and what would move it on."""
    return Group(*_screen(model))


def _screen(model: ModelSummary) -> Iterator[RenderableType]:
    status, about = model.status, model.about
    yield Text.assemble(
        (f"{model.namespace}/{model.name}", "bold"), "  ", (model.health.word, HEALTH_COLOURS[model.health])
    )
    if about is not None:
        yield Text(f"{about.reason}: {about.message}" if about.message else about.reason)
    yield Text()
    yield _slots(model)
    challenger = status.challenger
    if challenger is not None and challenger.waiting_for:
        yield Text(f"\nwaits for {challenger.waiting_for}")
    if challenger is not None and challenger.metrics:
        yield Text()
        yield _metrics(challenger.metrics)
    for alarm in status.conditions:
        if (
            alarm.status == "True"
            and alarm.type not in ("Ready", "Reconciling")
            and alarm is not about
            and _is_bad(alarm.type)
        ):
            yield Text(f"\n{alarm.type}: {alarm.message}", "yellow")
    steps = next_steps(model)
    if steps:
        yield Text()
        yield from (Text.assemble((step.command, "bold"), f"   {step.effect}") for step in steps)


def why(model: ModelSummary) -> RenderableType:
    """The decision in sentences: what is decided, on which figures, and what would have had to differ."""
    status = model.status
    lines = [f"{one.type} is {one.status} ({one.reason}): {one.message}" for one in status.conditions if one.message]
    if status.challenger is not None and status.challenger.waiting_for:
        lines.append(f"Version {model.challenger} waits for {status.challenger.waiting_for}.")
        lines += [introduced(one.name, one.message) for one in status.challenger.metrics if one.message]
    if status.next is not None:
        newer = status.next.version or status.next.revision
        lines.append(f"Version {newer} waits for {status.next.waiting_for}.")
    if status.last_rollback is not None:
        back = status.last_rollback
        took = f", {back.seconds:g} s after the breach was seen" if back.seconds is not None else ""
        lines.append(f"The traffic went from {back.from_} to {back.to} at {back.reverted_at}{took}: {back.reason}.")
    lines += [
        f"Version {one.version or one.revision} is not tried again since {one.at}: {one.message}"
        for one in status.rejected
    ]
    lines += [f"`{step.command}` {step.effect}." for step in next_steps(model)]
    return Text("\n".join(lines))


def history(entries: Sequence[HistoryEntry]) -> RenderableType:
    """Decisions, newest first."""
    table = _table("at", "version", "revision", "outcome", "by")
    for one in entries:
        table.add_row(one.at, one.version or "", one.revision, one.outcome, one.by)
    return table


def _slots(model: ModelSummary) -> RenderableType:
    table = _table("slot", "role", "version", "revision", "share", "")
    for one in slot_roles(model.status):
        bar = ProgressBar(total=100, completed=one.share, width=_BAR)
        table.add_row(one.slot, one.role, one.version, one.revision, f"{one.share} %", bar)
    return table


def _metrics(metrics: Sequence[MetricStatus]) -> RenderableType:
    table = _table("metric", "verdict", "value", "champion", "samples", "evidence")
    for one in metrics:
        colour = VERDICT_COLOURS.get(one.verdict, "yellow")
        table.add_row(
            one.name, Text(one.verdict, colour), _number(one.value), _number(one.champion), str(one.samples),
            _number(one.evidence),
        )  # fmt: skip
    return table


def _is_bad(type_: str) -> bool:
    return type_ not in ("ModelResolved", "ChallengerHealthy", "RollbackReady", "Monitored")


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="")
    for heading in headings:
        table.add_column(heading.upper(), no_wrap=True)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
