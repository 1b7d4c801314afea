"""What the status shows of a feature in the window beside the training data: shares of groups, and no value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.support.sketches import categories, numbers
from tests.support.watched import PLANS, REFERENCE, monitoring, window
from viridian.api.monitoring_status import MAX_DISTRIBUTIONS, MonitoringStatus, ValueGroups
from viridian.api.profile import Sketch
from viridian.monitoring.distributions import MAX_GROUPS, distributions_of
from viridian.monitoring.evaluate import MonitoringData, evaluate
from viridian.monitoring.status import next_status
from viridian.monitoring.windows import Windows, calendar

NOW = datetime(2026, 11, 24, 12, 2, tzinfo=UTC)
ASKED = monitoring({"name": "plans", "drift": {"statistic": "PSI"}}, {"name": "ages", "drift": {"features": ["age"]}})


def shown(**parts: Any) -> MonitoringStatus:
    days = calendar(ASKED, "0s", NOW)
    windows = Windows.of([window(days.start, **parts)])
    data = MonitoringData(monitoring=ASKED, revision="r1", calendar=days, windows=windows, reference=REFERENCE)
    status = next_status(None, evaluate(data), None)
    assert status is not None
    assert not any(plan in json.dumps(status.get("distributions")) for plan in PLANS), "no value of a feature"
    return msgspec.convert(status, MonitoringStatus)


def test_a_shift_can_be_seen_group_by_group() -> None:
    age, plans = shown(shift=1.0, missing=0.1).distributions
    assert (age.feature, age.groups, len(age.reference)) == ("age", ValueGroups.NUMBERS, MAX_GROUPS)
    assert sum(age.reference) == pytest.approx(1, abs=0.01)
    assert sum(age.window) == pytest.approx(1, abs=0.01)
    assert age.window[0] < age.reference[0]
    assert age.window[-1] > 2 * age.reference[-1]
    assert age.reference_missing == 0.0
    assert age.window_missing == pytest.approx(0.1, abs=0.03)
    assert (plans.feature, plans.groups, len(plans.window)) == ("plan name", ValueGroups.CATEGORIES, 3)


def test_what_fires_comes_first_and_new_categories_are_among_the_others() -> None:
    plans, age = shown(new_plans=0.6).distributions
    assert (plans.feature, age.feature) == ("plan name", "age")
    assert plans.reference[-1] == 0
    assert plans.window[-1] == pytest.approx(0.6, abs=0.05)


def test_predictions_stand_beside_those_of_the_holdout() -> None:
    found = shown(shift=1.0).predictions
    assert found is not None
    assert found.groups is ValueGroups.NUMBERS
    assert sum(found.reference) == pytest.approx(1, abs=0.01)
    assert sum(found.window) == pytest.approx(1, abs=0.01)


FEW = numbers([1.0, 2.0, 3.0], [1.5, 2.5])


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (FEW, None),
        (None, FEW),
        (FEW, numbers([None, None], [1.5, 2.5])),
        (FEW, numbers([1.0], [7.0])),
        (FEW, categories(["a"], ["a"])),
        (categories(["a"], ["a"]), FEW),
    ],
    ids=["no window", "no reference", "all missing", "other bins", "now categories", "now numbers"],
)
def test_what_cannot_be_compared_is_left_out(before: Sketch | None, now: Sketch | None) -> None:
    reference, current = ({"x": one} if one is not None else {} for one in (before, now))
    assert not list(distributions_of(["x"], reference, current))


def test_a_value_that_all_rows_have_is_one_group() -> None:
    constant = numbers([5.0] * 10, [5.0])
    ((_, found),) = distributions_of(["x", "x"], {"x": constant}, {"x": constant})
    assert (list(found.reference), list(found.window)) == ([1.0], [1.0])


def test_categories_beyond_the_groups_are_others() -> None:
    names = [f"name-{number}" for number in range(30)]
    sketch = categories(names, names)
    ((_, found),) = distributions_of(["x"], {"x": sketch}, {"x": sketch})
    assert len(found.reference) == MAX_GROUPS
    assert found.reference[-1] == pytest.approx(21 / 30)


@pytest.mark.parametrize(
    ("names", "shown_features", "count"),
    [
        (
            [f"feature-{number}" for number in range(15)],
            [[f"feature-{number}"] for number in range(15)],
            MAX_DISTRIBUTIONS,
        ),
        ([f"{'long' * 200}{number}" for number in range(15)], [[]], 1),
        (["", "age"], [[]], 1),
    ],
    ids=["many", "names that are cut to the same", "a column without a name"],
)
def test_a_status_shows_few_features_and_each_once(
    names: list[str], shown_features: list[list[str]], count: int
) -> None:
    features = dict.fromkeys(names, FEW)
    profile = msgspec.structs.replace(REFERENCE.profile, features=features)
    asked = monitoring(
        *({"name": f"m{number}", "drift": {"features": one}} for number, one in enumerate(shown_features))
    )
    days = calendar(asked, "0s", NOW)
    report = evaluate(
        MonitoringData(
            monitoring=asked,
            revision="r1",
            calendar=days,
            windows=Windows.of([msgspec.structs.replace(window(days.start), profile=profile)]),
            reference=msgspec.structs.replace(REFERENCE, profile=profile),
        )
    )
    status = msgspec.convert(next_status(None, report, None), MonitoringStatus)
    assert len(status.distributions) == count
