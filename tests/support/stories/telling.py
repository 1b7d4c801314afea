"""From a world in which a story has happened to its record."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.support.stories.live_rows import OUTCOME, DayOfRows
from tests.support.stories.story_record import MonitorFinding, StoryRecord, StoryRun, ToldEvent
from tests.support.stories.story_world import StoryWorld
from viridian.core.times import parse_time
from viridian.judgement.figures import MonitorVerdict

PACKAGES: Final = ("scikit-learn", "numpy", "pandas")
DIGITS: Final = 4
"""Of what is recorded: a last bit that differs between two computers shall not change a record."""

Mask = NDArray[np.bool_]
Measure = Callable[[DayOfRows, Mask], float | None]
"""Of the rows of a day, of which the model has said these to be positive."""


def record(
    story: str,
    world: StoryWorld,
    *,
    days: int,
    series: Mapping[str, Iterable[float | None]],
    milestones: Mapping[str, int],
) -> StoryRecord:
    """Everything that happened until now, with what the story adds to it."""
    return StoryRecord(
        story=story,
        files=world.files,
        versions={"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        cpu_seconds=round(time.process_time(), 1),
        begin=world.staging.begin,
        days=days,
        series={name: tuple(_rounded(value) for value in values) for name, values in series.items()},
        milestones=dict(milestones),
        figures={},
        findings=tuple(_findings(world)),
        runs=tuple(_runs(world)),
        told=tuple(
            ToldEvent(at=at, about=event["regarding"]["kind"], reason=event["reason"], message=event["note"])
            for at, event in world.events()
        ),
    )


def served(world: StoryWorld, days: int, measure: Measure) -> list[float | None]:
    """For each day, the measure of what the pods answered."""
    return [measure(day, _positive_as_answered(world, day)) for day in map(world.rows.day, range(days))]


def had_it_served(world: StoryWorld, version: str, days: int, measure: Measure) -> list[float | None]:
    """The same of a version, had it alone answered the same users all the time."""
    model = world.model_of(version)
    return [measure(day, day.says(model).values == model.classes[1]) for day in map(world.rows.day, range(days))]


def precision(positive: str) -> Measure:
    """Of what is said to be positive, the share that is."""
    return lambda day, says: _share(says & (day.frame[OUTCOME] == positive).to_numpy(), says)


def base_rate(positive: str) -> Measure:
    """The share of positive rows, whatever the model says."""
    return lambda day, _: float((day.frame[OUTCOME] == positive).mean())


def recall(positive: str) -> Measure:
    """Of what is positive, the share that is said to be."""
    return lambda day, says: _share(says & (day.frame[OUTCOME] == positive).to_numpy(), day.frame[OUTCOME] == positive)


def false_positive_rate(positive: str) -> Measure:
    """Of what is negative, the share that is said to be positive."""
    return lambda day, says: _share(says & (day.frame[OUTCOME] != positive).to_numpy(), day.frame[OUTCOME] != positive)


def found_of(column: str, value: str) -> Measure:
    """Of the rows with a value in a column, the share that is said to be positive; None of a day without any."""
    return lambda day, says: _share(says & (day.frame[column] == value).to_numpy(), day.frame[column] == value)


def _positive_as_answered(world: StoryWorld, day: DayOfRows) -> Mask:
    says = np.zeros(len(day.frame), dtype=bool)
    for place, model in world.rows.answering():
        rows = day.answered == place
        if rows.any():
            says[rows] = (day.says(model).values == model.classes[1])[rows]
    return says


def _share(part: Mask, whole: Mask) -> float | None:
    count = int(np.sum(whole))
    return float(np.sum(part)) / count if count else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _findings(world: StoryWorld) -> Iterable[MonitorFinding]:
    begin = world.staging.begin
    for _, report in world.reports:
        day = round((report.calendar.end - begin.timestamp()) / 86_400)
        for result in report.results:
            if result.verdict is MonitorVerdict.INSUFFICIENT_DATA:
                continue
            figure = result.figures[0]
            yield MonitorFinding(
                day=day,
                monitor=result.name,
                verdict=str(result.verdict),
                value=_rounded(figure.value),
                threshold=_rounded(figure.threshold),
            )


def _runs(world: StoryWorld) -> Iterable[StoryRun]:
    """The oldest first."""
    for run in sorted(world.ended.values(), key=lambda one: str(one["startedAt"])):
        began = parse_time(run["startedAt"])
        assert began is not None
        yield StoryRun(
            id=run["id"],
            began=began,
            reasons=tuple(run["reasons"]),
            outcome=run["outcome"],
            message=run.get("message", ""),
            version=run.get("version", ""),
        )
