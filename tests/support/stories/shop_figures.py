"""What follows from what happened to the shop, and what is promised of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from tests.support.stories.shop import CLICK_THROUGH, DAYS
from tests.support.stories.story_record import Promise, StoryRecord, mean, percent
from viridian.api.reasons import EVENT_PROMOTED

PICTURE: Final = (
    "Click-through over half a year with and without weekly runs, and the drift that is seen before the decay"
)
LAUNCH_DAYS: Final = 14
WEEK: Final = 7
DECAY: Final = -0.08
RECOVERED: Final = -0.04
LIFT_AT_LAUNCH: Final = 0.15
MOST_RUNS: Final = 2
DRIFTS: Final = ("category", "price-sensitivity")


def derived(told: StoryRecord) -> StoryRecord:
    """What follows from what happened."""
    with_it, without, unsorted = (told.series[name] for name in ("with weekly runs", "without", "unsorted"))
    launch = mean(with_it[:LAUNCH_DAYS])
    alarm = told.first_fired(CLICK_THROUGH).day
    recovered = _recovered(told, launch)
    week, last = slice(recovered, recovered + WEEK), slice(DAYS - 4 * WEEK, DAYS)
    drifts = {monitor: told.first_fired(monitor).day for monitor in DRIFTS}
    return msgspec.structs.replace(
        told,
        milestones={**told.milestones, **drifts, CLICK_THROUGH: alarm, "recovered": recovered},
        figures={
            "launch": launch,
            "lift at launch": launch / mean(unsorted[:LAUNCH_DAYS]) - 1,
            "decay at the alarm": mean(with_it[alarm - WEEK : alarm]) / launch - 1,
            "runs until recovered": sum(told.day_of(run.began) <= recovered for run in told.runs),
            "after the recovery": mean(with_it[week]) / launch - 1,
            "after the recovery, without": mean(without[week]) / launch - 1,
            "at the end": mean(with_it[last]) / launch - 1,
            "at the end, without": mean(without[last]) / launch - 1,
        },
    )


def _recovered(told: StoryRecord, launch: float) -> int:
    """The first day on which a version of the policy answers all day, and the click-through of a week is back."""
    with_it = told.series["with weekly runs"]
    promoted = [told.day_of(event.at) for event in told.told if event.reason == EVENT_PROMOTED]
    return next(day for day in range(promoted[1] + 1, DAYS) if mean(with_it[day : day + WEEK]) / launch - 1 > RECOVERED)


def promises(told: StoryRecord) -> Iterator[Promise]:
    """What has to be true of it."""
    at, of = told.milestones, told.figures
    yield Promise(
        f"At launch {percent(of['launch'])} of the strips that the model puts on top are opened, "
        f"{percent(of['lift at launch'])} more than of all strips.",
        of["lift at launch"] >= LIFT_AT_LAUNCH,
    )
    for monitor in DRIFTS:
        yield Promise(
            f"The drift of the {monitor.replace('-', ' ')} is seen on day {at[monitor]}, before the decay is.",
            at[monitor] < at[CLICK_THROUGH],
        )
    yield Promise(
        f"The decay is seen on day {at[CLICK_THROUGH]}: in the week before, the click-through is "
        f"{percent(-of['decay at the alarm'], 1)} below the launch.",
        of["decay at the alarm"] <= DECAY and 75 <= at[CLICK_THROUGH] <= 105,
    )
    yield Promise(
        f"The policy is applied on day {at['policy applied']}. From day {at['recovered']} on the click-through is "
        f"back, with run {of['runs until recovered']:.0f} of the policy.",
        1 <= of["runs until recovered"] <= MOST_RUNS and at["recovered"] - at["policy applied"] <= MOST_RUNS * WEEK,
    )
    yield Promise(
        f"In the week after, it is {percent(of['after the recovery'], 1)} beside the launch, and would be "
        f"{percent(of['after the recovery, without'], 1)} without a retraining.",
        of["after the recovery"] > RECOVERED > DECAY > of["after the recovery, without"],
    )
    yield Promise(
        f"In the last four weeks it is {percent(of['at the end'], 1)} beside the launch with weekly runs, and would be "
        f"{percent(of['at the end, without'], 1)} without.",
        of["at the end"] > DECAY and of["at the end, without"] < 2 * DECAY,
    )
