"""Two answers side by side: read from their bytes, compared row by row, and counted on the profile's bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from viridian.api import shadow as words
from viridian.api.profile import PROFILE_PATH, Categories, Numbers, Profile, ReferenceProfile, Sketch, Task
from viridian.api.shadow import MISSING_BIN, Drop, Failure
from viridian.serving.data.outputs import Output
from viridian.serving.data.prediction_bins import NoBins, ProfileBins, bins
from viridian.serving.protocols import invocations, protocol_v2
from viridian.serving.shadow import response_bodies
from viridian.serving.shadow.comparison import MAX_ROWS, Compared, Comparison, OutputsDiffer
from viridian.serving.shadow.response_bodies import UnreadableOutput

FLOATS = st.floats(-1e6, 1e6)
NAN = math.nan


def outputs(**values: Any) -> list[Output]:
    return [Output(name, np.asarray(array)) for name, array in values.items()]


def compared(one: Sequence[Output], other: Sequence[Output]) -> Comparison:
    comparison = Comparison(Compared("b"), NoBins())
    comparison.add(one, other)
    return comparison


# ---- reading ----


@given(
    st.lists(st.tuples(st.integers(0, 2), st.text(max_size=3), st.tuples(FLOATS, FLOATS)), min_size=1, max_size=5),
    st.booleans(),
)
def test_an_answer_of_the_open_inference_protocol_is_read_back(
    rows: list[tuple[int, str, tuple[float, float]]], raw: bool
) -> None:
    sent = outputs(
        label=[label for label, _, _ in rows],
        high=[label > 1 for label, _, _ in rows],
        echo=np.array([text for _, text, _ in rows], dtype=object),
        probabilities=[list(pair) for _, _, pair in rows],
    )
    parameters = protocol_v2.Parameters(binary_data_output=msgspec.Raw(b"true" if raw else b"false"))
    request = protocol_v2.InferRequest(inputs=[], id="id", parameters=parameters)
    body, json_length = protocol_v2.answer("a model", "7", request, sent)
    assert raw is (json_length is not None)
    read = response_bodies.read(body, None if json_length is None else b"%d" % json_length)
    assert [output.name for output in read] == ["label", "high", "echo", "probabilities"]
    for one, other in zip(sent, read, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("values", [[0, 1], [0.5, 1.5], ["no", "yes"], [True, False], [[0.5, 0.5], [1.0, 0.0]]])
def test_an_answer_of_mlflow_is_read_back(values: list[Any]) -> None:
    (read,) = response_bodies.read(invocations.answer(outputs(prediction=values)))
    assert read.values.tolist() == values


RAW = b'{"outputs":[{"name":"a","shape":[1],"datatype":"%s","parameters":{"binary_data_size":%s}}]}'


@pytest.mark.parametrize(
    ("datatype", "size", "tail", "length"),
    [
        (b"FP64", b"8", bytes(7), None),
        (b"FP64", b"7", bytes(7), None),
        (b"FP64", b"16", bytes(16), None),
        (b"FP64", b"-1", bytes(8), None),
        (b"FP64", b'"8"', bytes(8), None),
        (b"FP65", b"8", bytes(8), None),
        (b"BYTES", b"4", b"\xff\xff\xff\xff", None),
        (b"BYTES", b"5", b"\x01\x00\x00\x00\xff", None),
        (b"FP64", b"8", bytes(8), b"1000000"),
        (b"FP64", b"8", bytes(8), b"-1"),
        (b"FP64", b"8", bytes(8), b"poison"),
    ],
)
def test_raw_tensors_that_do_not_fit_are_unreadable(
    datatype: bytes, size: bytes, tail: bytes, length: bytes | None
) -> None:
    head = RAW % (datatype, size)
    with pytest.raises(UnreadableOutput):
        response_bodies.read(head + tail, length or b"%d" % len(head))


def test_several_outputs_of_mlflow_have_their_names() -> None:
    read = response_bodies.read(invocations.answer(outputs(score=[0.5], echo=np.array(["a"], dtype=object))))
    assert {output.name: output.values.tolist() for output in read} == {"score": [0.5], "echo": ["a"]}


def test_null_is_nan_among_numbers_and_null_among_strings() -> None:
    numbers, strings = response_bodies.read(b'{"predictions": {"a": [1, null], "b": ["x", null]}}')
    np.testing.assert_array_equal(numbers.values, [1.0, NAN])
    assert strings.values.tolist() == ["x", None]


@given(
    st.one_of(
        st.binary(max_size=50),
        st.recursive(
            st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=3),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
            max_leaves=10,
        ).map(lambda value: msgspec.json.encode({"predictions": value})),
        st.fixed_dictionaries(
            {
                "name": st.text(max_size=3),
                "shape": st.lists(st.integers(-2, 3), max_size=3),
                "datatype": st.sampled_from(["FP32", "INT64", "BYTES", "BOOL", "?"]),
                "data": st.lists(st.none() | FLOATS | st.text(max_size=2) | st.integers(), max_size=4),
            }
        ).map(lambda tensor: msgspec.json.encode({"outputs": [tensor]})),
    )
)
@example(b"[" * 100_000)
@example(b'{"predictions": ' + b"[" * 5_000 + b"]" * 5_000 + b"}")
@example(b'{"outputs": [{"name": "a", "shape": [], "datatype": "FP32", "data": 1}]}')
@example(b'{"predictions": [' + b"9" * 400 + b"]}")
def test_anything_is_read_or_unreadable_and_what_is_read_can_be_compared(body: bytes) -> None:
    try:
        read = response_bodies.read(body)
    except UnreadableOutput:
        return
    try:
        comparison = compared(read, read)
    except OutputsDiffer:
        return
    assert comparison.agreeing == comparison.rows
    assert comparison.difference == 0.0


# ---- comparing ----


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), FLOATS, FLOATS), min_size=1, max_size=8))
def test_agreement_and_difference_are_what_one_would_count_by_hand(
    rows: list[tuple[int, int, float, float]],
) -> None:
    ours = outputs(label=[row[0] for row in rows], probabilities=[[row[2], 0.0] for row in rows])
    theirs = outputs(label=[row[1] for row in rows], probabilities=[[row[3], 0.0] for row in rows])
    comparison = compared(ours, list(reversed(theirs)))
    assert comparison.requests == 1
    assert comparison.rows == comparison.differing_rows == len(rows)
    assert comparison.agreeing == sum(row[0] == row[1] for row in rows)
    assert comparison.difference == pytest.approx(sum(abs(row[2] - row[3]) for row in rows))


def test_whole_numbers_of_a_regressor_differ_by_a_number_when_one_side_has_fractions() -> None:
    comparison = compared(outputs(predictions=[1, 2]), outputs(predictions=[1.5, 2.0]))
    assert (comparison.agreeing, comparison.difference) == (2, 0.5)


def test_a_number_beside_none_is_disagreement_without_a_difference() -> None:
    comparison = compared(outputs(prediction=[1.0, NAN, NAN, 4.0]), outputs(prediction=[2.0, 1.0, NAN, math.inf]))
    assert (comparison.rows, comparison.agreeing) == (4, 2)
    assert (comparison.differing_rows, comparison.difference) == (1, 1.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (outputs(label=[1]), outputs(labels=[1])),
        (outputs(label=[1]), outputs(label=[1], probabilities=[[0.0, 1.0]])),
        (outputs(label=[1]), outputs(label=[1, 1])),
        (outputs(probabilities=[[0.5, 0.5]]), outputs(probabilities=[[0.5, 0.25, 0.25]])),
        ([], []),
    ],
)
def test_other_outputs_or_rows_cannot_be_compared(one: list[Output], other: list[Output]) -> None:
    comparison = Comparison(Compared("b"), NoBins())
    with pytest.raises(OutputsDiffer):
        comparison.add(one, other)
    assert comparison.requests == comparison.rows == 0


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "expected"),
    [
        (outputs(label=[0, 1]), outputs(label=[0, 0]), None, 0.5),
        (outputs(label=[0], probabilities=[[0.9, 0.1]]), outputs(label=[0], probabilities=[[0.6, 0.4]]), None, 0.0),
        (outputs(label=[0], probabilities=[[0.9, 0.1]]), outputs(label=[0], probabilities=[[0.6, 0.4]]), 0.2, 1.0),
        (outputs(label=[0], probabilities=[[0.9, 0.1]]), outputs(label=[0], probabilities=[[0.8, 0.2]]), 0.2, 0.0),
        (outputs(prediction=[1.0, 2.0]), outputs(prediction=[1.0, 9.0]), None, None),
        (outputs(prediction=[1.0, 2.0, NAN]), outputs(prediction=[1.5, 9.0, 1.0]), 1.0, 2 / 3),
        (outputs(prediction=[]), outputs(prediction=[]), 1.0, None),
    ],
    ids=["labels", "scores", "scores with a tolerance", "within it", "numbers alone", "numbers", "no rows"],
)
def test_an_answer_differs_by_the_share_of_its_rows(
    one: list[Output], other: list[Output], tolerance: float | None, expected: float | None
) -> None:
    comparison = Comparison(Compared("b", "first", tolerance), NoBins())
    comparison.add(one, other)
    assert comparison.decided == (expected is not None)
    assert comparison.disagreement == pytest.approx(expected or 0.0)


@pytest.mark.parametrize("reason", Failure)
def test_a_challenger_that_cannot_answer_what_the_champion_can_differs(reason: Failure) -> None:
    comparison = Comparison(Compared("b"), NoBins())
    comparison.failed(reason)
    differs = reason in (Failure.REFUSED, Failure.UNLIKE)
    assert (comparison.decided, comparison.disagreement) == (differs, differs)
    assert comparison.failures[reason] == 1


def test_labels_of_other_types_disagree() -> None:
    assert compared(outputs(label=[1, 0]), outputs(label=["1", "0"])).agreeing == 0


def test_of_a_large_request_the_first_rows_are_compared() -> None:
    many = outputs(prediction=np.zeros(MAX_ROWS * 3))
    assert compared(many, many).rows == MAX_ROWS


# ---- bins ----


def reference(task: Task, prediction: Sketch) -> ReferenceProfile:
    profile = Profile(features={}, prediction=prediction, rows=0, sampled=0)
    return ReferenceProfile(task=task, profile=profile, label=prediction)


def numbers(*edges: float) -> Numbers:
    return Numbers(edges=edges, counts=(0,) * (len(edges) + 1))


@given(st.lists(FLOATS, unique=True, min_size=1, max_size=5), st.lists(FLOATS, max_size=8))
def test_a_number_is_in_the_bin_whose_upper_edge_is_the_first_not_below_it(
    edges: list[float], values: list[float]
) -> None:
    edges = sorted(edges)
    binned = ProfileBins(reference(Task.REGRESSION, numbers(*edges)))
    values = [*values, *edges]
    expected = [next((repr(edge) for edge in edges if value <= edge), "+Inf") for value in values]
    assert list(binned.of(outputs(prediction=values))) == expected
    assert set(expected) <= set(binned.names)


def test_each_task_has_its_own_prediction() -> None:
    binary = ProfileBins(reference(Task.BINARY, numbers(0.5)))
    assert list(binary.of(outputs(label=[1, 0], probabilities=[[0.2, 0.8], [0.9, 0.1]]))) == ["+Inf", "0.5"]
    assert list(binary.of(outputs(predictions=[1, 0]))) == [], "labels alone have no score"
    several = ProfileBins(reference(Task.MULTICLASS, Categories(names=("0", "1"), counts=(0, 0))))
    assert list(several.of(outputs(label=[1, 7]))) == list(several.of(outputs(predictions=[1, 7]))) == ["1", "other"]
    number = ProfileBins(reference(Task.REGRESSION, numbers(0.5)))
    assert list(number.of(outputs(predictions=[0.5, NAN]))) == ["0.5", MISSING_BIN]
    assert list(number.of(outputs(prediction=["a"]))) == []
    assert list(number.of(outputs(prediction=[[0.5, 0.5]]))) == []


def test_bins_come_from_the_bundle(tmp_path: Path) -> None:
    assert list(bins(tmp_path).names) == []
    (tmp_path / PROFILE_PATH).parent.mkdir()
    (tmp_path / PROFILE_PATH).write_bytes(msgspec.json.encode(reference(Task.REGRESSION, numbers(0.5))))
    assert list(bins(tmp_path).names) == ["0.5", "+Inf", MISSING_BIN]
    (tmp_path / PROFILE_PATH).write_text("{}")
    assert list(bins(tmp_path).names) == [], "a shadow without distributions is better than none"


def test_the_page_for_users_names_every_metric_and_reason() -> None:
    page = (Path(__file__).parents[3] / "docs" / "model-server.md").read_text()
    named = [f"`{word}`" for word in (*Failure, *Drop)] + [
        f"`{name}{ending}`"
        for name, ending in (
            (words.COMPARED_METRIC, "_total"),
            (words.ROWS_METRIC, "_total"),
            (words.AGREEING_METRIC, "_total"),
            (words.DIFFERENCE_METRIC, "_sum"),
            (words.PREDICTIONS_METRIC, "_total"),
            (words.FAILURES_METRIC, "_total"),
            (words.DROPPED_METRIC, "_total"),
            (words.SHARE_METRIC, ""),
            (words.COPIED_REQUESTS_METRIC, "_total"),
            (words.COPIED_DURATION_METRIC, ""),
            (words.SHADOW_HEADER, ""),
        )
    ]
    assert [name for name in named if name not in page] == []


# ---- telling ----


def test_everything_is_told_with_both_revisions_from_the_start() -> None:
    comparison = Comparison(
        Compared("new"), ProfileBins(reference(Task.MULTICLASS, Categories(names=("0",), counts=(0,))))
    )

    class OutcomeInput:
        def collect(self) -> list[Metric]:
            return list(comparison.families(("revision",), ("old",), 12.5))

    registry = CollectorRegistry()
    registry.register(OutcomeInput())
    before = generate_latest(registry).decode()
    both = 'revision="old"'
    assert all(both in line and 'challenger="new"' in line for line in before.splitlines() if line[0] != "#")
    for reason in (*Failure, *Drop):
        assert f'reason="{reason.value}"' in before
    comparison.add(outputs(label=[0, 0, 1]), outputs(label=[0, 1, 1]))
    comparison.failures[Failure.CLOSED] += 1
    comparison.dropped[Drop.RATE] += 2
    after = generate_latest(registry).decode()
    told = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in after.splitlines() if line[0] != "#"}
    label = 'challenger="new",revision="old"'

    def value(name: str, **more: str) -> float:
        wanted = {*label.split(","), *(f'{key}="{text}"' for key, text in more.items())}
        return next(
            count
            for series, count in told.items()
            if series.startswith(f"{name}{{") and set(series.partition("{")[2].rstrip("}").split(",")) == wanted
        )

    assert value("viridian_shadow_compared_total") == 1
    assert (value("viridian_shadow_rows_total"), value("viridian_shadow_agreeing_rows_total")) == (3, 2)
    assert value("viridian_shadow_failures_total", reason="Closed") == 1
    assert value("viridian_shadow_dropped_total", reason="Rate") == 2
    assert value("viridian_shadow_predictions_total", by="champion", bin="0") == 2
    assert value("viridian_shadow_predictions_total", by="challenger", bin="other") == 2
    assert value("viridian_shadow_share", comparison="") == 12.5
