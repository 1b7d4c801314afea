"""What a candidate must show before it is handed to the rollout."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from viridian.api import cel, cel_gate
from viridian.api.evaluation import DEFAULT_CONFIDENCE
from viridian.api.schema import Rule, Struct, doc, named


class GateRule(StrEnum):
    """How a candidate is compared with the champion."""

    NON_INFERIOR = "NonInferior"
    SUPERIOR = "Superior"
    THRESHOLDS = "Thresholds"


class Direction(StrEnum):
    HIGHER = "Higher"
    LOWER = "Lower"


class GateBaseline(StrEnum):
    """What the first version is compared with."""

    CONSTANT = "Constant"


_DIRECTION = doc(
    "Which way is better. Left out: Lower for names that end in an error such as rmse, loss or fpr, else Higher."
)
_MIN, _MAX = doc("The candidate is rejected below this."), doc("The candidate is rejected above this.")
_NAME = doc("Name of the metric as it was reported.", min_length=1, max_length=250)


class GateMetric(Struct, frozen=True, kw_only=True):
    """One number that a stage reports and the operator judges."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.BOUNDS_IN_ORDER, cel_gate.TARGET_IN_DIRECTION)

    name: Annotated[str, _NAME]
    min: Annotated[float, _MIN] | None = None
    max: Annotated[float, _MAX] | None = None
    direction: Annotated[Direction, _DIRECTION] | None = None
    relative_to_champion: (
        Annotated[
            float,
            doc(
                "How far the candidate must be from the champion, as a share of the champion's number, in place of the "
                "margin: -0.2 for at least 20 % lower, 0.1 for at least 10 % higher.",
                rules=(cel_gate.TARGET_IS_A_CHANGE,),
            ),
        ]
        | None
    ) = None


class GuardRail(Struct, frozen=True, kw_only=True):
    """One number that may not get worse, whatever the rule asks of the others."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.BOUNDS_IN_ORDER,)

    name: Annotated[str, _NAME]
    margin: (
        Annotated[float, doc("How much worse than the champion is allowed. Left out: gate.margin.", ge=0)] | None
    ) = None
    min: Annotated[float, _MIN] | None = None
    max: Annotated[float, _MAX] | None = None
    direction: Annotated[Direction, _DIRECTION] | None = None


class Slice(Struct, frozen=True, kw_only=True):
    """Rows of the holdout with one value in a column: none of them may lose more than maxDrop."""

    column: Annotated[str, doc("Column of the holdout.", min_length=1, max_length=250)]
    max_drop: Annotated[
        float, doc("The candidate is rejected if a slice is shown to lose more, in the metric's own unit.", ge=0)
    ]
    metric: Annotated[
        str, doc("Metric that is compared. Left out: the first of auc, accuracy and rmse.", max_length=250)
    ] = ""


class GateApproval(StrEnum):
    """Whether a person has to approve a candidate that passed."""

    AUTO = "Auto"
    REQUIRED = "Required"
    AUTO_IF_SUPERIOR = "AutoIfSuperior"


class Gate(Struct, frozen=True, kw_only=True):
    """What a candidate must show before it is handed to the rollout."""

    rules: ClassVar[tuple[Rule, ...]] = (
        cel.THRESHOLDS_NEED_BOUNDS,
        cel_gate.SUPERIOR_NEEDS_METRICS,
        cel_gate.GUARD_RAILS_ARE_OTHERS,
        cel_gate.APPROVAL_IF_SUPERIOR_NEEDS_METRICS,
    )

    rule: Annotated[
        GateRule,
        doc(
            "NonInferior: within the bounds and, on the same holdout, not worse than the champion by more than the "
            "margin. Superior: within the bounds and better than the champion. Thresholds: within the bounds. Where an "
            "interval was reported, its bound decides, not the number."
        ),
    ] = GateRule.NON_INFERIOR
    approval: Annotated[
        GateApproval,
        doc(
            "Auto: what passes is handed over. Required: it waits for the annotation viridian.dev/approve with the id "
            "of its run. AutoIfSuperior: it waits unless it is better than the champion, as rule Superior asks."
        ),
    ] = GateApproval.AUTO
    margin: Annotated[
        float, doc("How much worse than the champion still counts as equal, in the metric's own unit.", ge=0)
    ] = 0.005
    confidence: Annotated[
        float,
        doc(
            "One-sided confidence of the bounds, 0.8 to 0.9999: a candidate that is worse by the margin passes with a "
            "chance of 1 - confidence.",
            rules=(cel_gate.CONFIDENCE,),
        ),
    ] = DEFAULT_CONFIDENCE
    metrics: Annotated[
        tuple[GateMetric, ...],
        named(
            "name",
            "The numbers that count. None: every number that was reported for the champion too.",
            max_length=20,
        ),
    ] = ()
    guard_rails: Annotated[
        tuple[GuardRail, ...], named("name", "Numbers that may not get worse than the champion's.", max_length=20)
    ] = ()
    slices: Annotated[
        tuple[Slice, ...], named("column", "Columns whose values make slices, each judged by itself.", max_length=10)
    ] = ()
    min_rows: Annotated[int, doc("Rows of the holdout without which nothing is handed over.", ge=0)] = 0
    baseline: (
        Annotated[
            GateBaseline,
            doc(
                "What the first version must be better than, since there is no champion. Constant: a prediction that "
                "is the same for all rows. Left out: the bounds alone count."
            ),
        ]
        | None
    ) = None
