"""Reading objects whose fields may be absent, or of another type than expected."""

from __future__ import annotations

from typing import Any

import pytest

from viridian.core.kube import without_empty
from viridian.core.lookup import dig, entries, labels_of, mapping, text


@pytest.mark.parametrize("thing", [None, 5, "x", [], {}, {"a": None}, {"a": 5}, {"a": {"b": 5}}])
def test_what_is_absent_or_of_another_type_is_empty(thing: Any) -> None:
    assert text(thing, "a", "b") == ""
    assert mapping(thing, "a", "b") == {}
    assert entries(thing, "a", "b") == ()
    assert labels_of(thing) == {}


def test_what_stands_at_the_end_of_the_path_is_found() -> None:
    thing = {"a": {"text": "x", "map": {"c": 1}, "list": [{"d": 1}, "e"]}}
    assert text(thing, "a", "text") == "x"
    assert mapping(thing, "a", "map") == {"c": 1}
    assert entries(thing, "a", "list") == ({"d": 1},)
    assert dig(thing, "a", "list") == [{"d": 1}, "e"]


def test_empty_fields_are_left_out_and_zero_is_a_value() -> None:
    full = {"zero": 0, "no": False, "list": [{"x": None}, 1], "pair": (1, 2), "deep": {"deeper": {"x": ""}}}
    assert without_empty({**full, "null": None, "text": "", "map": {}, "empty": []}) == {
        "zero": 0,
        "no": False,
        "list": [{}, 1],
        "pair": [1, 2],
    }
