"""The two kinds as CustomResourceDefinitions.

`python -m viridian.api.crd [folder]` writes them, by default into `crds/`; a test fails when the files there differ.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from viridian.api import cel
from viridian.api.governance import GovernancePolicySpec
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.modeldeployment_status import ModelDeploymentStatus
from viridian.api.names import (
    GOVERNANCE_POLICY,
    GROUP,
    MAX_MODEL_DEPLOYMENT_NAME,
    MAX_RETRAIN_POLICY_NAME,
    MODEL_DEPLOYMENT,
    RETRAIN_POLICY,
    VERSION,
)
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.retrainpolicy_status import RetrainPolicyStatus
from viridian.api.schema import VALIDATIONS, Rule, Struct
from viridian.api.structural import Schema, struct_schema
from viridian.api.workflow import WORKFLOW_PATHS

HEADER: Final = "# Written by `python -m viridian.api.crd` from the types in operator/viridian/api: edit those.\n"
UNSEEN: Final = -1
"""The generation that the status of an object answers which no operator has looked at: none. Who waits by kstatus, such
as Flux, takes an object without any status for one that is as it should be."""


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A column of `kubectl get`; a wide one is shown with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False

    def render(self) -> dict[str, Any]:
        shown = {"name": self.name, "type": self.type, "description": self.description, "jsonPath": self.path}
        return {**shown, "priority": 1} if self.wide else shown


@dataclass(frozen=True, slots=True)
class CustomKind:
    """Everything about a kind that its spec and status do not say."""

    name: str
    plural: str
    short_name: str
    description: str
    spec: type[Struct]
    status: type[Struct] | None
    name_rule: Rule | None
    columns: tuple[PrinterColumn, ...]
    scale: Mapping[str, str] | None = None
    selectable: tuple[str, ...] = ()
    scope: str = "Namespaced"


_READY = PrinterColumn(
    "Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether users are served as they should be."
)
_REASON = PrinterColumn("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not.")
_AGE = PrinterColumn("Age", ".metadata.creationTimestamp", "How long the object has existed.", type="date")

MODEL_DEPLOYMENT_KIND: Final = CustomKind(
    name=MODEL_DEPLOYMENT,
    plural="modeldeployments",
    short_name="md",
    description=(
        "Serves a model: the champion answers the users, a challenger is tried next to it step by step, replaces it "
        "when it keeps the bounds, and loses its traffic the moment it does not."
    ),
    spec=ModelDeploymentSpec,
    status=ModelDeploymentStatus,
    name_rule=cel.object_name(MAX_MODEL_DEPLOYMENT_NAME, "its Services and Deployments are named after it"),
    columns=(
        _READY,
        PrinterColumn("Champion", ".status.champion.version", "Version that serves the users."),
        PrinterColumn("Challenger", ".status.challenger.version", "Version on trial."),
        PrinterColumn("Step", ".status.challenger.step.name", "Step of the rollout."),
        PrinterColumn("Weight", ".status.challenger.weight", "Share of the challenger in percent.", type="integer"),
        _REASON,
        _AGE,
        PrinterColumn("Model", ".spec.model.registry.name", "Registered model.", wide=True),
        PrinterColumn("Slot", ".status.champion.slot", "Slot of the champion.", wide=True),
        PrinterColumn("Revision", ".status.champion.revision", "Revision of the champion.", wide=True),
        PrinterColumn("Challenger revision", ".status.challenger.revision", "Revision of the challenger.", wide=True),
        PrinterColumn("Fallback", ".status.fallback.revision", "Revision that is kept warm.", wide=True),
        PrinterColumn("Waiting for", ".status.challenger.waitingFor", "What has to happen next.", wide=True),
    ),
    scale={
        "specReplicasPath": ".spec.server.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
)

RETRAIN_POLICY_KIND: Final = CustomKind(
    name=RETRAIN_POLICY,
    plural="retrainpolicies",
    short_name="rp",
    description=(
        "Trains the next version of a ModelDeployment's model: says when, with which container, and what a candidate "
        "must show before it is handed to the rollout."
    ),
    spec=RetrainPolicySpec,
    status=RetrainPolicyStatus,
    name_rule=cel.object_name(MAX_RETRAIN_POLICY_NAME, "its Jobs are named after it"),
    columns=(
        PrinterColumn("Ready", _READY.path, "Whether the next run can start when it is due."),
        PrinterColumn("Model", ".spec.modelDeployment", "ModelDeployment whose model is retrained."),
        PrinterColumn("Stage", ".status.activeRun.stage", "Stage of the run at work."),
        PrinterColumn("Last outcome", ".status.lastRun.outcome", "How the newest finished run ended."),
        # Not a date: kubectl shows dates as ages, and this one lies ahead.
        PrinterColumn("Next", ".status.nextScheduled", "When the next run is due."),
        _REASON,
        _AGE,
        PrinterColumn("Run", ".status.activeRun.id", "Run at work.", wide=True),
        PrinterColumn(
            "Last version", ".status.lastRun.version", "Version that came of the newest finished run.", wide=True
        ),
        PrinterColumn("Suspended", ".spec.suspend", "Whether nothing new is started.", type="boolean", wide=True),
    ),
    selectable=(".spec.modelDeployment",),
)

GOVERNANCE_POLICY_KIND: Final = CustomKind(
    name=GOVERNANCE_POLICY,
    plural="governancepolicies",
    short_name="gp",
    description=(
        "What ModelDeployments and RetrainPolicies of the whole cluster must have, by what is at stake. The API server "
        "reads it when such an object is written; the operator does not."
    ),
    spec=GovernancePolicySpec,
    status=None,
    name_rule=None,
    columns=(PrinterColumn("Requirements", ".spec.requirements[*].name", "Names of the requirements."), _AGE),
    scope="Cluster",
)

KINDS: Final = (MODEL_DEPLOYMENT_KIND, RETRAIN_POLICY_KIND)
"""What the operator reconciles."""
DEFINITIONS: Final = (*KINDS, GOVERNANCE_POLICY_KIND)
"""What is installed."""


def render(kind: CustomKind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind, as the API server takes it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "viridian"}},
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short_name],
                # Not in `all`: these objects own what `kubectl get all` lists.
                "categories": ["viridian"],
            },
            "versions": [_version(kind)],
        },
    }


def _version(kind: CustomKind) -> dict[str, Any]:
    version: dict[str, Any] = {"name": VERSION, "served": True, "storage": True}
    version["additionalPrinterColumns"] = [column.render() for column in kind.columns]
    if kind.status is not None:
        version["subresources"] = {"status": {}, **({"scale": dict(kind.scale)} if kind.scale else {})}
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    version["schema"] = {"openAPIV3Schema": root_schema(kind)}
    return version


def root_schema(kind: CustomKind) -> Schema:
    """The schema of the whole object."""
    spec = struct_schema(kind.spec, defaults=True)
    if kind.name == RETRAIN_POLICY:
        for path in WORKFLOW_PATHS:
            _leave_to_workflow(spec, path)
    status = struct_schema(kind.status, defaults=False) if kind.status is not None else None
    schema: Schema = {
        "description": kind.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": f"{GROUP}/{VERSION}.", "type": "string"},
            "kind": {"description": f"{kind.name}.", "type": "string"},
            # Declared for the rule below, which points to it.
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": {"description": "What is wanted; only people and their tools write it.", **spec},
        },
    }
    if status is not None:
        text = "The world as last seen; only the operator writes it."
        status["properties"]["observedGeneration"]["default"] = UNSEEN
        schema["properties"]["status"] = {"description": text, **status, "default": {}}
    if kind.name_rule is not None:
        schema[VALIDATIONS] = [kind.name_rule.render()]
    return schema


def _leave_to_workflow(schema: Schema, path: Sequence[str]) -> None:
    """Take a field's default out of a schema, its parents' included: it comes from the workflow."""
    node = schema
    for place, name in enumerate(path):
        node = node["properties"][name]
        default = node.get("default")
        for part in path[place + 1 : -1]:
            default = default.get(part) if isinstance(default, dict) else None
        if isinstance(default, dict):
            default.pop(path[-1], None)
    value = node.pop("default", None)
    sentence = node["description"].removesuffix(f" Default: {value}.")
    otherwise = f", and {value} without a workflow" if value is not None else ""
    node["description"] = f"{sentence} Default: by spec.workflow{otherwise}."


def to_yaml(manifest: Mapping[str, Any]) -> str:
    """The manifest as a file of this project: stable order, readable text."""
    return HEADER + yaml.dump(dict(manifest), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def files() -> dict[str, str]:
    """What `crds/` holds, by path: in a folder of its own what is installed only with governance."""
    named = {f"{GROUP}_{kind.plural}.yaml": kind for kind in KINDS}
    named[f"governance/{GROUP}_{GOVERNANCE_POLICY_KIND.plural}.yaml"] = GOVERNANCE_POLICY_KIND
    return {path: to_yaml(render(kind)) for path, kind in named.items()}


class _Dumper(yaml.SafeDumper):
    """Repeats what occurs twice, and indents lists."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "crds")
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
