"""What points at what, after any changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from viridian.api.names import MODEL_DEPLOYMENT
from viridian.controller.keys import Key
from viridian.controller.reverse_index import ReverseIndex

_KEYS = st.sampled_from([Key(MODEL_DEPLOYMENT, "ml", name) for name in "abcd"])
_MODELS = st.sampled_from(["churn", "fraud", ""])


@given(st.lists(st.tuples(_KEYS, st.none() | _MODELS), max_size=30))
def test_after_any_changes_both_sides_agree(changes: list[tuple[Key, str | None]]) -> None:
    index: ReverseIndex[str] = ReverseIndex()
    expected: dict[Key, str] = {}
    for key, model in changes:
        if model is None:
            index.forget(key)
            expected.pop(key, None)
        else:
            index.point(key, model)
            expected[key] = model
    for model in ("churn", "fraud", ""):
        assert list(index.keys(model)) == sorted(key for key, pointed in expected.items() if pointed == model)
