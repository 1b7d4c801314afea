"""The document of an evaluation: what is malformed is a sentence, what travels is small, and reading never fails."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.evaluation import (
    DEFAULT_CONFIDENCE,
    MAX_EVALUATION_BYTES,
    HoldoutEvaluation,
    MetricComparison,
    SliceComparison,
    load_evaluation,
    parse_evaluation,
)
from viridian.api.stage import MAX_REPORT_BYTES, StageReport, parse_report

AUC = {"candidate": 0.81, "champion": 0.80, "difference": 0.01, "low": 0.002, "high": 0.018, "method": "DeLong"}
WHOLE = {
    "holdout": {"digest": "sha256:h", "rows": 5000, "positives": 500},
    "confidence": 0.975,
    "metrics": {"auc": AUC},
    "slices": [{"column": "region", "value": "north", "metric": "auc", "rows": 900, **AUC}],
    "slicesTested": 4,
    "baseline": {"auc": {**AUC, "champion": 0.5, "difference": 0.31, "low": 0.3, "high": 0.32}},
    "problems": ["1 slice has too few rows"],
}


def test_the_whole_document_is_read_and_written_as_it_was() -> None:
    found = parse_evaluation(WHOLE)
    assert found is not None
    assert found.document() == WHOLE
    assert found.metrics["auc"] == MetricComparison(
        candidate=0.81, champion=0.80, low=0.002, high=0.018, method="DeLong"
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([], "the evaluation is a list, and must be an object"),
        ({"confidence": 1.5}, "evaluation.confidence is no share between 0.5 and 1, so no interval is known"),
        ({"confidence": True}, "evaluation.confidence is no share"),
        ({"holdout": {"rows": -1}}, "evaluation.rows is no whole number of at least 0"),
        ({"holdout": {"rows": 1, "positives": "many"}}, "evaluation.positives is no whole number"),
        ({"slicesTested": 0.5}, "evaluation.slicesTested is no whole number"),
        ({"metrics": [AUC]}, "evaluation.metrics is no object of metrics by name"),
        ({"metrics": {"auc": 0.8}}, "evaluation.metrics.auc is no object with candidate and champion"),
        ({"metrics": {"auc": {"champion": 0.8}}}, "metrics.auc has no finite number as candidate"),
        ({"metrics": {"auc": {**AUC, "low": "0"}}}, "metrics.auc has no finite number as low"),
        ({"metrics": {"auc": {**AUC, "high": math.inf}}}, "metrics.auc has no finite number as high"),
        ({"metrics": {"auc": {**AUC, "candidate": 10**400}}}, "metrics.auc has no finite number as candidate"),
        ({"metrics": {"auc": {"candidate": 1, "champion": 1, "low": 0}}}, "has one bound without the other"),
        ({"metrics": {"auc": {"candidate": 1, "low": 0, "high": 1}}}, "has an interval, and no champion"),
        ({"metrics": {"auc": {**AUC, "difference": 0.2}}}, "the difference 0.2, and candidate - champion is 0.01"),
        ({"metrics": {"auc": {**AUC, "low": 0.02}}}, "0.01 outside of its interval, 0.02 to 0.018"),
        ({"metrics": {"auc": {**AUC, "low": 0.018, "high": 0.002}}}, "outside of its interval"),
        ({"slices": {}}, "evaluation.slices is no list"),
        ({"slices": [1]}, "evaluation.slices[0] is no object"),
        ({"slices": [AUC]}, "evaluation.slices[0] names no column or no metric"),
        ({"baseline": 1}, "evaluation.baseline is no object of metrics by name"),
    ],
)
def test_what_is_malformed_is_left_out_with_a_sentence(wrong: Any, says: str) -> None:
    found = parse_evaluation(wrong)
    assert found is not None
    assert any(says in problem for problem in found.problems), found.problems
    assert not found.metrics
    assert not found.slices


def test_what_is_beside_something_malformed_still_counts() -> None:
    found = parse_evaluation({**WHOLE, "metrics": {"auc": AUC, "f1": None}})
    assert found is not None
    assert set(found.metrics) == {"auc"}


def test_an_interval_of_unknown_confidence_is_none() -> None:
    found = parse_evaluation({**WHOLE, "confidence": 95})
    assert found is not None
    assert (found.metrics["auc"].candidate, found.metrics["auc"].has_interval) == (0.81, False)


def test_a_text_that_is_cut_is_a_sentence_and_an_empty_one_is_nothing() -> None:
    cut = load_evaluation('{"metrics": {"auc": {"candi')
    assert cut is not None
    assert cut.problems == ("the evaluation is no JSON; was it cut?",)
    assert load_evaluation("") is None
    assert parse_evaluation(None) is None


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*WHOLE, *AUC, "column", "value", "metric", "rows", "auc"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_reading_never_fails_and_what_was_read_is_read_again(document: Any) -> None:
    found = parse_evaluation(document)
    if found is not None:
        again = load_evaluation(json.dumps(found.document()))
        assert again is not None
        assert set(again.metrics) == set(found.metrics)
        assert len(found.rendered()) <= MAX_EVALUATION_BYTES


def sliced(number: int, drop: float) -> SliceComparison:
    compared = MetricComparison(candidate=0.8 - drop, champion=0.8, low=-drop - 0.02, high=-drop + 0.02)
    return SliceComparison(column="region", value=f"region {number}", metric="auc", rows=500, compared=compared)


def test_what_travels_keeps_the_slices_that_lost_most_and_how_many_there_were() -> None:
    one = MetricComparison(candidate=0.8, champion=0.8, low=-0.01, high=0.01, method="paired bootstrap")
    whole = HoldoutEvaluation(
        holdout=f"sha256:{'0' * 64}",
        rows=100_000,
        metrics={f"metric {number}": one for number in range(8)},
        slices=tuple(sliced(number, 0.001 * number) for number in range(100)),
        slices_tested=100,
    )
    travelled = load_evaluation(whole.rendered())
    assert travelled is not None
    assert len(whole.rendered()) <= MAX_EVALUATION_BYTES
    assert travelled.slices_tested == 100
    assert 3 <= len(travelled.slices) < 100
    assert [one.value for one in travelled.slices[:3]] == ["region 99", "region 98", "region 97"]
    assert set(travelled.metrics) == set(whole.metrics)


def test_a_report_with_an_evaluation_still_fits_into_a_termination_message() -> None:
    one = MetricComparison(candidate=0.8, champion=0.8, low=-0.01, high=0.01, method="paired bootstrap")
    evaluation = HoldoutEvaluation(rows=1, metrics={f"a rather long metric {number}": one for number in range(40)})
    report = StageReport(
        metrics={f"number {number}": 0.123456789 for number in range(200)},
        holdout=f"sha256:{'0' * 64}",
        failures=("x" * 500,),
        evaluation=evaluation,
    )
    text = report.rendered()
    assert len(text) <= MAX_REPORT_BYTES
    read = parse_report(text)
    assert read.evaluation is not None
    assert read.evaluation.confidence == DEFAULT_CONFIDENCE
    assert read.evaluation.metrics
    assert read.metrics
