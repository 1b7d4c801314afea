"""The CEL rules of stages that an object of another kind does the work of."""

from __future__ import annotations

from typing import Final

from viridian.api.schema import Rule

_STEP: Final = r"[.][A-Za-z0-9_]{1,63}(\\[[A-Za-z0-9_]{1,63}=[A-Za-z0-9_.-]{1,63}\\])?"


def _path(root: str, example: str) -> Rule:
    return Rule(
        rule=f"self.matches('^{root}({_STEP}){{1,8}}$')",
        message=f"write a path that begins with {root}, such as {example}",
    )


STATUS_PATH: Final = _path("status", "status.jobStatus or status.conditions[type=Complete].status")
SPEC_PATH: Final = _path("spec", "spec.trainer.env or spec.templates[name=train].container.env")
GROUPED: Final = Rule(
    rule="self.apiVersion.matches('^[a-z0-9.-]+/[a-z0-9]+$') && !(self.apiVersion in ['batch/v1', 'apps/v1'])",
    message="write a kind that works to an end and has a group of its own, such as apiVersion: ray.io/v1, kind: "
    "RayJob; a Job of Kubernetes is written as template: {spec: …} in the place of resource",
)
# Before 1.31 an API server knows a field with the name of a reserved word by its escaped name alone.
NAMELESS: Final = Rule(
    rule="!has(self.metadata) || !(has(self.metadata.name) || has(self.metadata.__namespace__) || "
    "has(self.metadata.generateName))",
    message="leave name and namespace out of the manifest: each run makes an object of its own, in the namespace of "
    "the RetrainPolicy",
    field_path=".metadata",
)
WORK_IS_ONE: Final = Rule(
    rule="has(self.template) != has(self.resource)",
    message="a stage needs exactly one thing to run: template: {spec: {containers: [{name: train, image: "
    "ghcr.io/acme/churn-train:1.4}]}}, or resource: {manifest: …}; or remove the stage",
)
OF_PODS_ALONE: Final = Rule(
    rule="!has(self.resource) || !self.spot",
    message="spot belongs to template: write tolerations and affinity into the pod templates of resource.manifest",
)
