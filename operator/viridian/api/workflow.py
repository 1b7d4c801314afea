"""Workflows: named sets of defaults for a RetrainPolicy. They are values, and decide nothing by themselves.

A field that stands here has no default in the schema. So the API server writes none into the object, and what is in the
object is what a person wrote. `viridian.retraining.workflow_defaults` puts the workflow's defaults beneath that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from viridian.api.schema import Rule, Struct, doc, word


class Workflow(StrEnum):
    """How a team works on a model."""

    LINEAR = "Linear"
    """Stage after stage, seldom, and nothing goes on without a person."""
    ITERATIVE = "Iterative"
    """Again and again, by the calendar and by what monitors find."""
    AGILE = "Agile"
    """In small steps, with each batch of data."""


WORKFLOW_DEFAULTS: Final[Mapping[Workflow, Mapping[str, Any]]] = {
    Workflow.LINEAR: {
        "mode": "Recommend",
        "gate": {"approval": "Required"},
        "budget": {"cooldown": "7d", "maxRuns": 4, "maxHandOvers": 2, "cpuHours": 20.0},
        "defaultResources": {"cpu": "500m", "memory": "4Gi"},
        "circuitBreaker": {"rejectedInARow": 1},
    },
    Workflow.ITERATIVE: {
        "mode": "Automatic",
        "gate": {"approval": "Auto"},
        "budget": {"cooldown": "1d", "maxRuns": 10, "maxHandOvers": 6, "cpuHours": 100.0},
        "defaultResources": {"cpu": "1", "memory": "8Gi"},
        "circuitBreaker": {"rejectedInARow": 3},
    },
    Workflow.AGILE: {
        "mode": "Automatic",
        "gate": {"approval": "Auto"},
        "budget": {"cooldown": "1h", "maxRuns": 60, "maxHandOvers": 40, "cpuHours": 500.0},
        "defaultResources": {"cpu": "2", "memory": "16Gi"},
        "circuitBreaker": {"rejectedInARow": 5},
    },
}
"""By the names that fields have in a manifest. A new line is a new default; every workflow has every field."""

_CHECKPOINT: Final = "a checkpoint before training: a run on bad data ends there"
_COMPARED: Final = "candidate and champion on the same rows"
EXPECTED: Final[Mapping[Workflow, Mapping[tuple[str, ...], str]]] = {
    Workflow.LINEAR: {("stages", "dataValidation"): _CHECKPOINT, ("stages", "evaluation"): _COMPARED},
    Workflow.ITERATIVE: {("stages", "evaluation"): _COMPARED},
    Workflow.AGILE: {("stages", "evaluation"): _COMPARED, ("stages", "tests"): "tests that each challenger passes"},
}
"""What a workflow expects of a policy, and why. Nothing is stopped that lacks it."""

AFTER_NEEDS_WORKFLOW: Final = Rule(
    field_path=".workflowAfterFirstPromotion",
    rule="!has(self.workflowAfterFirstPromotion) || has(self.workflow)",
    message="workflowAfterFirstPromotion follows on a workflow: write workflow: Linear beside it, or workflow alone",
)


def leaves(defaults: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and value of each field of a set of defaults."""
    for name, value in defaults.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


WORKFLOW_PATHS: Final = tuple(path for path, _ in leaves(WORKFLOW_DEFAULTS[Workflow.LINEAR]))
"""The fields that workflows set, by their paths below `spec`."""


class WorkflowStatus(Struct, frozen=True, kw_only=True):
    """The workflow that is in force."""

    name: Annotated[str, word("Linear, Iterative or Agile.")]
    defaults: Annotated[
        dict[str, Annotated[str, msgspec.Meta(max_length=64)]],
        doc("What the workflow sets, by field below spec: what the spec itself leaves out.", max_length=40),
    ] = msgspec.field(default_factory=dict)
    missing: Annotated[
        dict[str, Annotated[str, msgspec.Meta(max_length=128)]],
        doc("What the workflow expects and the spec lacks, by field below spec. It stops nothing.", max_length=10),
    ] = msgspec.field(default_factory=dict)
