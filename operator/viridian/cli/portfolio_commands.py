"""Commands for readers: `digest`, `blueprint`, and `diff` of two versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from viridian.api import durations
from viridian.api.child_kinds import child_kind
from viridian.api.names import MODEL_DEPLOYMENT_LABEL
from viridian.cli.cluster_client import (
    MODEL_DEPLOYMENTS,
    RETRAIN_POLICIES,
    ClusterChoice,
    ClusterClient,
    ClusterProblem,
)
from viridian.cli.model_commands import (
    As,
    ContextName,
    EveryNamespace,
    Kubeconfig,
    Name,
    Namespace,
    Selector,
    problems_as_sentences,
)
from viridian.cli.output_formats import PageFormat, TableFormat, TableOrJson
from viridian.cli.report_pages import html, markdown
from viridian.cli.text_tables import table
from viridian.cli.version_diff import UnknownVersion, version_diff
from viridian.core.times import format_time
from viridian.people.blueprint import blueprint
from viridian.people.digest import DigestSection, digest


def add_to(app: typer.Typer) -> None:
    """All commands of this file."""
    app.command("digest")(show_digest)
    app.command("blueprint")(show_blueprint)
    app.command("diff")(show_diff)


def show_digest(
    since: Annotated[str, typer.Option("--since", help="How far back, such as 24h or 14d.")] = "24h",
    by_ticket: Annotated[bool, typer.Option("--by-ticket", help="A section for each ticket.")] = False,
    namespace: Namespace = "",
    everywhere: EveryNamespace = False,
    selector: Selector = "",
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    """What has changed, what is open and what waits for people, as Markdown for a stand-up or a sprint review."""
    try:
        begin = datetime.now(UTC) - durations.parse(since)
    except ValueError as error:
        raise typer.BadParameter(f"--since: {error}") from error
    with problems_as_sentences():
        client = ClusterClient(ClusterChoice(kubeconfig, context, namespace, impersonate))
        place = None if everywhere else client.namespace
        models = list(client.objects(MODEL_DEPLOYMENTS, place, selector))
        policies = list(client.objects(RETRAIN_POLICIES, place, selector))
        typer.echo(digest_page(digest(models, policies, begin, by_ticket=by_ticket), begin))


def show_blueprint(
    name: Name,
    output: Annotated[PageFormat, typer.Option("--output", "-o", help="What is printed.")] = PageFormat.MARKDOWN,
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    """Stages, thresholds, workflow, objective and last review of a model, with the revision of its spec."""
    with problems_as_sentences():
        client = ClusterClient(ClusterChoice(kubeconfig, context, namespace, impersonate))
        model = client.get(MODEL_DEPLOYMENTS, client.namespace, name)
        page = html if output is PageFormat.HTML else markdown
        typer.echo(page(f"Blueprint of {client.namespace}/{name}", blueprint(model, _policies_of(client, name))))


def show_diff(
    name: Name,
    before: Annotated[str, typer.Argument(metavar="V1", help="A version of the registered model.")],
    after: Annotated[str, typer.Argument(metavar="V2", help="Another one.")],
    output: TableOrJson = TableFormat.TABLE,
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    """What differs between two versions: metrics, lineage, image, resources, and what became of them."""
    with problems_as_sentences():
        client = ClusterClient(ClusterChoice(kubeconfig, context, namespace, impersonate))
        resource, selector = child_kind("ControllerRevision").resource, f"{MODEL_DEPLOYMENT_LABEL}={name}"
        records = client.listed(resource, client.namespace, selector)
        try:
            rows = version_diff((before, after), records, _policies_of(client, name))
        except UnknownVersion as problem:
            raise ClusterProblem(str(problem)) from problem
    if output is TableFormat.JSON:
        typer.echo(json.dumps([{"field": field, before: old, after: new} for field, old, new in rows], indent=2))
    elif rows:
        typer.echo(table(("field", f"version {before}", f"version {after}"), rows))
    else:
        typer.echo(f"nothing that is known differs between versions {before} and {after}")


def _policies_of(client: ClusterClient, name: str) -> list[Mapping[str, Any]]:
    """The RetrainPolicies that are about a ModelDeployment."""
    policies = client.objects(RETRAIN_POLICIES, client.namespace)
    return [one for one in policies if one["spec"].get("modelDeployment") == name]


def digest_page(sections: Sequence[DigestSection], since: datetime) -> str:
    """The digest as Markdown."""
    lines = [f"# Since {format_time(since)}"]
    if not sections:
        lines.append("\nNothing has changed, and nothing waits for people.")
    for section in sections:
        lines.append(f"\n## {section.title}\n")
        lines += [f"- {format_time(one.at)} {one.text}" for one in section.changes]
        if section.open:
            lines += ["", "Open:", "", *(f"- {text}" for text in section.open)]
    return "\n".join(lines)
