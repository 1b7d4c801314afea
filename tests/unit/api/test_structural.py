"""Types become schemas."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

import msgspec

from viridian.api.schema import VALIDATIONS, Rule, Struct, doc, duration, named, time
from viridian.api.structural import struct_schema


class Colour(StrEnum):
    BLUE = "blue"
    GREEN = "green"


class Inner(Struct, frozen=True, kw_only=True):
    size: Annotated[int, doc("How big.", ge=1, le=9)] = 3


class Ruled(Struct, frozen=True, kw_only=True):
    rules: ClassVar[tuple[Rule, ...]] = (Rule("self.most >= 1", "write at least 1"),)
    most: Annotated[int, doc("At most.")] = 1
    least: Annotated[int, doc("At least.")] | None = None


class Outer(Struct, frozen=True, kw_only=True):
    """Its own docstring, which no field shows."""

    inner_part: Annotated[Inner, doc("The part inside.")] = msgspec.field(default_factory=Inner)
    ruled: Annotated[Ruled, doc("A part with rules.")] = msgspec.field(default_factory=Ruled)
    optional: Annotated[Inner, doc("May be left out.")] | None = None
    required: Annotated[str, doc("Must be there.", max_length=5)]
    empty: Annotated[str, doc("Often empty.", max_length=5)] = ""
    colour: Annotated[Colour, doc("Which.")] = Colour.BLUE
    on: Annotated[bool, doc("Whether.")] = False
    parts: Annotated[tuple[Inner, ...], named("size", "Parts.", max_length=4)] = ()
    numbers: Annotated[dict[str, float], doc("Numbers.", max_length=2)] = msgspec.field(default_factory=dict)
    anything: Annotated[dict[str, Any], doc("Anything.")] = msgspec.field(default_factory=dict)
    at: Annotated[str, time("When.")] | None = None


SPEC = struct_schema(Outer, defaults=True)
FIELDS = SPEC["properties"]


def test_a_field_without_a_default_is_required() -> None:
    assert SPEC["required"] == ["required"]


def test_a_field_shows_its_own_sentence_and_not_that_of_its_type() -> None:
    assert FIELDS["innerPart"]["description"] == "The part inside."
    assert FIELDS["optional"]["description"] == "May be left out."


def test_none_is_the_same_as_absent() -> None:
    assert FIELDS["optional"]["type"] == "object"
    assert "default" not in FIELDS["optional"]


def test_a_plain_default_is_told_in_the_sentence_too() -> None:
    assert FIELDS["colour"] == {
        "description": "Which. Default: blue.",
        "default": "blue",
        "type": "string",
        "enum": ["blue", "green"],
    }
    assert FIELDS["on"]["description"] == "Whether. Default: false."


def test_an_empty_list_needs_no_words() -> None:
    assert FIELDS["parts"]["description"] == "Parts."
    assert FIELDS["parts"]["default"] == []


def test_an_empty_text_is_no_default() -> None:
    assert "default" not in FIELDS["empty"]


def test_a_part_without_rules_is_filled_from_the_inside() -> None:
    assert FIELDS["innerPart"]["default"] == {}
    assert FIELDS["innerPart"]["properties"]["size"]["default"] == 3


def test_the_default_of_a_part_with_rules_is_spelled_out_since_they_judge_it() -> None:
    assert FIELDS["ruled"]["default"] == {"most": 1}
    assert FIELDS["ruled"][VALIDATIONS] == [{"rule": "self.most >= 1", "message": "write at least 1"}]


def test_bounds_are_named_after_what_they_bound() -> None:
    assert FIELDS["innerPart"]["properties"]["size"]["minimum"] == 1
    assert FIELDS["required"]["maxLength"] == 5
    assert FIELDS["parts"]["maxItems"] == 4
    assert FIELDS["numbers"] == {
        "description": "Numbers.",
        "default": {},
        "type": "object",
        "additionalProperties": {"type": "number"},
        "maxProperties": 2,
    }


def test_named_items_are_merged_by_their_name() -> None:
    assert FIELDS["parts"]["x-kubernetes-list-map-keys"] == ["size"]


def test_what_may_be_anything_says_nothing_about_its_values() -> None:
    assert "additionalProperties" not in FIELDS["anything"]


def test_a_status_gets_no_defaults_at_any_depth() -> None:
    fields = struct_schema(Outer, defaults=False)["properties"]
    assert fields["on"] == {"description": "Whether.", "type": "boolean"}
    assert fields["innerPart"]["properties"]["size"] == {
        "description": "How big.",
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
    }


def test_a_duration_offers_examples_within_its_bounds() -> None:
    extra = duration("How long.", at_least="10s", at_most="1h").extra_json_schema
    assert extra is not None
    message = extra[VALIDATIONS][0]["message"]
    assert message == "write a duration from 10s to 1h, largest unit first, such as 30s or 5m"
