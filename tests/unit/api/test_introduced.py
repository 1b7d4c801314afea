"""A name before a sentence, and none where the sentence has it as its subject."""

from __future__ import annotations

import pytest

from viridian.api.texts import introduced


@pytest.mark.parametrize(
    ("name", "sentence", "expected"),
    [
        ("age-shift", "age: the mean has moved", "age-shift: age: the mean has moved"),
        ("age", "age: the mean has moved", "age: the mean has moved"),
        ("auc", "auc is 0.79 on 1000 rows", "auc is 0.79 on 1000 rows"),
        ("auc", "auc changes by -0.02", "auc changes by -0.02"),
        ("age", "age group: the mean has moved", "age: age group: the mean has moved"),
        ("a", "a feature is missing", "a: a feature is missing"),
        ("inputs", "", "inputs: "),
        ("größe", "größe: 20 values", "größe: 20 values"),
    ],
)
def test_a_name_stands_there_once(name: str, sentence: str, expected: str) -> None:
    assert introduced(name, sentence) == expected
