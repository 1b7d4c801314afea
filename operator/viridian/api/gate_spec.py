"""What a candidate must show before it is handed to the rollout."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from viridian.api import cel
from viridian.api.schema import Rule, Struct, doc, named


class GateRule(StrEnum):
    """How a candidate is compared with the champion."""

    NON_INFERIOR = "NonInferior"
    THRESHOLDS = "Thresholds"


class Direction(StrEnum):
    HIGHER = "Higher"
    LOWER = "Lower"


class GateMetric(Struct, frozen=True, kw_only=True):
    """One number that the trainer reports and the operator judges."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.BOUNDS_IN_ORDER,)

    name: Annotated[str, doc("Name of the metric as it was reported.", min_length=1, max_length=250)]
    min: Annotated[float, doc("The candidate is rejected below this.")] | None = None
    max: Annotated[float, doc("The candidate is rejected above this.")] | None = None
    direction: (
        Annotated[
            Direction,
            doc("Which way is better. Left out: Lower for names that end in an error such as rmse, else Higher."),
        ]
        | None
    ) = None


class Gate(Struct, frozen=True, kw_only=True):
    """What a candidate must show before it is handed to the rollout."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.THRESHOLDS_NEED_BOUNDS,)

    rule: Annotated[
        GateRule,
        doc(
            "NonInferior: within the bounds and, on the same holdout, not worse than the champion by more than the "
            "margin. Thresholds: within the bounds."
        ),
    ] = GateRule.NON_INFERIOR
    margin: Annotated[
        float, doc("How much worse than the champion still counts as equal, in the metric's own unit.", ge=0)
    ] = 0.005
    metrics: Annotated[
        tuple[GateMetric, ...],
        named(
            "name",
            "The numbers that count. None: every number that was reported for the champion too.",
            max_length=20,
        ),
    ] = ()
