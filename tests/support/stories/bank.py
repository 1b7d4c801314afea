"""The bank whose fraud changes: fifteen weeks with a run every two weeks.

The team works on fewer false alarms with a policy whose gate asks for a fifth fewer. Once live figures show that the
goal is reached, it applies the policy for the time after, which also starts a run when thefts are missed.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from examples.stories.bank.payments import FINGERPRINT_DAY, NEW_PATTERN_DAY, payments
from examples.stories.bank.train import fit
from tests.support.stories.story_record import EXAMPLES, StoryRecord
from tests.support.stories.story_world import LOOKS_EVERY, Staging, StoryWorld
from tests.support.stories.telling import (
    false_positive_rate,
    found_of,
    had_it_served,
    recall,
    record,
    served,
)

STORY: Final = "bank"
DAYS: Final = 105
DAYS_BEFORE_THE_NEXT_POLICY: Final = 7
"""For so long the team looks at the live figures of the version that was promoted."""
SECOND_LOOK: Final = 20.0
"""Seconds after the first."""
THEFT: Final = "theft"
NEW_KIND: Final = "talked into it"


def staging() -> Staging:
    return Staging(
        name="fraud",
        folder=EXAMPLES / STORY,
        begin=datetime(2026, 3, 2, tzinfo=UTC),
        generate=payments,
        history_days=14,
        fit=fit,
        outcome_after=86_400.0,
    )


class BankWorld(StoryWorld):
    """The operator looks twice: what it has asked the collector at a full hour is known seconds later.

    A verdict of an A/B test rests on answers that are new; on a cluster they are seconds old.
    """

    def _sleep(self) -> float:
        since = self.clock().timestamp() % LOOKS_EVERY
        return SECOND_LOOK - since if since < SECOND_LOOK else LOOKS_EVERY - since


def tell() -> StoryRecord:
    """Fifteen weeks; about a minute."""
    with closing(BankWorld(staging())) as world:
        world.launch()
        world.apply("model.yaml")
        world.apply("sprints.yaml")
        reached = 0
        for day in range(DAYS):
            world.pass_day()
            if not reached and world.champion not in ("", "1"):
                reached = day
            if reached and day == reached + DAYS_BEFORE_THE_NEXT_POLICY:
                world.apply("cadence.yaml")
        alarms, found, new_kind = false_positive_rate(THEFT), recall(THEFT), found_of("pattern", NEW_KIND)
        series = {
            "false alarms": served(world, DAYS, alarms),
            "false alarms, without": had_it_served(world, "1", DAYS, alarms),
            "found": served(world, DAYS, found),
            "found, without": had_it_served(world, "1", DAYS, found),
            "new kind found": served(world, DAYS, new_kind),
            "new kind found, without": had_it_served(world, "1", DAYS, new_kind),
        }
        milestones = {"fingerprint": FINGERPRINT_DAY, "goal reached": reached, "new pattern": NEW_PATTERN_DAY}
        return record(STORY, world, days=DAYS, series=series, milestones=milestones)
