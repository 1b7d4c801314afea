"""A number near its threshold makes no alarms by turns, and a real shift is reported as early as ever."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.watched import HOUR, monitoring
from tests.unit.monitoring.test_decide import NOW, inputs, status
from viridian.api import reasons
from viridian.api.feedback import Window
from viridian.api.monitoring import Monitoring
from viridian.api.performance import Performance
from viridian.api.profile import Numbers, Profile, ReferenceProfile, Sketch, Task
from viridian.core.monitor_results import parse_results
from viridian.judgement.figures import MonitorVerdict
from viridian.monitoring.decide import decide
from viridian.monitoring.evaluate import MonitoringData, evaluate
from viridian.monitoring.input import MonitoringInput
from viridian.monitoring.windows import Windows, calendar

ROWS, KNOWN = 2000, 100_000
Shifts = Mapping[str, float]


def values(mean: float, rows: int = ROWS) -> Numbers:
    """So many values with a standard deviation of 1."""
    return Numbers(edges=(0.0,), counts=(0, rows), mean=mean, m2=float(rows - 1), finite=rows)


def profile_of(features: Shifts, rows: int) -> Profile:
    sketches: dict[str, Sketch] = {name: values(mean, rows) for name, mean in features.items()}
    return Profile(features=sketches, prediction=values(0.0, rows), rows=rows, sampled=rows)


def asked(**drift: Any) -> Monitoring:
    return monitoring({"name": "age", "drift": {"statistic": "MeanShift", "threshold": 0.5, **drift}})


def judged(hour: int, shift: float | Shifts, asking: Monitoring, rows: int = ROWS) -> MonitoringInput:
    """One window, in which the mean of age (or of several features) has moved by so many standard deviations."""
    features = shift if isinstance(shift, Mapping) else {"age": shift}
    days = calendar(asking, "0s", NOW + timedelta(hours=hour))
    found = Window(
        revision="r1",
        version="1",
        start=days.start,
        end=days.start + HOUR,
        profile=profile_of(features, rows),
        performance=Performance(predicted=0, labelled=0),
    )
    report = evaluate(
        MonitoringData(
            monitoring=asking,
            revision="r1",
            calendar=days,
            windows=Windows.of([found]),
            reference=ReferenceProfile(
                task=Task.REGRESSION, profile=profile_of(dict.fromkeys(features, 0.0), KNOWN), label=values(0.0)
            ),
        )
    )
    return inputs(asking, evaluation=report)


@dataclass
class Watch:
    """What came of some windows in a row."""

    before: Mapping[str, Any]
    events: list[str]
    verdicts: list[str]
    writes: int = 0
    rows: int = 0

    @property
    def entry(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.before["monitoring"]["monitors"][0]
        return found


def watched(passes: Iterable[MonitoringInput], counted: frozenset[str] = frozenset()) -> Watch:
    found = Watch({}, [], [])
    for hour, one in enumerate(passes):
        plan = decide(replace(one, status=found.before, counted=counted), NOW + timedelta(hours=hour))
        found.writes += status(plan)["monitoring"] != found.before.get("monitoring")
        found.before = status(plan)
        found.events += [event.reason for event in plan.news]
        found.verdicts.append(found.entry["verdict"])
    results = parse_results(found.before["monitoring"])
    found.rows = sum(one.windows for one in results.fired()) if results is not None else 0
    return found


def over(shifts: Sequence[float | Shifts], asking: Monitoring, **more: Any) -> Watch:
    return watched((judged(hour, shift, asking) for hour, shift in enumerate(shifts)), **more)


def transitions(verdicts: Sequence[str]) -> int:
    return sum(one != other for one, other in pairwise(verdicts))


POINT = asked(decision="Point")
FIRED, QUIET = reasons.EVENT_MONITOR_FIRED, reasons.EVENT_MONITOR_QUIET


def test_two_hundred_windows_by_turns_beyond_and_within_are_one_alarm() -> None:
    found = over([0.51, 0.49] * 100, POINT)
    assert (found.events, found.verdicts, found.writes) == ([FIRED], ["Fired"] * 200, 1)


@given(st.lists(st.floats(0.43, 0.6), min_size=1, max_size=20))
def test_a_number_that_stays_near_its_threshold_fires_once_at_most(shifts: list[float]) -> None:
    found = over(shifts, POINT)
    assert transitions(found.verdicts) <= 1
    assert found.events in ([], [FIRED])


@given(st.lists(st.floats(0.42, 0.8), min_size=1, max_size=20))
def test_the_same_beyond_chance(shifts: list[float]) -> None:
    """By LowerBound it fires beyond about 0.57 of these rows, and is quiet again at 0.4."""
    assert transitions(over(shifts, asked()).verdicts) <= 1


@pytest.mark.parametrize(
    ("decision", "mean", "rows"),
    [("Point", 0.45, 500), ("Point", 0.5, 500), ("Point", 0.5, 2000), ("LowerBound", 0.6, 500)],
)
def test_chance_makes_few_alarms_wherever_the_true_number_lies(decision: str, mean: float, rows: int) -> None:
    """Without memory it is 44 to 92 changes in 200 windows."""
    asking, chance = asked(decision=decision, minSamples=200), random.Random(7)
    shifts = [chance.gauss(mean, (1 / rows + 1 / KNOWN) ** 0.5) for _ in range(200)]
    found = watched(judged(hour, shift, asking, rows) for hour, shift in enumerate(shifts))
    assert transitions(found.verdicts) <= 10


@given(st.lists(st.floats(0.0, 1.0), max_size=10), st.sampled_from(["Point", "LowerBound"]))
def test_a_real_shift_is_reported_in_the_window_that_shows_it(before: list[float], decision: str) -> None:
    """Whatever was there before: memory keeps an alarm, and never one from beginning."""
    asking = asked(decision=decision)
    shifts = [*before, 0.9]
    found = over(shifts, asking)
    by_itself = [over([shift], asking).verdicts[0] for shift in shifts]
    assert all(
        verdict == MonitorVerdict.FIRED
        for verdict, alone in zip(found.verdicts, by_itself, strict=True)
        if alone == MonitorVerdict.FIRED
    )
    assert found.verdicts[-1] == "Fired"
    assert found.verdicts.count("Fired") == 1 or found.verdicts.index("Fired") == by_itself.index("Fired")


@pytest.mark.parametrize(("asking", "near", "within"), [(POINT, 0.42, 0.39), (asked(), 0.41, 0.39)])
def test_what_is_well_within_the_threshold_is_quiet_at_once(asking: Monitoring, near: float, within: float) -> None:
    assert over([0.9, near], asking).verdicts == ["Fired", "Fired"]
    found = over([0.9, within], asking)
    assert (found.verdicts, found.events) == (["Fired", "Quiet"], [FIRED, QUIET])
    assert "firingSince" not in found.entry


def test_the_sentence_has_the_number_at_which_it_is_quiet_again() -> None:
    both = {"age": 0.9, "income": 0.0}
    found = over([{**both, "income": 0.9}, {**both, "age": 0.45}], POINT)
    assert found.entry["message"].endswith(
        "age: the mean has moved by 0.45 standard deviations against the training data, not above 0.5 "
        "(2000 and 100000 values); it has fired, and is quiet again at 0.4 or less"
    )


def test_a_feature_that_has_not_fired_keeps_no_alarm_of_another_one() -> None:
    found = over([{"age": 0.9, "income": 0.45}, {"age": 0.1, "income": 0.45}], POINT)
    assert found.verdicts == ["Fired", "Quiet"]


def test_of_more_features_than_a_status_shows_each_lasts() -> None:
    many = {f"f{number}": 0.9 for number in range(8)}
    share = asked(decision="Point", share=0.9)
    assert over([many, dict.fromkeys(many, 0.45)], share).verdicts == ["Fired", "Fired"]


def test_another_threshold_or_statistic_begins_afresh() -> None:
    first, higher = judged(0, 0.52, POINT), judged(1, 0.52, asked(decision="Point", threshold=0.53))
    assert watched([first, higher]).verdicts == ["Fired", "Quiet"]


def test_a_window_with_too_little_data_is_no_end_of_an_alarm() -> None:
    """A model that nobody asks at night has one alarm, and not one each morning."""
    days = [(0, 0.9, ROWS), (1, 0.9, 20), (2, 0.45, ROWS), (3, 0.9, 20), (4, 0.9, ROWS), (5, 0.1, ROWS)]
    found = watched(judged(hour, shift, POINT, rows) for hour, shift, rows in days)
    assert found.verdicts == ["Fired", "InsufficientData", "Fired", "InsufficientData", "Fired", "Quiet"]
    assert found.events == [FIRED, QUIET]


def test_the_begin_of_an_alarm_is_known_until_it_ends() -> None:
    found = watched([judged(0, 0.9, POINT), judged(1, 0.9, POINT, 20), judged(2, {"age": 0.9, "income": 0.9}, POINT)])
    assert found.entry["firingSince"] == "2026-11-24T12:00:00Z"


def test_a_trigger_counts_the_windows_that_are_beyond_and_no_others() -> None:
    counted = frozenset({"age"})
    assert over([0.6, 0.6], POINT, counted=counted).rows == 2
    assert over([0.6, 0.6, 0.45], POINT, counted=counted).rows == 2, "what was counted stays as it was"
    assert over([0.6, 0.6, 0.45, 0.6], POINT, counted=counted).rows == 1, "a row ends within the threshold"


def test_a_window_that_only_lasts_is_no_new_one_for_what_acts_on_alarms() -> None:
    """Another feature changes what is shown, while the alarm is kept by its memory."""
    windows = [{"age": 0.9, "income": 0.9}, {"age": 0.45, "income": 0.1}]
    results = parse_results(over(windows, POINT).before["monitoring"])
    assert results is not None
    (fired,) = results.fired()
    assert (fired.last, results.end) == (results.end - timedelta(hours=1), results.end)


@given(st.lists(st.floats(0.3, 0.7), min_size=1, max_size=6))
def test_a_window_that_is_judged_again_changes_nothing(shifts: list[float]) -> None:
    """As after a restart, or a write that was not seen."""
    once = over(shifts, POINT)
    twice = watched(judged(hour, shift, POINT) for hour, shift in enumerate(shifts) for _ in range(2))
    assert (twice.before["monitoring"], twice.events) == (once.before["monitoring"], once.events)


@pytest.mark.parametrize("left", ["nonsense", {"name": 7}, {"name": "age", "verdict": "Fired", "figures": 7}])
def test_a_status_that_another_client_wrote_does_no_harm(left: Any) -> None:
    one = replace(judged(0, 0.45, POINT), status={"monitoring": {"revision": "r1", "monitors": [left]}})
    assert status(decide(one, NOW))["monitoring"]["monitors"][0]["verdict"] == "Quiet"
