"""How the fields of the two kinds are written down: a type, a sentence for `kubectl explain`, and bounds.

A kind is a tree of frozen structs. What the types cannot say (unions, immutability, order) is a CEL rule on the struct
or the field; `viridian.api.crd` renders all of it into the CustomResourceDefinitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec

from viridian.api import durations

VALIDATIONS: Final = "x-kubernetes-validations"
INT_OR_STRING: Final = "x-kubernetes-int-or-string"
PRESERVE_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"
LONGEST: Final = "365d"
EXAMPLES: Final = ("30s", "5m", "1h30m", "14d")
MAX_WORD: Final = 316
MAX_PROSE: Final = 32768


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL validation: what must hold, and the message for a manifest that breaks it."""

    rule: str
    message: str
    # An expression that makes the message, where the offending value belongs into it.
    message_expression: str | None = None
    # Where in the struct kubectl should point to, such as `.steps`.
    field_path: str | None = None

    def render(self) -> dict[str, str]:
        """The rule as an entry of `x-kubernetes-validations`."""
        optional = {"messageExpression": self.message_expression, "fieldPath": self.field_path}
        return {"rule": self.rule, "message": self.message, **{key: text for key, text in optional.items() if text}}


class Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a kind: frozen, camelCase outside, unknown fields ignored (an older operator meets a newer object)."""

    rules: ClassVar[tuple[Rule, ...]] = ()


def doc(
    description: str, *, rules: tuple[Rule, ...] = (), extra: Mapping[str, Any] | None = None, **bounds: Any
) -> msgspec.Meta:
    """The sentence, the bounds and the rules of one field; `extra` goes into the schema as it is."""
    schema = dict(extra or {})
    if rules:
        schema[VALIDATIONS] = [rule.render() for rule in rules]
    return msgspec.Meta(description=description, extra_json_schema=schema or None, **bounds)


def named(key: str, description: str, *, rules: tuple[Rule, ...] = (), **bounds: Any) -> msgspec.Meta:
    """A list whose items are keyed by one field: unique, and merged item by item when several people apply it."""
    extra = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return doc(description, rules=rules, extra=extra, **bounds)


def distinct(description: str, **bounds: Any) -> msgspec.Meta:
    """A list in which each value stands once, merged value by value when several people apply it."""
    return doc(description, extra={"x-kubernetes-list-type": "set"}, **bounds)


def word(description: str) -> msgspec.Meta:
    """A short text in a status: a name, a reason, a version."""
    return doc(description, max_length=MAX_WORD)


def prose(description: str) -> msgspec.Meta:
    """A text for people in a status; the bound is that of a condition's message."""
    return doc(description, max_length=MAX_PROSE)


def time(description: str) -> msgspec.Meta:
    """A point in time as the API server writes it: RFC 3339."""
    return doc(description, extra={"format": "date-time"})


def duration(description: str, *, at_least: str = "0s", at_most: str = LONGEST) -> msgspec.Meta:
    """A field that holds a duration as text, within bounds that are part of it."""
    shortest, longest = durations.parse(at_least), durations.parse(at_most)
    examples = [text for text in EXAMPLES if shortest <= durations.parse(text) <= longest]
    least, most = int(shortest.total_seconds()), int(longest.total_seconds())
    rule = Rule(
        rule=f"{is_duration('self')} && {seconds('self')} >= {least} && {seconds('self')} <= {most}",
        message=f"write a duration from {at_least} to {at_most}, largest unit first, such as {' or '.join(examples)}",
    )
    return doc(description, max_length=durations.MAX_LENGTH, rules=(rule,))


def is_duration(value: str) -> str:
    """CEL: the text is a duration. A rule and no pattern, because the message of a pattern shows only the pattern."""
    return f"{value} != '' && {value}.matches('{durations.PATTERN}')"


def seconds(value: str) -> str:
    """CEL: how many whole seconds the text names. CEL knows no days, so they are counted apart from the rest."""
    days = f"{value}.contains('d') ? int({value}.substring(0, {value}.indexOf('d'))) * 86400 : 0"
    rest = f"{value}.endsWith('d') ? 0 : duration({value}.substring({value}.indexOf('d') + 1)).getSeconds()"
    return f"(({days}) + ({rest}))"
