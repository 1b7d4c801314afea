"""Commands about RetrainPolicies: `train`, and what becomes of a run that waits for a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from viridian.cli import policy_orders
from viridian.cli.cluster_client import RETRAIN_POLICIES, ClusterChoice, ClusterClient
from viridian.cli.exit_codes import CommandExit
from viridian.cli.model_commands import As, ContextName, DryRun, Kubeconfig, Namespace, problems_as_sentences
from viridian.people.person_orders import NothingToOrder, PersonOrder

Name = Annotated[str, typer.Argument(help="Name of the RetrainPolicy.")]
Run = Annotated[str, typer.Argument(help="Id of the run; not needed where only one waits.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the record of the run.")]
RunOrder = Callable[[Mapping[str, Any], str, str, str], PersonOrder]


def add_to(app: typer.Typer) -> None:
    """All commands of this file."""
    app.command("train", help=policy_orders.train.__doc__)(start_training)
    app.command("accept", help=policy_orders.accept.__doc__)(_deciding(policy_orders.accept))
    app.command("dismiss", help=policy_orders.dismiss.__doc__)(_deciding(policy_orders.dismiss))


def start_training(
    name: Name,
    namespace: Namespace = "",
    dry_run: DryRun = False,
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    _carry_out(
        ClusterChoice(kubeconfig, context, namespace, impersonate),
        name,
        dry_run,
        lambda policy, user: policy_orders.train(policy, user, datetime.now(UTC)),
    )


def _deciding(order: RunOrder) -> Callable[..., None]:
    def command(
        name: Name,
        run: Run = "",
        reason: Reason = "",
        namespace: Namespace = "",
        dry_run: DryRun = False,
        kubeconfig: Kubeconfig = "",
        context: ContextName = "",
        impersonate: As = "",
    ) -> None:
        _carry_out(
            ClusterChoice(kubeconfig, context, namespace, impersonate),
            name,
            dry_run,
            lambda policy, user: order(policy, run, reason, user),
        )

    return command


def _carry_out(
    choice: ClusterChoice, name: str, dry_run: bool, order: Callable[[Mapping[str, Any], str], PersonOrder]
) -> None:
    with problems_as_sentences():
        client = ClusterClient(choice)
        policy = client.get(RETRAIN_POLICIES, client.namespace, name)
        try:
            found = order(policy, client.user())
        except NothingToOrder as why:
            typer.echo(str(why), err=True)
            raise typer.Exit(CommandExit.NOTHING_TO_DO) from why
        client.patch(RETRAIN_POLICIES, policy, found.patch, dry_run=dry_run)
        typer.echo(f"{found.sentence}{' (dry run)' if dry_run else ''}")
