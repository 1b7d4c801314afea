"""How the fields of the two kinds are written down: a type, a sentence for `kubectl explain`, and bounds.

A kind is a tree of frozen structs. What the types cannot say (unions, immutability, order) is a CEL rule on the struct or
field; `viridian.api.crd` renders all of it into the CustomResourceDefinitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from viridian.api import durations


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL validation: what must hold, and what to tell the person whose manifest breaks it."""

    rule: str
    message: str
    # An expression that makes the message, where the offending value belongs into it.
    message_expression: str | None = None
    # Where in the struct kubectl should point to, such as `.steps`.
    field_path: str | None = None


class Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a kind: frozen, camelCase outside, unknown fields ignored (an older operator meets a newer object)."""

    rules: ClassVar[tuple[Rule, ...]] = ()


def doc(description: str, **bounds: Any) -> msgspec.Meta:
    """The sentence and the bounds of one field."""
    extra: dict[str, Any] = bounds.pop("extra", {})
    return msgspec.Meta(description=description, extra_json_schema=extra or None, **bounds)


def duration(description: str) -> msgspec.Meta:
    """A field that holds a duration as text."""
    return doc(description, pattern=durations.PATTERN, max_length=32)
