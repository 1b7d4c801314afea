"""What a model is trained for: the definition of its label, and the metrics that count."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from viridian.api.gate_spec import Direction
from viridian.api.schema import Rule, Struct, doc, named

OBJECTIVE_VARIABLE = "VIRIDIAN_OBJECTIVE"
"""The objective of a run as JSON, in the containers of its stages; empty where the policy has none."""


_SOMETHING_COUNTS: Final = Rule(
    rule="self.size() == 0 || self.exists(metric, metric.weight > 0.0)",
    message="all weights are 0, so nothing counts: write a weight above 0 for at least one metric",
)


class ObjectiveMetric(Struct, frozen=True, kw_only=True):
    """A metric that training works towards."""

    name: Annotated[str, doc("Name of the metric.", min_length=1, max_length=250)]
    weight: Annotated[float, doc("How much it counts beside the others.", ge=0, le=1000)] = 1.0
    direction: Annotated[Direction, doc("Which way is better.")] = Direction.HIGHER


class Objective(Struct, frozen=True, kw_only=True):
    """What the model is trained for. Stages get it as VIRIDIAN_OBJECTIVE."""

    label_definition: Annotated[
        str,
        doc(
            "Names the present definition of the label, such as churned-30d. Once it changes, what was measured and "
            "labelled under another one does not count any more.",
            max_length=250,
        ),
    ] = ""
    metrics: Annotated[
        tuple[ObjectiveMetric, ...],
        named("name", "The metrics that training works towards.", rules=(_SOMETHING_COUNTS,), max_length=20),
    ] = ()


class WatchedEdit(StrEnum):
    """An edit of a policy that starts a run by itself."""

    OBJECTIVE = "Objective"
    """Another labelDefinition, or other metrics, than those of the newest run."""
    RUNTIME = "Runtime"
    """Another image in the template of the training stage than that of the newest run."""
    SERVER = "Server"
    """Another image of the model server than at the newest run."""
