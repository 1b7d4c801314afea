"""The defaults of a workflow beneath what a person wrote: the settings in force, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from viridian.api.workflow import EXPECTED, WORKFLOW_DEFAULTS, Workflow, leaves
from viridian.core.lookup import text

_NONE: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class WorkflowInForce:
    """A workflow, and what of its defaults counts."""

    workflow: Workflow
    defaults: Mapping[str, Any]
    """By path below `spec`, such as `budget.cooldown`: what the spec leaves out."""
    missing: Mapping[str, str]
    """What it expects and the spec lacks, by path below `spec`, and what that is for."""


def workflow_of(policy: Mapping[str, Any], *, promoted: bool) -> Workflow | None:
    """The workflow of a policy as it was read; `promoted`: a version of the model serves users, or has done so."""
    later = text(policy, "spec", "workflowAfterFirstPromotion") if promoted else ""
    name = later or text(policy, "spec", "workflow")
    return next((workflow for workflow in Workflow if workflow.value == name), None)


def in_force(spec: Mapping[str, Any], workflow: Workflow | None) -> WorkflowInForce | None:
    """What the workflow sets for a spec as it was read."""
    if workflow is None:
        return None
    taken = {".".join(path): value for path, value in leaves(WORKFLOW_DEFAULTS[workflow]) if not _has(spec, path)}
    missing = {".".join(path): why for path, why in EXPECTED[workflow].items() if not _has(spec, path)}
    return WorkflowInForce(workflow, taken, missing)


def effective(spec: Any, workflow: Workflow | None) -> Any:
    """The spec as it was read, with the defaults of the workflow beneath it."""
    return _beneath(spec, WORKFLOW_DEFAULTS.get(workflow, _NONE) if workflow is not None else _NONE)


def _beneath(written: Any, defaults: Any) -> Any:
    if not isinstance(defaults, Mapping) or not isinstance(written, Mapping):
        return written
    merged = {name: _beneath(value, defaults.get(name)) for name, value in written.items() if value is not None}
    return {**defaults, **merged}


def _has(spec: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        spec = spec.get(name) if isinstance(spec, Mapping) else None
    return spec is not None


def settings(spec: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Path and value of each field of a spec; lists are values."""
    for name, value in spec.items():
        if isinstance(value, Mapping) and value:
            yield from settings(value, (*path, name))
        else:
            yield ".".join((*path, name)), value
