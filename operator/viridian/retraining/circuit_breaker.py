"""`circuitBreaker`: candidates that are rejected one after the other are a reason to look, not to train once more.

Only rejections of the same generation of the spec make a row, so an edit closes the breaker; so does a run of a person
that passes, since it ends the row. Runs that made no candidate neither count nor end it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from viridian.api import reasons
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.retraining.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The circuit breaker as it stands."""

    # Whether it lets no trigger start a run.
    is_open: bool = False
    message: str = ""
    # When the last rejection came; also where an edit has closed it since.
    opened_at: datetime | None = None
    # The rejections in a row, the newest first.
    row: tuple[Run, ...] = ()


def read_breaker(spec: RetrainPolicySpec, generation: int, finished: Sequence[Run]) -> Breaker:
    """What the runs that have ended, the newest first, make of it."""
    if spec.circuit_breaker is None:
        return Breaker()
    most, row = spec.circuit_breaker.rejected_in_a_row, _rejected_in_a_row(finished)
    if len(row) < most:
        return Breaker(row=row)
    last = row[0].finished.message if row[0].finished else ""
    message = (
        f"{len(row)} candidates were rejected in a row, the last one in run {row[0].id}: {last}. No trigger starts a "
        "run until a run that a person asks for passes (annotation viridian.dev/run), or the spec is edited"
    )
    is_open = row[0].record.origin.generation == generation
    return Breaker(is_open=is_open, message=message, opened_at=row[0].finished_at, row=row)


_PASSED = (reasons.HANDED_OVER, reasons.AWAITING_APPROVAL, reasons.SUPERSEDED)


def _rejected_in_a_row(finished: Sequence[Run]) -> tuple[Run, ...]:
    """The newest rejections that no candidate that passed comes between, all of one generation of the spec."""
    row: list[Run] = []
    for run in finished:
        outcome = run.finished.outcome if run.finished else ""
        if outcome in _PASSED:
            break
        if outcome != reasons.REJECTED:
            continue
        if row and run.record.origin.generation != row[0].record.origin.generation:
            break
        row.append(run)
    return tuple(row)
