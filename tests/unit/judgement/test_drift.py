"""The verdict about one feature, and what it says to people."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.sketches import categories, edges_of, numbers
from viridian.api.monitoring import Decision, Statistic
from viridian.api.profile import Numbers, Sketch
from viridian.judgement.drift import DriftCriteria, DriftReference, judge
from viridian.judgement.figures import Figure, MonitorVerdict

BEFORE = [float(value) for value in range(100)] * 50
EDGES = edges_of(BEFORE)
TRAINING = numbers(BEFORE, EDGES)
DEVIATION = (TRAINING.m2 / (TRAINING.finite - 1)) ** 0.5


def moved(by: float, rows: int = 1000) -> Numbers:
    """So many rows of the same spread, whose mean has moved by so many standard deviations."""
    values = [value + by * DEVIATION for value in BEFORE]
    return numbers(values[:rows], EDGES)


def asked(current: Sketch | None, reference: Sketch | None = TRAINING, **criteria: Any) -> Figure:
    return judge(
        "age", DriftCriteria(**criteria), current, [DriftReference(name="the training data", sketch=reference)]
    )


def by_point(by: float, rows: int = 1000) -> Figure:
    return asked(moved(by, rows), statistic=Statistic.MEAN_SHIFT, threshold=0.5, decision=Decision.POINT)


@pytest.mark.parametrize(
    ("by", "verdict"),
    [
        (0.49, MonitorVerdict.QUIET),
        (0.50, MonitorVerdict.QUIET),
        (0.51, MonitorVerdict.FIRED),
        (-0.51, MonitorVerdict.FIRED),
    ],
)
def test_by_the_point_rule_the_threshold_itself_is_not_yet_beyond_it(by: float, verdict: MonitorVerdict) -> None:
    figure = by_point(by)
    assert figure.verdict is verdict
    assert figure.value == pytest.approx(abs(by))


def test_the_lower_bound_waits_until_chance_is_ruled_out() -> None:
    few, many = (asked(moved(0.55, rows), statistic=Statistic.MEAN_SHIFT) for rows in (500, 5000))
    assert few.verdict is MonitorVerdict.QUIET
    assert asked(moved(0.6, 5000), statistic=Statistic.MEAN_SHIFT).verdict is MonitorVerdict.FIRED
    assert few.value == pytest.approx(many.value)
    assert few.bound is not None
    assert many.bound is not None
    assert few.bound < many.bound < 0.55


@pytest.mark.parametrize("rows", [0, 20, 99])
def test_too_few_values_are_no_verdict_however_far_they_are(rows: int) -> None:
    figure = by_point(5.0, rows)
    assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert figure.sentence == f"age: {rows} values in this window, 100 are needed"


def test_the_floor_holds_whatever_is_asked_for() -> None:
    assert asked(moved(5.0, 199), min_samples=100).verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert asked(moved(5.0, 200), min_samples=100).verdict is MonitorVerdict.FIRED


def test_the_statistic_follows_the_values_where_none_is_named() -> None:
    names = ("a", "b")
    known = categories(["a"] * 500 + ["b"] * 500, names)
    assert asked(moved(1.0)).measure == "KS"
    figure = asked(categories(["a"] * 900 + ["b"] * 100, names), known)
    assert (figure.measure, figure.verdict) == ("TotalVariation", MonitorVerdict.FIRED)


def test_a_third_of_the_values_missing_is_seen_though_the_rest_is_as_before() -> None:
    values = [None if row % 10 < 3 else value for row, value in enumerate(BEFORE[:1000])]
    assert asked(numbers(values, EDGES), statistic=Statistic.MISSING).verdict is MonitorVerdict.FIRED


def test_a_statistic_that_says_nothing_about_such_values() -> None:
    figure = asked(moved(1.0), statistic=Statistic.NEW_CATEGORIES)
    assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert "NewCategories says nothing about numbers: choose another statistic" in figure.sentence


def test_without_a_window_or_a_reference_there_is_no_verdict() -> None:
    assert asked(None).verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert asked(moved(1.0), None).sentence == "age: there is nothing known of the training data"
    assert asked(None, None).verdict is MonitorVerdict.INSUFFICIENT_DATA


def test_other_bins_are_told() -> None:
    figure = asked(numbers(BEFORE, (1.0, 2.0)), statistic=Statistic.PSI)
    assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert figure.sentence == (
        "age: it cannot be compared with the training data: the two were counted on different bins; write statistic: "
        "KS or MeanShift instead"
    )


def test_on_other_bins_ks_says_what_is_sure() -> None:
    values = [value + DEVIATION for value in BEFORE]
    figure = asked(numbers(values, edges_of(values)))
    assert figure.verdict is MonitorVerdict.FIRED
    assert figure.sentence.startswith(
        "age: the cumulative shares (KS) differ by at least 0.25 against the training data"
    )


def test_by_the_point_rule_what_chance_alone_can_do_is_no_verdict() -> None:
    names = tuple("abcdefgh")
    known = categories([*names] * 1000, names)
    few = asked(categories([*"aabbccd"] * 15, names), known, decision=Decision.POINT)
    assert few.verdict is MonitorVerdict.FIRED, "four of eight are gone"
    lucky = asked(categories([*"aaaabbbccdddeeffghhh"] * 5, names), known, decision=Decision.POINT)
    assert lucky.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert lucky.sentence == (
        "age: the shares of the categories (total variation) differ by 15 % against the training data, above 10 %, "
        "but chance alone can do that: use a longer window or a greater threshold (100 and 8000 values)"
    )
    more = asked(categories([*"aaaabbbccdddeeffghhh"] * 50, names), known, decision=Decision.POINT)
    assert more.verdict is MonitorVerdict.FIRED


def test_by_the_point_rule_a_few_rows_tell_what_never_was_before() -> None:
    known = numbers(BEFORE, EDGES)
    current = numbers([*[None] * 6, *BEFORE[:94]], EDGES)
    assert asked(current, known, statistic=Statistic.MISSING, decision=Decision.POINT).verdict is MonitorVerdict.FIRED


@pytest.mark.parametrize("statistic", [None, Statistic.NEW_CATEGORIES, Statistic.PSI])
def test_ids_and_free_text_cannot_be_compared_by_name(statistic: Statistic | None) -> None:
    figure = asked(categories(["new"] * 1000, ()), categories(["old"] * 5000, ()), statistic=statistic)
    assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert figure.sentence == (
        "age: no value of it is frequent enough in the training data to be compared by name, as with ids and free "
        "text: name the other features in features, or use statistic: Missing"
    )


def test_what_can_never_be_beyond_the_threshold_is_not_called_quiet() -> None:
    figure = asked(
        categories(["old"] * 1000, ("a",)), categories(["a"] * 25 + ["old"] * 4975, ("a",)),
        statistic=Statistic.NEW_CATEGORIES,
    )  # fmt: skip
    assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert figure.sentence == (
        "age: 99.5 % of the training data have values that are too rare for a name of their own, so new ones cannot "
        "be distinguished from them: choose another statistic for it"
    )


def test_the_sentence_holds_all_that_the_verdict_rests_on() -> None:
    assert asked(moved(0.8, 2000), statistic=Statistic.MEAN_SHIFT).sentence == (
        "age: the mean has moved by 0.8 standard deviations against the training data, by at least 0.715 beyond "
        "chance, above 0.5 (2000 and 5000 values)"
    )
    assert by_point(0.51).sentence == (
        "age: the mean has moved by 0.51 standard deviations against the training data, above 0.5 "
        "(1000 and 5000 values)"
    )


# ---- two references


def seasonal(current: Sketch, season: Sketch | None) -> Figure:
    references = [
        DriftReference(
            name="the window one season before", sketch=season, absent="there is no window one season before"
        ),
        DriftReference(name="the training data", sketch=TRAINING),
    ]
    return judge("age", DriftCriteria(), current, references)


def test_both_references_must_differ() -> None:
    assert seasonal(moved(1.0), moved(1.0)).verdict is MonitorVerdict.QUIET, "as it was a season ago"
    assert seasonal(moved(0.0), moved(1.0)).verdict is MonitorVerdict.QUIET, "as in training"
    assert seasonal(moved(2.0), moved(1.0)).verdict is MonitorVerdict.FIRED


def test_the_reason_for_quiet_is_the_reference_that_does_not_differ() -> None:
    assert "the training data" in seasonal(moved(0.0), moved(1.0)).sentence
    assert "one season before" in seasonal(moved(1.0), moved(1.0)).sentence


def test_in_the_first_season_there_is_no_verdict() -> None:
    figure = seasonal(moved(2.0), None)
    assert figure.verdict is MonitorVerdict.INSUFFICIENT_DATA
    assert figure.sentence == "age: there is no window one season before"


# ---- what other thresholds would have made of it


@pytest.mark.parametrize("decision", list(Decision))
@pytest.mark.parametrize("by", [0.0, 0.03, 0.2, 1.0])
@pytest.mark.parametrize("seasonal", [False, True])
def test_a_figure_tells_for_every_threshold_whether_it_fires(decision: Decision, by: float, seasonal: bool) -> None:
    references = [DriftReference(name="the training data", sketch=TRAINING)]
    if seasonal:
        references.insert(0, DriftReference(name="the season before", sketch=moved(0.1)))
    for statistic in (Statistic.MEAN_SHIFT, Statistic.KS, Statistic.PSI):

        def at(threshold: float, statistic: Statistic = statistic) -> Figure:
            criteria = DriftCriteria(statistic=statistic, threshold=threshold, decision=decision)
            return judge("age", criteria, moved(by), references)

        figure = at(0.1)
        for threshold in (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 0.99, 2.0):
            assert figure.fires_at(threshold) == (at(threshold).verdict is MonitorVerdict.FIRED), (statistic, threshold)
