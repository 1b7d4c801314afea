"""How many pods may be added for the weights of a rollout: so many, or a share of those that users need."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from viridian.api.schema import Rule

MAX_SURGE: Final = 1000
"""Pods that may be added at most, however they are written."""

IS_A_SURGE: Final = Rule(
    rule="type(self) == int || self.matches('^(0|[1-9][0-9]{0,3})%$')",
    message='write a number of pods such as 2, or a percentage of server.replicas such as "50%"',
)
Surge = (
    Annotated[int, msgspec.Meta(ge=0, le=MAX_SURGE)]
    | Annotated[str, msgspec.Meta(pattern="^(0|[1-9][0-9]{0,3})%$", max_length=5)]
)
"""A number of pods, or a percentage as text."""
