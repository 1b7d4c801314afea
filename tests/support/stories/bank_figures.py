"""What follows from what happened to the bank, and what is promised of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from tests.support.stories.bank import DAYS
from tests.support.stories.story_record import Promise, StoryRecord, StoryRun, mean, percent

PICTURE: Final = "False alarms until the goal is reached, and thefts that are found, with and without new versions"
FEWER: Final = -0.20
CAUGHT: Final = 0.6
"""A kind of theft is caught from the first day on which so large a share of it is found."""
MOST_DAYS_UNTIL_FOUND: Final = 5
MOST_DAYS_UNTIL_CAUGHT: Final = 10
MONITOR: Final = "found-thefts"


def derived(told: StoryRecord) -> StoryRecord:
    """What follows from what happened."""
    series, reached, begins = told.series, told.milestones["goal reached"], told.milestones["new pattern"]
    after = slice(reached + 1, reached + 15)
    new_kind = series["new kind found"]
    caught = next(day for day in range(begins, DAYS) if (new_kind[day] or 0.0) >= CAUGHT)
    alarms, without = mean(series["false alarms"][after]), mean(series["false alarms, without"][after])
    seen = told.first_fired(MONITOR, since=begins + 1).day
    return msgspec.structs.replace(
        told,
        milestones={**told.milestones, "pattern seen": seen, "caught": caught},
        figures={
            "false alarms at first": mean(series["false alarms"][:14]),
            "false alarms": alarms,
            "false alarms, without": without,
            "change of false alarms": alarms / without - 1,
            "found": mean(series["found"][after]),
            "found, without": mean(series["found, without"][after]),
            "new kind found": mean(new_kind[caught : caught + 14]),
            "new kind found, without": mean(series["new kind found, without"][caught : caught + 14]),
        },
    )


def promises(told: StoryRecord) -> Iterator[Promise]:
    """What has to be true of it."""
    at, of = told.milestones, told.figures
    first, second = told.runs[0], told.runs[1]
    yield Promise(
        f"The first sprint has more rows and no new feature: the gate asks for a fifth fewer false alarms, and the run "
        f"is {first.outcome}.",
        first.outcome == "Rejected" and _makes_it(told, first),
    )
    yield Promise(
        f"The second sprint knows the fingerprint: the run is {second.outcome}, and version {second.version} wins its "
        f"A/B test on day {at['goal reached']}.",
        second.outcome == "HandedOver" and at["fingerprint"] < told.day_of(second.began) < at["goal reached"],
    )
    yield Promise(
        f"In the 14 days after, {percent(of['false alarms'], 1)} of the genuine payments are stopped in place of "
        f"{percent(of['false alarms, without'], 1)} with version 1, {percent(-of['change of false alarms'])} fewer.",
        of["change of false alarms"] <= FEWER,
    )
    yield Promise(
        f"No fewer thefts are found for it: {percent(of['found'])} in place of {percent(of['found, without'])}.",
        of["found"] >= of["found, without"] - 0.02,
    )
    yield Promise(
        f"The new kind of theft begins on day {at['new pattern']}. The monitor fires "
        f"{at['pattern seen'] - at['new pattern']} days later, "
        f"{told.day_of(_next_of_the_cadence(told)) - at['pattern seen']} days before the next run of the cadence.",
        at["pattern seen"] - at["new pattern"] <= MOST_DAYS_UNTIL_FOUND,
    )
    yield Promise(
        f"After {at['caught'] - at['new pattern']} days the champion finds {percent(of['new kind found'])} of the new "
        f"kind, and version 1 would find {percent(of['new kind found, without'])}.",
        at["caught"] - at["new pattern"] <= MOST_DAYS_UNTIL_CAUGHT
        and of["new kind found"] > CAUGHT > of["new kind found, without"],
    )


def _makes_it(told: StoryRecord, first: StoryRun) -> bool:
    """The gate's own sentence is about false alarms, and the fingerprint is still to come."""
    return "fpr" in first.message and told.day_of(first.began) < told.milestones["fingerprint"]


def _next_of_the_cadence(told: StoryRecord) -> datetime:
    """The first scheduled run after the new kind was seen."""
    seen = told.date(told.milestones["pattern seen"])
    return next(
        at
        for at in (datetime(2026, month, day, 3, tzinfo=UTC) for month in range(3, 8) for day in (1, 15))
        if at > seen
    )
