"""The figures of windows are those that anybody would count by hand from the same rows."""

from __future__ import annotations

import math
import random
from collections import Counter

import msgspec
import pytest

from tests.support.collecting import (
    START,
    Stand,
    batch,
    outcome,
    prediction,
    profile,
    profile_window,
    regression,
    served,
)
from viridian.api.performance import SCORE_BINS, Classified, Regressed, score_bin
from viridian.api.profile import Categories, Task
from viridian.feedback.figures import windows
from viridian.feedback.figures.spans import Spans
from viridian.feedback.figures.windows import WindowSums

CLASSES = ("stays", "leaves")


async def test_binary_figures_are_those_of_the_rows(stand: Stand) -> None:
    chance = random.Random(3)
    scores = [0.0, 1.0, 0.5, 0.29, 0.57, *(chance.random() for _ in range(400))]
    actual = [chance.random() < score for score in scores]
    rows = [
        prediction(number, score=score, prediction=CLASSES[score > 0.4], time=START + number)
        for number, score in enumerate(scores)
    ]
    await stand.server.predict(batch(rows))
    told = [number for number in range(len(rows)) if number % 4]
    await stand.server.outcomes(*(outcome(number, CLASSES[actual[number]]) for number in told))
    found = await stand.admin.windows(START, START + 405, 100)
    assert [window.performance.predicted for window in found] == [100, 100, 100, 100, 5]
    for number, window in enumerate(found):
        inside = [index for index in told if index // 100 == number]
        joined = window.performance.joined
        assert isinstance(joined, Classified)
        assert window.performance.labelled == len(inside)
        cells = Counter((actual[index], scores[index] > 0.4) for index in inside)
        assert joined.confusion == tuple(tuple(cells[row, column] for column in (False, True)) for row in (False, True))
        bins = Counter((actual[index], score_bin(scores[index])) for index in inside)
        assert joined.score_positives == tuple(bins[True, place] for place in range(SCORE_BINS))
        assert joined.score_negatives == tuple(bins[False, place] for place in range(SCORE_BINS))
        squares = [(scores[index] - actual[index]) ** 2 for index in inside]
        assert joined.squared_error == pytest.approx(math.fsum(squares), rel=1e-12)
        right = [scores[index] if actual[index] else 1 - scores[index] for index in inside]
        losses = [-math.log(max(share, 2.0**-52)) for share in right]
        assert joined.log_loss == pytest.approx(math.fsum(losses), rel=1e-9)


async def test_rows_without_a_score_are_in_the_confusion_alone(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(0, score=None), prediction(1)]))
    await stand.server.outcomes(outcome(0, "stays"), outcome(1, "leaves"))
    (window,) = await stand.admin.windows(START, START + 10, 10)
    joined = window.performance.joined
    assert isinstance(joined, Classified)
    assert joined.confusion == ((1, 0), (0, 1))
    assert sum(joined.score_positives) + sum(joined.score_negatives) == 1


async def test_several_classes(stand: Stand) -> None:
    by = served(task=Task.MULTICLASS, classes=("red", "green", "blue"))
    said = ["red", "green", "blue", "blue", "red"]
    await stand.server.predict(batch([prediction(n, prediction=one, score=None) for n, one in enumerate(said)], by))
    await stand.server.outcomes(*(outcome(n, one) for n, one in enumerate(["red", "red", "blue", "green"])))
    (window,) = await stand.admin.windows(START, START + 10, 10)
    assert (window.performance.predicted, window.performance.labelled) == (5, 4)
    assert isinstance(window.performance.joined, Classified)
    assert window.performance.joined.confusion == ((1, 1, 0), (0, 0, 1), (0, 0, 1))
    assert window.performance.joined.score_positives == ()


