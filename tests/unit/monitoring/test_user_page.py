"""docs/monitoring.md names what users meet as the code does, and quotes it word for word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.monitoring import test_decide as decisions
from tests.unit.monitoring import test_evaluate as windows
from tests.unit.monitoring import test_settling as settling
from viridian.api import reasons
from viridian.api.monitoring import Action, Against, Decision, Statistic
from viridian.api.monitoring import usual as usual_monitors
from viridian.api.performance import PerformanceMetric
from viridian.judgement.drift import FLOOR, MIN_SAMPLES, THRESHOLDS
from viridian.judgement.figures import MonitorVerdict

PAGE = (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text()
QUOTED = [line for block in re.findall(r"```text\n(.*?)```", PAGE, flags=re.S) for line in block.splitlines()]
CONDITIONS = (
    *(reasons.MONITORED, reasons.DATA_DRIFT, reasons.PREDICTION_DRIFT, reasons.CONCEPT_DRIFT, reasons.DECAY),
    reasons.REVIEW_REQUIRED,
)
REASONS = (
    *(reasons.WINDOWS_JUDGED, reasons.NO_COLLECTOR, reasons.COLLECTOR_UNAVAILABLE, reasons.COLLECTOR_REFUSED),
    *(reasons.FEATURE_SHIFT, reasons.PREDICTION_SHIFT, reasons.MORE_ERRORS, reasons.DECLINING, reasons.BEYOND_LIMIT),
    *(reasons.ESTIMATED_BEYOND_LIMIT, reasons.WITHIN_THRESHOLDS, reasons.INSUFFICIENT_DATA),
    *(reasons.NOTHING_TO_REVIEW, reasons.REVIEWED, reasons.NOT_JUDGED),
)
EVENTS = (
    *(reasons.EVENT_MONITOR_FIRED, reasons.EVENT_MONITOR_QUIET, reasons.EVENT_REVIEW_REQUIRED),
    *(reasons.EVENT_REVIEWED, reasons.EVENT_MONITORING_BLIND),
)


@pytest.mark.parametrize(
    "words", [CONDITIONS, REASONS, EVENTS, MonitorVerdict, Statistic, Against, Action, PerformanceMetric], ids=str
)
def test_every_word_is_explained(words: tuple[str, ...]) -> None:
    assert [word for word in words if f"`{word}" not in PAGE and f": {word}`" not in PAGE] == []


def test_the_defaults_are_those_of_the_code() -> None:
    for statistic, threshold in THRESHOLDS.items():
        assert re.search(rf"\| `{statistic}`.*\| {threshold:g} \|\n", PAGE)
    for monitor in usual_monitors():
        assert f"`{monitor.name}`" in PAGE
    least, floor = MIN_SAMPLES[Decision.LOWER_BOUND], FLOOR[Decision.LOWER_BOUND]
    point = MIN_SAMPLES[Decision.POINT], FLOOR[Decision.POINT]
    assert (
        f"`minSamples` is {least} by default and at least {floor}; with `decision: Point` {point[0]} and {point[1]}."
        in PAGE
    )


def test_what_is_quoted_is_what_is_said() -> None:
    said, latest, hours = windows.said, windows.latest, windows.hours
    ten, reference = windows.ten(drifted=2), windows.TEN
    asking = decisions.story(decisions.seen(shift=0.6, asked=decisions.by_point()))
    spoken = {
        *(said(latest(**parts), windows.AGE).sentence for parts in ({"shift": 0.6}, {"rows": 20})),
        *(said(latest(**parts), {"drift": {}}).sentence for parts in ({"shift": 1.0}, {})),
        said(latest(new_plans=0.1), {"drift": {"statistic": "NewCategories"}}).sentence,
        said(ten, {"drift": {"share": 0.2}}, reference=reference).sentence,
        said(latest(), windows.SEASON).sentence,
        said(latest(), {"drift": {"features": ["aeg"]}}).sentence,
        said(latest(score_shift=0.3), {"predictionDrift": {}}).sentence,
        said(hours(0.79, 0.79, 0.79), windows.ACCURACY).sentence,
        said(hours(0.79, labels=100), windows.ACCURACY).sentence,
        said(hours(0.82), windows.DROP).sentence,
        said(hours(0.5), windows.ACCURACY, predictions_kept=False).sentence,
        said(latest(labels=1000, accuracy=0.7), {"conceptDrift": {"metric": "accuracy"}}).sentence,
        said(hours(*(0.95 - 0.02 * hour for hour in range(10))), windows.DECAY).sentence,
        said(latest(), windows.ESTIMATE).sentence,
        decisions.condition(asking, reasons.REVIEW_REQUIRED)["message"],
        settling.over([{"age": 0.9, "income": 0.9}, {"age": 0.45, "income": 0.0}], settling.POINT).entry["message"],
    }
    assert sorted(QUOTED) == sorted(spoken)
