"""Counting live rows: bins and moments as api/profile.py defines them, in whatever portions they arrive."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.profile import Categories, Numbers, Profile, ReferenceProfile, Sketch, Task
from viridian.judgement.merging import merge_profiles
from viridian.serving.bundle.signature import Column, ColumnKind, Matrix, Table
from viridian.serving.data.batch import Batch
from viridian.serving.data.outputs import LABEL, PREDICTION, PROBABILITIES, Output
from viridian.serving.observation.live_profile import LiveProfile, PredictedRows, Unprofiled

EDGES = (-1.0, 0.0, 2.5)
NUMBERS = Numbers(edges=EDGES, counts=(0, 0, 0, 0))
CITIES = Categories(names=("Ulm", "Köln"), counts=(0, 0))
FLAGS = Categories(names=("true", "false"), counts=(0, 0))

values = st.one_of(st.just(math.nan), st.floats(-5, 5), st.sampled_from([*EDGES, math.inf, -math.inf, 1e200]))


def reference(
    features: dict[str, Sketch], prediction: Sketch = NUMBERS, task: Task = Task.REGRESSION
) -> ReferenceProfile:
    profile = Profile(features=features, prediction=prediction, rows=0, sampled=0)
    return ReferenceProfile(task=task, profile=profile, label=NUMBERS)


def table(**kinds: ColumnKind) -> Table:
    return Table(tuple(Column(name.replace("_", " "), kind, "", required=False) for name, kind in kinds.items()))


def answered(batch: Batch, *outputs: Output) -> PredictedRows:
    return PredictedRows(batch, outputs or (Output(PREDICTION, np.zeros(batch.rows)),))


def counted(live: LiveProfile, *rows: PredictedRows) -> Profile:
    for one in rows:
        live.add([one])
    return live.take()


def by_hand(line: list[float]) -> Numbers:
    """The definition, value by value."""
    bins, usable = [0, 0, 0, 0], [value for value in line if abs(value) < 1e150]
    for value in line:
        if not math.isnan(value):
            bins[sum(edge < value for edge in EDGES)] += 1
    mean = math.fsum(usable) / len(usable) if usable else 0.0
    return Numbers(
        edges=EDGES,
        counts=tuple(bins),
        missing=sum(map(math.isnan, line)),
        mean=mean,
        m2=math.fsum((value - mean) ** 2 for value in usable),
        finite=len(usable),
        minimum=min(usable, default=None),
        maximum=max(usable, default=None),
    )


def same(one: Sketch, other: Sketch) -> bool:
    assert isinstance(one, Numbers)
    assert isinstance(other, Numbers)
    exact = msgspec.structs.replace(one, mean=0.0, m2=0.0) == msgspec.structs.replace(other, mean=0.0, m2=0.0)
    return exact and one.mean == pytest.approx(other.mean) and one.m2 == pytest.approx(other.m2, abs=1e-9)


@given(st.lists(st.lists(values, min_size=1, max_size=6), min_size=1, max_size=5), st.booleans())
def test_any_numbers_in_any_portions_are_counted_as_defined(portions: list[list[float]], together: bool) -> None:
    live = LiveProfile(reference({"a b": NUMBERS}), table(a_b=ColumnKind.FLOAT))
    rows = [
        answered(Batch(len(line), matrix=np.array(line)[:, None]), Output(PREDICTION, np.array(line)))
        for line in portions
    ]
    if together:
        live.add(rows)
    profile = live.take() if together else counted(live, *rows)
    whole = [value for line in portions for value in line]
    assert profile.rows == profile.sampled == len(whole)
    assert same(profile.features["a b"], by_hand(whole))
    assert same(profile.prediction, by_hand(whole))


@given(st.lists(st.lists(values, min_size=1, max_size=6), min_size=1, max_size=5))
def test_what_is_taken_in_parts_merges_to_the_whole(portions: list[list[float]]) -> None:
    parts, whole = (LiveProfile(reference({"a": NUMBERS}), Matrix(1)) for _ in range(2))
    rows = [answered(Batch(len(line), matrix=np.array(line)[:, None])) for line in portions]
    merged = merge_profiles(counted(parts, one) for one in rows)
    assert merged is not None
    assert same(merged.features["a"], counted(whole, *rows).features["a"])


def test_what_was_taken_is_not_counted_again() -> None:
    live = LiveProfile(reference({"a": NUMBERS}), Matrix(1))
    row = answered(Batch(1, matrix=np.array([[1.0]])))
    assert counted(live, row) == counted(live, row)
    empty = live.take()
    assert (empty.rows, empty.features["a"]) == (0, NUMBERS)


def test_columns_of_all_kinds() -> None:
    features: dict[str, Sketch] = {
        "city": CITIES,
        "an age": NUMBERS,
        "member": FLAGS,
        "plan": Categories(names=("3",), counts=(0,)),
    }
    live = LiveProfile(
        reference(features),
        table(an_age=ColumnKind.FLOAT, city=ColumnKind.STRING, member=ColumnKind.BOOLEAN, plan=ColumnKind.INTEGER),
    )
    columns: dict[str, Any] = {
        "an age": np.array([1.0, math.nan, -7.0]),
        "city": np.array(["Ulm", None, "Bonn"], dtype=object),
        "member": np.array([True, False, None], dtype=object),
        "plan": np.array([3.0, math.nan, 4.0]),
    }
    profile = counted(live, answered(Batch(3, columns=columns)))
    assert list(profile.features) == list(features), "in the reference's order"
    assert profile.features["city"] == Categories(names=("Ulm", "Köln"), counts=(1, 0), other=1, missing=1)
    assert profile.features["member"] == Categories(names=("true", "false"), counts=(1, 1), missing=1)
    assert profile.features["plan"] == Categories(names=("3",), counts=(1,), other=1, missing=1)
    assert same(profile.features["an age"], by_hand([1.0, math.nan, -7.0]))


def test_a_binary_models_score_a_multiclass_models_label() -> None:
    batch = Batch(2, matrix=np.zeros((2, 1)))
    label, chances = Output(LABEL, np.array([0, 1])), Output(PROBABILITIES, np.array([[0.9, 0.1], [0.2, 0.8]]))
    halves = Numbers(edges=(0.5,), counts=(0, 0))
    binary = LiveProfile(reference({"a": NUMBERS}, halves, Task.BINARY), Matrix(1))
    halved = Numbers(edges=(0.5,), counts=(1, 1), mean=0.45, m2=0.245, finite=2, minimum=0.1, maximum=0.8)
    assert same(counted(binary, answered(batch, label, chances)).prediction, halved)
    without = counted(binary, answered(batch, label)).prediction
    assert without == Numbers(edges=(0.5,), counts=(0, 0), missing=2), "no probabilities, no score"
    classes = LiveProfile(
        reference({"a": NUMBERS}, Categories(names=("1", "2"), counts=(0, 0)), Task.MULTICLASS), Matrix(1)
    )
    assert counted(classes, answered(batch, label, chances)).prediction == Categories(
        names=("1", "2"), counts=(1, 0), other=1
    )


@pytest.mark.parametrize(
    ("features", "signature", "words"),
    [
        ({"a": NUMBERS}, table(b=ColumnKind.FLOAT), "has the feature 'a', which the model does not take"),
        ({"a": NUMBERS}, table(a=ColumnKind.STRING), "has numbers for 'a', but the model takes strings"),
        ({"a": NUMBERS}, Matrix(2), "has 1 features, but the model takes 2 columns"),
    ],
)
def test_a_profile_of_another_model_is_refused(features: dict[str, Sketch], signature: Any, words: str) -> None:
    with pytest.raises(Unprofiled, match=words):
        LiveProfile(reference(features), signature)
    with pytest.raises(Unprofiled, match="do not fit its task"):
        LiveProfile(reference({}, NUMBERS, Task.MULTICLASS), Matrix(None))
