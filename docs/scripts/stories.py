"""Writes docs/stories/<story>.md from what the stories came to: `python -m docs.scripts.stories`, by `make stories`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.support.stories import story_record
from tests.support.stories.stories import STORIES
from tests.support.stories.story_record import StoryRecord, StoryRun, ToldEvent
from viridian.api import reasons

FOLDER: Final = Path(__file__).resolve().parents[1] / "stories"
_HEAD: Final = (
    "<!-- Written by `python -m docs.scripts.stories` from the record beside it: "
    "run `make stories` instead of editing. -->"
)
TOLD: Final = frozenset(
    {
        reasons.EVENT_PROMOTED,
        reasons.EVENT_MONITOR_FIRED,
        reasons.EVENT_MONITOR_QUIET,
        reasons.EVENT_RECOVERY_OVERDUE,
        reasons.EVENT_GATE_FAILED,
        reasons.EVENT_EXPERIMENT_ENDED,
    }
)
"""What the diary shows; the runs have a table of their own."""
_OF_MONITORS: Final = (reasons.EVENT_MONITOR_FIRED, reasons.EVENT_MONITOR_QUIET)
_BEGINNINGS: Final = {
    "shop": """\
# A shop whose recommendations decay with the season

A shop shows each visitor strips of products, and puts those on top of which a model says that she opens one.
The model was trained in winter. Slowly other things are looked for and prices count for more. For three months
nobody retrains: the model is only watched. On the morning after the alarm the team applies a RetrainPolicy with
a run each Sunday.

**The visitors are made up** by [`visitors.py`](../../examples/stories/shop/visitors.py), always the same ones.
The manifests are those of [`examples/stories/shop`](../../examples/stories/shop/README.md).
""",
    "bank": """\
# A bank whose fraud changes

A bank stops payments that a model calls thefts, and genuine ones among them by mistake. The team wants a fifth
fewer false alarms, and works in sprints of two weeks: each ends with a run, and what is not shown to have a fifth
fewer goes no further. Then payments bring a fingerprint of the device. What passes the gate has to win an A/B
test on half of the payments. Weeks after the goal is reached, thieves change their ways.

**The payments are made up** by [`payments.py`](../../examples/stories/bank/payments.py), always the same ones.
The manifests are those of [`examples/stories/bank`](../../examples/stories/bank/README.md).
""",
}
_REAL: Final = """
## What is real in it

The operator's own loop decided, on a clock that jumps: monitors, schedule, triggers, gate, rollout and
experiment are the shipped code, with the manifests as they are applied. Models were fitted by the training
script of the example, and judged by the trainer's own functions. Made here: the users and what they do, the
pods, the registry and the collector's store, and the half hour that a Job takes. [Decision
69](../decisions/0069-stories-on-a-clock.md) has the list, and what follows for the times.
"""


def page(told: StoryRecord) -> str:
    """The whole page."""
    promises = "".join(f"* {one.sentence}\n" for one in STORIES[told.story].promises(told))
    versions = ", ".join(f"{name} {version}" for name, version in told.versions.items())
    return "".join(
        (
            f"{_HEAD}\n\n{_BEGINNINGS[told.story]}\n",
            f"```\nmake stories STORY={told.story}    # tells it anew: {_about(told.cpu_seconds)} of one core\n```\n\n",
            f"![{STORIES[told.story].picture}]({told.story}.svg)\n",
            f"\n## What came of it\n\nDay 0 is {told.begin:%d %B %Y}. ",
            f"Each line is checked whenever it is told.\n\n{promises}",
            _REAL,
            "\n## What the operator said\n\nIts Events, in its own words. ",
            "Of a monitor that goes to and fro between two promotions: ",
            "when it fired first, and when it stayed quiet.\n\n",
            "| day | date | Event | message |\n|---|---|---|---|\n",
            *_diary(told),
            "\n## The runs\n\n| began | why | outcome | in the operator's words |\n|---|---|---|---|\n",
            *(_run(run) for run in told.runs),
            f"\nTold with {versions}.\n",
        )
    )


def _about(seconds: float) -> str:
    return (
        "less than half a minute"
        if seconds < 30
        else "about a minute"
        if seconds < 75
        else f"{seconds / 60:.0f} minutes"
    )


def _diary(told: StoryRecord) -> Iterator[str]:
    for event in _without_to_and_fro([event for event in told.told if event.reason in TOLD]):
        when, message = f"{event.at:%a %d %b, %H:%M}", _cell(event.message)
        yield f"| {told.day_of(event.at)} | {when} | `{event.reason}` | {message} |\n"


def _without_to_and_fro(told: Sequence[ToldEvent]) -> Iterator[ToldEvent]:
    """A monitor near its threshold: between two promotions its first firing, and its quiet where nothing follows."""
    promotions = 0
    turns = []
    for event in told:
        promotions += event.reason == reasons.EVENT_PROMOTED
        monitor = event.message.partition(":")[0] if event.reason in _OF_MONITORS else ""
        turns.append((event, (promotions, monitor)))
    for place, (event, name) in enumerate(turns):
        fired_before = any(n == name and e.reason == event.reason for e, n in turns[:place])
        goes_on = any(n == name for _, n in turns[place + 1 :])
        quiet = event.reason == reasons.EVENT_MONITOR_QUIET
        if not name[1] or (not goes_on if quiet else not fired_before):
            yield event


def _run(run: StoryRun) -> str:
    why = ", ".join(reason.split(":")[1] for reason in run.reasons)
    made = f", version {run.version}" if run.version else ""
    return f"| {run.began:%a %d %b, %H:%M} | {why} | {run.outcome}{made} | {_cell(run.message)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("<", "&lt;")


def main() -> None:
    for name in STORIES:
        (FOLDER / f"{name}.md").write_text(page(story_record.read(name)))


if __name__ == "__main__":
    main()
