"""Which share of the requests a revision had from when on, as a line over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import dropwhile, pairwise
from typing import Final

from viridian.dashboard.views.time_axis import LABEL_ROOM, TimeTick, time_ticks
from viridian.rollout.traffic.split_log import SplitRecord

WIDTH: Final = 960.0
_LEFT: Final = 52.0
"""Room for the names of the shares."""
_RIGHT: Final = 14.0
_TOP: Final = 10.0
_HEIGHT: Final = 100.0
"""Of the plot: one unit for each percent."""
_TAIL: Final = 0.03
"""How much of its time is shown after a revision has everything, or nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePeriod:
    """A time in which the share stayed; `until` is None where it goes on."""

    at: datetime
    until: datetime | None
    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareCurve:
    """A line of steps in units of its own, and the same as a list."""

    revision: str
    path: str
    levels: Sequence[tuple[int, float]]
    """Shares that the grid names, with their places."""
    ticks: Sequence[TimeTick]
    periods: Sequence[SharePeriod]
    """Newest first."""


def share_curve(splits: Sequence[SplitRecord], revision: str, now: datetime) -> ShareCurve | None:
    """From the first share of the revision on; None where the log knows of none."""
    changes = list(_changes(splits, revision))
    if not changes:
        return None
    start, newest = changes[0][0], changes[-1][0]
    goes_on = 0 < changes[-1][1] < 100
    end = max(now, newest) if goes_on else newest + (newest - start) * _TAIL
    end = max(end, start + timedelta(minutes=1))

    def x(at: datetime) -> float:
        return round(_LEFT + (at - start) / (end - start) * (WIDTH - _LEFT - _RIGHT), 1)

    steps = "".join(f"H{x(at)}V{_y(share)}" for at, share in changes)
    following = [*(at for at, _ in changes[1:]), None]
    return ShareCurve(
        revision=revision,
        path=f"M{x(start)} {_y(0)}{steps}H{x(end)}",
        levels=[(share, _y(share)) for share in (0, 50, 100)],
        ticks=[TimeTick(x=x(at), label=label) for at, label in time_ticks(start, end) if x(at) <= WIDTH - LABEL_ROOM],
        periods=[
            SharePeriod(at=at, until=until, share=share) for (at, share), until in zip(changes, following, strict=True)
        ][::-1],
    )


def _y(share: int) -> float:
    return _TOP + _HEIGHT * (100 - share) / 100


def _changes(splits: Sequence[SplitRecord], revision: str) -> Iterator[tuple[datetime, int]]:
    """When the share became another one, from the first split in which the revision was beside the champion."""
    known = dropwhile(lambda split: split.other != revision, splits)
    shares = [(split.at, _share(split, revision)) for split in known if split.at is not None]
    yield from shares[:1]
    yield from (later for (_, before), later in pairwise(shares) if later[1] != before)


def _share(split: SplitRecord, revision: str) -> int:
    if split.other == revision:
        return split.share
    return 100 - split.share if split.champion == revision else 0
