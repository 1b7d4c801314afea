"""The review of a model that comes round: whether thresholds, objective and context still fit."""

from __future__ import annotations

from typing import Annotated

from viridian.api.schema import Struct, duration


class PeriodicReview(Struct, frozen=True, kw_only=True):
    """The model is reviewed again and again by people."""

    every: Annotated[
        str, duration("How long after a review, or after the creation, the next one is due.", at_least="1d")
    ]