async def test_numbers(stand: Stand) -> None:
    chance = random.Random(4)
    pairs = [(chance.gauss(0, 5), chance.gauss(1, 5)) for _ in range(50)]
    rows = [prediction(n, prediction=said, score=None) for n, (said, _) in enumerate(pairs)]
    await stand.server.predict(batch(rows, regression()))
    await stand.server.outcomes(*(outcome(n, true) for n, (_, true) in enumerate(pairs)))
    (window,) = await stand.admin.windows(START, START + 50, 50)
    joined = window.performance.joined
    assert isinstance(joined, Regressed)
    errors = [said - true for said, true in pairs]
    expected = Regressed(
        rows=50,
        error=sum(errors),
        absolute_error=sum(map(abs, errors)),
        squared_error=sum(error**2 for error in errors),
        fourth_power_error=sum(error**4 for error in errors),
        outcome=sum(true for _, true in pairs),
        squared_outcome=sum(true**2 for _, true in pairs),
    )
    for name in Regressed.__struct_fields__:
        assert getattr(joined, name) == pytest.approx(getattr(expected, name), rel=1e-9), name


async def test_slots_of_a_revision_are_counted_together_and_revisions_apart(stand: Stand) -> None:
    await stand.server.predict(batch(map(prediction, range(3))))
    await stand.server.predict(batch(map(prediction, range(3, 7)), served(slot="blue")))
    await stand.server.predict(batch(map(prediction, range(7, 9)), served(revision="7f3c91d2", version="6")))
    await stand.server.outcomes(*(outcome(number, "leaves") for number in range(9)))
    found = await stand.admin.windows(START, START + 10, 10)
    assert [(w.version, w.performance.predicted) for w in found] == [("7", 7), ("6", 2)]
    assert [w.version for w in await stand.admin.windows(START, START + 10, 10, revision="7f3c91d2")] == ["6"]


async def test_windows_are_half_open_and_empty_ones_are_left_out(stand: Stand) -> None:
    await stand.server.predict(batch([prediction(0), prediction(10), prediction(40)]))
    found = await stand.admin.windows(START, START + 40, 10)
    assert [(window.start - START, window.end - START) for window in found] == [(0, 10), (10, 20)]


async def send(stand: Stand, sequence: int, *counts: int, pod: str = "a") -> None:
    window = profile_window(sequence, profile((counts[0], counts[1]), (counts[0], counts[1])), pod=pod)
    await stand.server.ok("POST", "/v1/profiles", content=msgspec.json.encode(window))


async def rows_of_profiles(stand: Stand) -> list[int]:
    return [w.profile.rows if w.profile else 0 for w in await stand.admin.windows(START, START + 600, 300)]


async def test_profiles_of_pods_and_minutes_merge_and_late_ones_are_added(stand: Stand) -> None:
    await send(stand, 0, 3, 1)
    await send(stand, 4, 1, 1)
    await send(stand, 5, 5, 0)
    assert await rows_of_profiles(stand) == [6, 5]
    await send(stand, 0, 2, 2, pod="b")
    assert await rows_of_profiles(stand) == [10, 5]
    stand.clock.now = START + 400 * 86_400 + 121
    await stand.collector.sweeper.sweep()
    assert await rows_of_profiles(stand) == [7], "two of them are too old, and what is left has become one hour"


async def test_without_profiles_only_predictions_and_outcomes_are_looked_at(stand: Stand) -> None:
    await send(stand, 0, 3, 1)
    await send(stand, 5, 5, 0)
    await stand.server.predict(batch([prediction(1)]))
    await stand.server.outcomes(outcome(1, "leaves"))
    (window,) = await stand.admin.windows(START, START + 600, 300, profile="false")
    assert (window.profile, window.performance.labelled) == (None, 1)
    first, _ = await stand.admin.windows(START, START + 600, 300, profile="true")
    assert first.profile is not None
    assert first.performance == window.performance
    params = {"start": str(START), "end": str(START + 300), "seconds": "300", "profile": "perhaps"}
    answer = await stand.admin.send("GET", "/v1/windows/ml/churn", params=params)
    assert (answer.status_code, "profile as true or false" in answer.text) == (400, True)


