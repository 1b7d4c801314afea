"""Commands about the models of a cluster: `list`, `get`, `why`, `history`, and the orders of people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import msgspec
import typer
import yaml
from rich.console import Console

from viridian.cli import model_screen
from viridian.cli.cluster_client import MODEL_DEPLOYMENTS, ClusterChoice, ClusterClient, ClusterProblem
from viridian.cli.exit_codes import CommandExit
from viridian.cli.output_formats import ObjectFormat
from viridian.people import person_orders
from viridian.people.model_summary import ModelHealth, ModelSummary, most_urgent_first, summary
from viridian.people.person_orders import NothingToOrder, PersonOrder
from viridian.rollout.skip_order import SKIPPED_BY_NAME

Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace; by default the one of the context.")]
EveryNamespace = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Models of all namespaces.")]
Selector = Annotated[str, typer.Option("--selector", "-l", help="Labels, such as team=credit.")]
Output = Annotated[ObjectFormat, typer.Option("--output", "-o", help="What is printed.")]
Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="File; by default as for kubectl.", envvar="KUBECONFIG")]
ContextName = Annotated[str, typer.Option("--context", help="Context of the kubeconfig.")]
Check = Annotated[bool, typer.Option("--check", help="Exit with 3 where a model is broken.")]
As = Annotated[str, typer.Option("--as", help="User to impersonate.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Let the API server check it, and write nothing.")]
Name = Annotated[str, typer.Argument(help="Name of the ModelDeployment.")]
OneOrSelected = Annotated[str, typer.Argument(help="Name of the ModelDeployment; none with --selector.")]

_PLAIN: Final = 10_000
"""Columns where nobody looks: a pipe gets whole lines."""


def console() -> Console:
    """Coloured and as wide as the terminal, or plain text for a pipe."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=_PLAIN, no_color=True, highlight=False)


def add_to(app: typer.Typer) -> None:
    """All commands of this file."""
    app.command("list")(list_models)
    app.command("get")(get_model)
    app.command("why")(explain_model)
    app.command("history")(show_history)
    for verb, order in person_orders.WITHOUT_MORE.items():
        app.command(verb, help=order.__doc__)(_ordering(order))
    app.command("rollback", help=person_orders.rollback.__doc__)(roll_back)
    app.command("skip", help=person_orders.skip.__doc__)(skip_step)
    app.command("pause", help=person_orders.pause.__doc__)(_ordering(lambda model, _: person_orders.pause(model)))
    app.command("resume", help=person_orders.resume.__doc__)(_ordering(lambda model, _: person_orders.resume(model)))


