"""Inputs that were valid once: bytes changed, cut, doubled and put elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

Edit = tuple[int, int, bytes]


def mutated(*valid: bytes, pieces: Sequence[bytes] = ()) -> st.SearchStrategy[bytes]:
    """One of the valid inputs after a few edits: random bytes, or one of the pieces, in the place of a stretch."""
    part = st.one_of(st.binary(max_size=8), st.sampled_from([b"", b"\x00", b"\xff" * 8, *pieces]))
    edits = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 40), part), min_size=1, max_size=4)
    return st.builds(_edited, st.sampled_from(valid), edits)


def _edited(valid: bytes, edits: Sequence[Edit]) -> bytes:
    for place, length, part in edits:
        at = place % (len(valid) + 1)
        valid = valid[:at] + part + valid[at + length :]
    return valid
