"""How much worse than the champion a challenger may be in a metric."""

from __future__ import annotations

from typing import Annotated, ClassVar

from viridian.api import cel_metrics
from viridian.api.schema import Rule, Struct, doc


class ChampionMargin(Struct, frozen=True, kw_only=True):
    """How much worse than the champion still counts as no worse: exactly one of `relative` and `absolute`."""

    rules: ClassVar[tuple[Rule, ...]] = (cel_metrics.ONE_MARGIN,)

    relative: (
        Annotated[
            float,
            doc(
                "Share of the champion's value: 0.5 allows errors, or seconds of a latency, half as much again.",
                rules=(cel_metrics.RELATIVE_MARGIN,),
            ),
        ]
        | None
    ) = None
    absolute: (
        Annotated[
            float,
            doc(
                "Added to the champion's value: a share of a rate, seconds of a latency.",
                rules=(cel_metrics.ABSOLUTE_MARGIN,),
            ),
        ]
        | None
    ) = None
