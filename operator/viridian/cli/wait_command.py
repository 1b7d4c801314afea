"""`wait`: a pipeline goes on when a rollout has ended, and fails when the version was rejected."""

from __future__ import annotations

from time import monotonic
from typing import Annotated, Final

import typer

from viridian.api import durations
from viridian.cli.cluster_client import MODEL_DEPLOYMENTS, ClusterChoice, ClusterClient, ClusterProblem
from viridian.cli.exit_codes import CommandExit
from viridian.cli.model_commands import As, ContextName, Kubeconfig, Name, Namespace, problems_as_sentences
from viridian.cli.watch_screen import change_line
from viridian.people.model_summary import summary
from viridian.people.rollout_end import RolloutEnd, rollout_end

_LOOK_SECONDS: Final = 10
"""How late the end of the time may be seen at the most."""


def wait_for_rollout(
    name: Name,
    timeout: Annotated[str, typer.Option("--timeout", help="How long at the most, such as 30m or 2h.")] = "1h",
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    """Until the newest edit is rolled out, its probation included, with a line for each change.

    Ends with 3 where the version was rejected or nothing goes on without a person, and with 1 when the time is up.
    """
    try:
        seconds = durations.parse(timeout).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(f"--timeout: {error}") from error
    with problems_as_sentences():
        end = _waited(ClusterClient(ClusterChoice(kubeconfig, context, namespace, impersonate)), name, seconds)
    typer.echo(end.sentence, err=not end.serves)
    raise typer.Exit(CommandExit.DONE if end.serves else CommandExit.BROKEN)


def _waited(client: ClusterClient, name: str, seconds: float) -> RolloutEnd:
    """How it has ended; ClusterProblem when the time is up, or the model is not there any more."""
    deadline, line = monotonic() + seconds, ""
    client.get(MODEL_DEPLOYMENTS, client.namespace, name)  # one that is not there is a mistake
    states = client.states(MODEL_DEPLOYMENTS, client.namespace, name=name, at_least_every=_LOOK_SECONDS)
    for state in states:
        manifest = next(iter(state.values()), None)
        if manifest is None:
            raise ClusterProblem(f"{client.namespace}/{name} was deleted")
        model = summary(manifest)
        if (end := rollout_end(model, manifest["metadata"]["generation"])) is not None:
            return end
        if line != (line := change_line(model)):
            typer.echo(line)
        if monotonic() > deadline:
            break
    waits_for = f": {model.about.message}" if model.about is not None else ""
    raise ClusterProblem(f"the rollout of {client.namespace}/{name} has not ended in time{waits_for}")