def list_models(
    namespace: Namespace = "",
    everywhere: EveryNamespace = False,
    selector: Selector = "",
    output: Output = ObjectFormat.TABLE,
    check: Check = False,
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    """All models, the broken ones first."""
    with problems_as_sentences():
        client = ClusterClient(ClusterChoice(kubeconfig, context, namespace, impersonate))
        manifests = list(client.objects(MODEL_DEPLOYMENTS, None if everywhere else client.namespace, selector))
    found = most_urgent_first([summary(one) for one in manifests])
    if output in (ObjectFormat.JSON, ObjectFormat.YAML):
        _print_data(output, manifests)
    elif not found:
        typer.echo(
            "there is no ModelDeployment" + ("" if everywhere else f" in {client.namespace}; -A: all namespaces")
        )
    else:
        console().print(model_screen.model_list(found, namespaces=everywhere, wide=output is ObjectFormat.WIDE))
    if check:
        _end_with(found)


def get_model(
    name: Name,
    namespace: Namespace = "",
    output: Output = ObjectFormat.TABLE,
    check: Check = False,
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    """One screen of one model: shares, step, verdicts, what it waits for, and what would move it on."""
    manifest, model = _read(ClusterChoice(kubeconfig, context, namespace, impersonate), name)
    if output in (ObjectFormat.JSON, ObjectFormat.YAML):
        _print_data(output, manifest)
    else:
        console().print(model_screen.model_screen(model))
    if check:
        _end_with([model])


def explain_model(
    name: Name, namespace: Namespace = "", kubeconfig: Kubeconfig = "", context: ContextName = "", impersonate: As = ""
) -> None:
    """The present decision in sentences, with its figures and with what a person could do."""
    _, model = _read(ClusterChoice(kubeconfig, context, namespace, impersonate), name)
    console().print(model_screen.why(model))


def show_history(
    name: Name, namespace: Namespace = "", kubeconfig: Kubeconfig = "", context: ContextName = "", impersonate: As = ""
) -> None:
    """Who became champion or lost that when, and by whom."""
    _, model = _read(ClusterChoice(kubeconfig, context, namespace, impersonate), name)
    console().print(model_screen.history(model.status.history))


def roll_back(
    name: Name,
    to: Annotated[str, typer.Option("--to", help="Former champion, by version or revision.")] = "",
    namespace: Namespace = "",
    dry_run: DryRun = False,
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    _carry_out(
        ClusterChoice(kubeconfig, context, namespace, impersonate),
        name,
        "",
        dry_run,
        lambda m, user: person_orders.rollback(m, to, user),
    )


def skip_step(
    name: Name,
    steps: Annotated[
        list[str], typer.Argument(metavar="STEP…", help=f"Names of steps, or of checks: {', '.join(SKIPPED_BY_NAME)}.")
    ],
    namespace: Namespace = "",
    dry_run: DryRun = False,
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    _carry_out(
        ClusterChoice(kubeconfig, context, namespace, impersonate),
        name,
        "",
        dry_run,
        lambda m, user: person_orders.skip(m, steps, user),
    )


def _ordering(order: Callable[[ModelSummary, str], PersonOrder]) -> Callable[..., None]:
    def command(
        name: OneOrSelected = "",
        namespace: Namespace = "",
        selector: Selector = "",
        dry_run: DryRun = False,
        kubeconfig: Kubeconfig = "",
        context: ContextName = "",
        impersonate: As = "",
    ) -> None:
        _carry_out(ClusterChoice(kubeconfig, context, namespace, impersonate), name, selector, dry_run, order)

    return command


def _carry_out(
    context: ClusterChoice, name: str, selector: str, dry_run: bool, order: Callable[[ModelSummary, str], PersonOrder]
) -> None:
    """The order about one model, or about each that the selector names; one that makes no sense stops no other."""
    if bool(name) == bool(selector):
        raise typer.BadParameter("name one ModelDeployment, or choose several with --selector")
    nothing = 0
    with problems_as_sentences():
        client = ClusterClient(context)
        chosen = (
            [client.get(MODEL_DEPLOYMENTS, client.namespace, name)]
            if name
            else list(client.objects(MODEL_DEPLOYMENTS, client.namespace, selector))
        )
        user = client.user()
        for manifest in chosen:
            try:
                found = order(summary(manifest), user)
            except NothingToOrder as why:
                typer.echo(str(why), err=True)
                nothing += 1
                continue
            client.patch(MODEL_DEPLOYMENTS, manifest, found.patch, dry_run=dry_run)
            typer.echo(f"{found.sentence}{' (dry run)' if dry_run else ''}")
    if not chosen:
        typer.echo(f"no ModelDeployment in {client.namespace} has the labels {selector}", err=True)
    raise typer.Exit(CommandExit.NOTHING_TO_DO if nothing == len(chosen) else CommandExit.DONE)


def _read(context: ClusterChoice, name: str) -> tuple[Mapping[str, Any], ModelSummary]:
    with problems_as_sentences():
        client = ClusterClient(context)
        manifest = client.get(MODEL_DEPLOYMENTS, client.namespace, name)
        return manifest, summary(manifest)


@contextmanager
def problems_as_sentences() -> Iterator[None]:
    """Every problem becomes one sentence and an exit code."""
    try:
        yield
    except ClusterProblem as problem:
        typer.echo(f"error: {problem}", err=True)
        raise typer.Exit(CommandExit.FAILED) from problem
    except msgspec.ValidationError as problem:
        typer.echo(f"error: the object is of another release: {problem}", err=True)
        raise typer.Exit(CommandExit.FAILED) from problem


def _print_data(output: ObjectFormat, value: Any) -> None:
    typer.echo(json.dumps(value, indent=2) if output is ObjectFormat.JSON else yaml.safe_dump(value, sort_keys=False))


def _end_with(models: Sequence[ModelSummary]) -> None:
    broken = any(one.health is ModelHealth.BROKEN for one in models)
    raise typer.Exit(CommandExit.BROKEN if broken else CommandExit.DONE)
