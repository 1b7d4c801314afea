"""Counting what JSON stands for, before it is decoded."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.serving import json_sizes
from viridian.serving.errors import BadInput, Rejection
from viridian.serving.json_sizes import SLACK, Room

PLAIN = st.one_of(st.integers(0, 9), st.text(alphabet='a,[{"\\é', max_size=6), st.none())
VALUES = st.recursive(PLAIN, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner)))


def signs(text: str, sign: str) -> int:
    """Outside of strings, told apart one by one."""
    found, inside, escaped = 0, False, False
    for character in text:
        if inside and not escaped and character == "\\":
            escaped = True
            continue
        if character == '"' and not escaped:
            inside = not inside
        found += character == sign and not inside
        escaped = False
    return found


@given(VALUES, st.booleans(), st.integers(1, 40))
def test_what_stands_in_strings_does_not_count(value: object, as_ascii: bool, block: int) -> None:
    text = json.dumps(value, ensure_ascii=as_ascii)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_sizes, "_BLOCK", block)
        bare = b"".join(part.tobytes() for part in json_sizes._outside_strings(text.encode()))
    for sign in ",[{":
        assert bare.decode().count(sign) == signs(text, sign)


def test_text_full_of_commas_is_no_reason_to_refuse() -> None:
    rows = [["x," * 500, "[{" * 100] for _ in range(10)] * 10
    raw = msgspec.Raw(json.dumps(rows).encode())
    Room(rows=100, columns=2).check_rows(raw, "inputs")


@pytest.mark.parametrize("piece", ["{}", "[]", "0"])
def test_a_few_too_many_are_left_to_those_who_count_rows(piece: str) -> None:
    room = Room(rows=10_000, columns=1)
    room.check_rows(msgspec.Raw(f"[{','.join([piece] * 10_001)}]".encode()), "inputs")
    with pytest.raises(BadInput) as refused:
        room.check_rows(msgspec.Raw(f"[{','.join([piece] * (10_000 + SLACK + 2))}]".encode()), "inputs")
    assert refused.value.reason is Rejection.TOO_MANY_ROWS


def test_any_number_of_columns_is_taken_where_the_model_does_not_say() -> None:
    raw = msgspec.Raw(f"[[{','.join('0' * 500_000)}]]".encode())
    Room(rows=10, columns=None).check_rows(raw, "inputs")
