"""`watch`: models as they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from viridian.cli.cluster_client import MODEL_DEPLOYMENTS, ClusterChoice, ClusterClient
from viridian.cli.model_commands import (
    As,
    ContextName,
    EveryNamespace,
    Kubeconfig,
    Namespace,
    Selector,
    console,
    problems_as_sentences,
)
from viridian.cli.watch_screen import change_line, model_tree
from viridian.core.times import format_time
from viridian.people.model_summary import ModelSummary, most_urgent_first, summary


def watch_models(
    name: Annotated[str, typer.Argument(help="Name of the ModelDeployment; none: all of the namespace.")] = "",
    namespace: Namespace = "",
    everywhere: EveryNamespace = False,
    selector: Selector = "",
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    """Models as they change, with the shares of their traffic, until Ctrl-C. A pipe gets a line for each change."""
    if name and (everywhere or selector):
        raise typer.BadParameter("name one ModelDeployment, or choose several with --selector or -A")
    with problems_as_sentences():
        client = ClusterClient(ClusterChoice(kubeconfig, context, namespace, impersonate))
        place = None if everywhere else client.namespace
        if name:
            client.get(MODEL_DEPLOYMENTS, client.namespace, name)  # one that is not there is a mistake
        changes = _summaries(client.states(MODEL_DEPLOYMENTS, place, name=name, selector=selector))
        changes = _until_gone(changes) if name else changes
        terminal = console()
        try:
            _show_tree(changes, terminal) if terminal.is_terminal else _print_lines(changes)
        except KeyboardInterrupt:
            return


def _summaries(states: Iterator[Mapping[str, Mapping[str, Any]]]) -> Iterator[list[ModelSummary]]:
    for state in states:
        yield most_urgent_first([summary(one) for one in state.values()])


def _until_gone(changes: Iterator[list[ModelSummary]]) -> Iterator[list[ModelSummary]]:
    """The states of one model, up to the one in which it is deleted."""
    for models in changes:
        yield models
        if not models:
            return


def _show_tree(changes: Iterator[list[ModelSummary]], terminal: Console) -> None:
    with Live(console=terminal, auto_refresh=False) as live:
        for models in changes:
            live.update(model_tree(models), refresh=True)


def _print_lines(changes: Iterator[list[ModelSummary]]) -> None:
    lines: dict[str, str] = {}
    for models in changes:
        lines = _print_changes(models, lines)


def _print_changes(models: Sequence[ModelSummary], before: Mapping[str, str]) -> dict[str, str]:
    """Prints what is new, and returns the lines of now."""
    now = {f"{one.namespace}/{one.name}": change_line(one) for one in models}
    at = format_time(datetime.now(UTC))
    for key, line in now.items():
        if before.get(key) != line:
            typer.echo(f"{at} {line}")
    for key in before:
        if key not in now:
            typer.echo(f"{at} {key}; deleted")
    return now
