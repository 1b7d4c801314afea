"""`budget.maxHandOvers`: how many candidates may be handed over within a period. The next one waits for room.

The period ends now, as that of runs does. A candidate that waits is handed over once enough hand-overs have left the
period, or once a person approves it. A newer candidate that passes takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from viridian.api import reasons
from viridian.api.automation import Budget
from viridian.core.times import length, parse_time
from viridian.retraining.runs import Run


def hand_overs_in(budget: Budget, finished: Sequence[Run], now: datetime) -> tuple[Run, ...]:
    """The runs whose candidates were handed over within the period, the newest first; none without a limit."""
    if budget.max_hand_overs is None:
        return ()
    period = length(budget.period)
    known = [(run, at) for run in finished if (at := _handed_over_at(run)) is not None and at + period > now]
    return tuple(run for run, _ in sorted(known, key=lambda one: one[1], reverse=True))


def room_at(budget: Budget, hand_overs: Sequence[Run]) -> datetime | None:
    """When the next candidate may be handed over; None where it may be now. `hand_overs` has the newest first."""
    limit = budget.max_hand_overs
    if limit is None or len(hand_overs) < limit:
        return None
    at = _handed_over_at(hand_overs[limit - 1])
    return at + length(budget.period) if at is not None else None


def next_leaves_at(budget: Budget, hand_overs: Sequence[Run]) -> datetime | None:
    """When the oldest of them counts no more; None where there is none."""
    at = _handed_over_at(hand_overs[-1]) if hand_overs else None
    return at + length(budget.period) if at is not None else None


def _handed_over_at(run: Run) -> datetime | None:
    """What has not waited was handed over as soon as the run had ended."""
    ended = run.finished
    if ended is None or ended.outcome != reasons.HANDED_OVER:
        return None
    return parse_time(ended.handed_over_at or ended.finished_at)
