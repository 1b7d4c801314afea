"""`python -m tests.support.stories [--figures-alone] [shop|bank]…`: tells the stories, and writes what they came to.

`--figures-alone`: nothing is told; what follows from the records is computed anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.support.stories import story_record
from tests.support.stories.stories import STORIES


def main(arguments: Sequence[str]) -> int:
    """0 where every promise of every story holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.stories")
    parser.add_argument("--figures-alone", action="store_true")
    parser.add_argument("story", nargs="*", choices=[*STORIES, []])
    asked = parser.parse_args(arguments)
    return 1 if sum(_told(name, asked.figures_alone) for name in asked.story or STORIES) else 0


def _told(name: str, figures_alone: bool) -> int:
    """How many promises are broken."""
    story = STORIES[name]
    if not figures_alone:
        story_record.write(story.tell())
    told = story.derived(story_record.read(name))
    story_record.write(told)
    print(f"{name}: {told.days} days, told in {told.cpu_seconds:g} s of a core")
    promises = list(story.promises(told))
    for promise in promises:
        print(f"  {'yes' if promise.holds else 'NO '}  {promise.sentence}")
    return sum(not promise.holds for promise in promises)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
