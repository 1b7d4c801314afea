"""The stories by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.support.stories import bank, bank_figures, shop, shop_figures
from tests.support.stories.story_record import Promise, StoryRecord
from tests.support.stories.story_world import Staging


@dataclass(frozen=True)
class Story:
    """One that can be told."""

    staging: Callable[[], Staging]
    tell: Callable[[], StoryRecord]
    derived: Callable[[StoryRecord], StoryRecord]
    """With its figures, and the days that follow from what happened."""
    promises: Callable[[StoryRecord], Iterator[Promise]]
    picture: str
    """What the picture shows, for those who do not see it."""


STORIES: Final[Mapping[str, Story]] = {
    shop.STORY: Story(shop.staging, shop.tell, shop_figures.derived, shop_figures.promises, shop_figures.PICTURE),
    bank.STORY: Story(bank.staging, bank.tell, bank_figures.derived, bank_figures.promises, bank_figures.PICTURE),
}
