"""`explain`: the settings of a RetrainPolicy that are in force, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.workflow import WORKFLOW_DEFAULTS, Workflow, leaves
from viridian.cli.files import UnusableFile, name_of, read_manifests
from viridian.cli.output_formats import TableFormat, TableOrJson
from viridian.cli.text_tables import table
from viridian.retraining.workflow_defaults import WorkflowInForce, effective, in_force, settings, workflow_of

DESCRIPTION: Final = """\
Show every setting of a RetrainPolicy that is in force, and whether it comes from the spec, from its workflow, or
from the default of the schema. Without a file: the workflows side by side.

In an object that was read from a cluster, the API server has written the schema's defaults into the spec.
"""
EPILOG: Final = """\
examples:
  python -m viridian.cli explain
  python -m viridian.cli explain -f churn.yaml
  python -m viridian.cli explain -f churn.yaml --promoted      # once a version serves users
"""
TEMPLATE: Final = "template"


def explain(
    filename: Annotated[
        list[Path] | None, typer.Option("--filename", "-f", metavar="FILE", help="YAML with policies; may be repeated.")
    ] = None,
    promoted: Annotated[
        bool, typer.Option("--promoted", help="As if a version served users: for workflowAfterFirstPromotion.")
    ] = False,
    output: TableOrJson = TableFormat.TABLE,
) -> str:
    if not filename:
        return _workflows(output)
    policies = read_manifests(filename).policies
    if not policies:
        raise UnusableFile("a RetrainPolicy is needed, and the files have none")
    found = [_explained(policy, promoted) for policy in policies]
    if output is TableFormat.JSON:
        return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    return "\n\n".join(map(_shown, found))


def _workflows(output: TableFormat) -> str:
    if output is TableFormat.JSON:
        return msgspec.json.format(msgspec.json.encode(WORKFLOW_DEFAULTS), indent=2).decode()
    columns = {workflow: dict(leaves(defaults)) for workflow, defaults in WORKFLOW_DEFAULTS.items()}
    paths = columns[Workflow.LINEAR]
    rows = [(".".join(path), *(_text(column[path]) for column in columns.values())) for path in paths]
    return table(("setting", *columns), rows)


def _explained(policy: Mapping[str, Any], promoted: bool) -> Mapping[str, Any]:
    spec = policy.get("spec")
    workflow = workflow_of(policy, promoted=promoted)
    try:
        whole = msgspec.to_builtins(msgspec.convert(effective(spec, workflow), RetrainPolicySpec))
    except msgspec.ValidationError as error:
        raise UnusableFile(f"RetrainPolicy {name_of(policy)}: spec: {error}") from error
    written = spec if isinstance(spec, Mapping) else {}
    found = in_force(written, workflow)
    return {
        "name": name_of(policy),
        "workflow": workflow,
        "missing": found.missing if found is not None else {},
        "settings": list(_settings(written, whole, found)),
    }


def _settings(
    written: Mapping[str, Any], whole: Mapping[str, Any], found: WorkflowInForce | None
) -> Iterator[Mapping[str, Any]]:
    from_spec = {path for path, _ in settings(written)}
    for path, value in settings(whole):
        if value in (None, [], (), {}, ""):
            continue
        origin = (
            f"workflow {found.workflow}"
            if found is not None and path in found.defaults
            else "spec"
            if path in from_spec
            else "default"
        )
        if TEMPLATE not in path.split("."):
            yield {"path": path, "value": value, "from": origin}


def _shown(explained: Mapping[str, Any]) -> str:
    rows = [(one["path"], _text(one["value"]), one["from"]) for one in explained["settings"]]
    workflow = explained["workflow"] or "none"
    lines = [f"RetrainPolicy {explained['name']}, workflow {workflow}", table(("setting", "value", "from"), rows)]
    lines += [f"{workflow} expects {path}: {why}" for path, why in explained["missing"].items()]
    return "\n".join(lines)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(one.get("name", one)) if isinstance(one, Mapping) else str(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
