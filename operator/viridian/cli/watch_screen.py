"""What `watch` shows: a tree with the shares of the traffic for people, or a line for each change in a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from viridian.cli.model_screen import HEALTH_COLOURS, VERDICT_COLOURS
from viridian.people.model_summary import ModelHealth, ModelSummary
from viridian.people.next_step import next_steps

_BAR: Final = 24
"""Columns of a bar of 100 %."""


def model_tree(models: Sequence[ModelSummary]) -> RenderableType:
    """A tree for each model; a model that is well has one line where there are several."""
    return Group(*(_branches(one, folded=len(models) > 1 and one.health is ModelHealth.WELL) for one in models))


def change_line(model: ModelSummary) -> str:
    """The state of a model in one line, with everything whose change is worth a line."""
    status = model.status
    parts = [f"{model.namespace}/{model.name}", model.health.word]
    parts += [f"{role} {name} {percent} %" for role, name, percent in _shares(model)]
    challenger = status.challenger
    if challenger is not None and challenger.step is not None:
        parts.append(f"step {challenger.step.name}")
    if challenger is not None and challenger.metrics:
        parts.append(", ".join(f"{one.name} {one.verdict}" for one in challenger.metrics))
    if challenger is not None and challenger.waiting_for:
        parts.append(f"waits for {challenger.waiting_for}")
    elif model.about is not None:
        parts.append(model.about.reason)
    return "; ".join(parts)


def _branches(model: ModelSummary, *, folded: bool) -> Tree:
    about, challenger = model.about, model.status.challenger
    heading = Text.assemble(
        (f"{model.namespace}/{model.name}", "bold"), "  ", (model.health.word, HEALTH_COLOURS[model.health])
    )
    if folded:
        return Tree(heading.append(f"  champion {model.champion}"))
    if about is not None:
        heading.append(f"  {about.reason}")
    tree = Tree(heading)
    for role, name, percent in _shares(model):
        branch = tree.add(_bar(role, name, percent))
        if role == "challenger" and challenger is not None:
            for line in _trial(model):
                branch.add(line)
    for step in next_steps(model):
        tree.add(Text.assemble((step.command, "bold"), f"   {step.effect}"))
    return tree


def _trial(model: ModelSummary) -> Iterator[Text]:
    challenger = model.status.challenger
    if challenger is None:
        return
    if challenger.step is not None:
        since = f" since {challenger.step.started_at}" if challenger.step.started_at else ""
        yield Text(f"step {challenger.step.name}{since}")
    for one in challenger.metrics:
        yield Text.assemble(
            f"{one.name} ", (one.verdict, VERDICT_COLOURS.get(one.verdict, "yellow")), f"  {one.message}"
        )
    if challenger.waiting_for:
        yield Text(f"waits for {challenger.waiting_for}")


def _shares(model: ModelSummary) -> Iterator[tuple[str, str, int]]:
    """Role, version, and share of the traffic in percent."""
    status = model.status
    share = status.challenger.weight if status.challenger is not None else 0
    if status.champion is not None:
        yield "champion", model.champion, 100 - share
    if status.challenger is not None:
        yield "challenger", model.challenger, share
    elif status.fallback is not None:
        yield "fallback", status.fallback.version or status.fallback.revision, 0


def _bar(role: str, name: str, percent: int) -> Text:
    full = round(percent * _BAR / 100)
    return Text.assemble(
        f"{role:<10} {name:<8} ", ("█" * full, "blue" if role != "challenger" else "green"),
        ("░" * (_BAR - full), "bright_black"), f" {percent:>3} %",
    )  # fmt: skip