async def test_profiles_that_would_be_too_long_an_answer_are_refused(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(stand, 0, 3, 1)
    await send(stand, 5, 5, 0)
    monkeypatch.setattr(windows, "MAX_ANSWER_BYTES", 1_000)
    params = {"start": str(START), "end": str(START + 600), "seconds": "300"}
    answer = await stand.admin.send("GET", "/v1/windows/ml/churn", params=params)
    assert (answer.status_code, "profile=false" in answer.text) == (400, True)
    assert len(await stand.admin.windows(START, START + 300, 300)) == 1


async def test_no_more_merged_profiles_are_remembered_than_fit(stand: Stand) -> None:
    for sequence in range(20):
        await send(stand, sequence, 3, sequence)
    few = WindowSums(stand.collector.engine, remembered_bytes=2_000)
    spans = Spans.checked(START, START + 1_200, 60)
    for _ in range(2):
        found = list(few.of("ml", "churn", spans))
        assert [window.profile.rows for window in found if window.profile] == [3 + number for number in range(20)]
        assert 0 < few._memory._size <= 2_000
        assert few._memory._size == sum(entry.size for entry in few._memory._entries.values())


async def test_servers_of_one_revision_that_count_differently_are_told_apart_from_nothing(stand: Stand) -> None:
    await send(stand, 0, 3, 1)
    other = profile((1, 1), (1, 1))
    changed = msgspec.structs.replace(other, prediction=Categories(names=("x",), counts=(2,)))
    content = msgspec.json.encode(profile_window(1, changed, pod="b"))
    await stand.server.ok("POST", "/v1/profiles", content=content)
    params = {"start": str(START), "end": str(START + 300), "seconds": "300"}
    assert (await stand.admin.send("GET", "/v1/windows/ml/churn", params=params)).status_code == 409


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [("0", "0", "1"), ("1", "0", "1"), ("0", "1", "0"), ("0", "1e9", "1"), ("nan", "1", "1")],
)
async def test_windows_that_are_none(stand: Stand, start: str, end: str, seconds: str) -> None:
    params = {"start": start, "end": end, "seconds": seconds}
    assert (await stand.admin.send("GET", "/v1/windows/ml/churn", params=params)).status_code == 400


async def test_of_a_deployment_that_nobody_knows_nothing_is_known(stand: Stand) -> None:
    assert await stand.admin.windows(START, START + 10, 10) == []


async def test_outcomes_under_another_definition_of_the_label_are_not_known(stand: Stand) -> None:
    """R25: after a change of the definition, what was labelled under the old one does not count."""
    rows = [prediction(number, score=0.9, prediction="leaves", time=START + number) for number in range(30)]
    await stand.server.predict(batch(rows))
    definitions = ("churned-90d", "churned-30d", "")
    await stand.server.outcomes(
        *(outcome(number, "leaves", label_definition=definitions[number % 3]) for number in range(30))
    )
    for label, labelled in (("", 30), ("churned-30d", 10), ("churned-90d", 10), ("other", 0)):
        (window,) = await stand.admin.windows(START, START + 100, 100, **({"label": label} if label else {}))
        assert (window.performance.predicted, window.performance.labelled) == (30, labelled)


async def test_numbers_under_another_definition_of_the_label_are_not_known(stand: Stand) -> None:
    rows = [prediction(number, prediction=1.0, time=START + number) for number in range(4)]
    await stand.server.predict(batch(rows, regression()))
    await stand.server.outcomes(
        *(outcome(number, 3.0, label_definition="new" if number else "old") for number in range(4))
    )
    (window,) = await stand.admin.windows(START, START + 100, 100, label="new")
    assert (window.performance.predicted, window.performance.labelled) == (4, 3)
    assert isinstance(window.performance.joined, Regressed)
    assert window.performance.joined.absolute_error == 6.0
