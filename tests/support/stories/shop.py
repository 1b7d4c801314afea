"""The shop whose recommendations decay with the season: 26 weeks from winter to summer.

For three months the team works linearly: version 1 is launched and watched, nobody retrains. On the morning after the
alarm it applies the policy with a run each Sunday.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from examples.stories.shop.train import fit
from examples.stories.shop.visitors import visitors
from tests.support.stories.story_record import EXAMPLES, StoryRecord
from tests.support.stories.story_world import Staging, StoryWorld
from tests.support.stories.telling import base_rate, had_it_served, precision, record, served
from viridian.api.names import MODEL_DEPLOYMENT

STORY: Final = "shop"
DAYS: Final = 182
CLICK_THROUGH: Final = "click-through"
OPENS: Final = "opens"


def staging() -> Staging:
    return Staging(
        name="recommendations",
        folder=EXAMPLES / STORY,
        begin=datetime(2026, 1, 5, tzinfo=UTC),
        generate=visitors,
        history_days=28,
        fit=fit,
        outcome_after=3600.0,
    )


def tell() -> StoryRecord:
    """Half a year; some tens of seconds."""
    with closing(StoryWorld(staging())) as world:
        world.launch()
        world.apply("model.yaml")
        applied = DAYS
        for day in range(DAYS):
            world.pass_day()
            if applied == DAYS and _verdict(world) == "Fired":
                world.apply("retrain.yaml")
                applied = day + 1
        clicks = precision(OPENS)
        series = {
            "with weekly runs": served(world, DAYS, clicks),
            "without": had_it_served(world, "1", DAYS, clicks),
            "unsorted": had_it_served(world, "1", DAYS, base_rate(OPENS)),
        }
        return record(STORY, world, days=DAYS, series=series, milestones={"policy applied": applied})


def _verdict(world: StoryWorld) -> str:
    monitors = world.status(MODEL_DEPLOYMENT).get("monitoring", {}).get("monitors", ())
    return str(next((one["verdict"] for one in monitors if one["name"] == CLICK_THROUGH), ""))
