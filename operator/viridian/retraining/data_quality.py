"""Whether the data was good enough, from how the runs ended that looked at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from viridian.api import reasons
from viridian.api.names import OVERRIDE_ANNOTATION
from viridian.api.run_stages import Data
from viridian.core.conditions import Truth
from viridian.retraining.run_commands import RunCommand, command_about
from viridian.retraining.runs import Run

_JUDGED_DATA = (reasons.HANDED_OVER, reasons.REJECTED, reasons.DATA_QUALITY_FAILED)
"""Outcomes that say something about the data; an error or nothing to do says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataQuality:
    """What the newest run that looked at the data found."""

    truth: Truth
    reason: str
    message: str
    # Schedules start no runs: the data is known to be bad and has not been changed in the policy.
    paused: bool = False
    # When it was found bad: what fired after that was held back, and is not forgotten.
    bad_since: datetime | None = None
    # The run that found it.
    source: Run | None = None
    # What a person wrote who ended the pause.
    override: str = ""


Overrides = Callable[[str], RunCommand | None]
"""The command of a person that ends the pause that this run made; None where there is none."""


def no_override(_run: str) -> None:
    return None


def override_of(annotations: Mapping[str, str], runs: Sequence[Run]) -> Overrides:
    """What stands on the policy, and on the records of runs that an override let begin."""
    recorded = [run.record.origin.commands.get(OVERRIDE_ANNOTATION, "") for run in runs]
    values = [annotations.get(OVERRIDE_ANNOTATION, ""), *recorded]

    def about(run: str) -> RunCommand | None:
        found = (command_about({OVERRIDE_ANNOTATION: value}, OVERRIDE_ANNOTATION, run) for value in values)
        return next((command for command in found if command is not None), None)

    return about


def data_quality(finished: Sequence[Run], data: Data, overrides: Overrides = no_override) -> DataQuality:
    """The finding of the newest run that looked at the data; `finished` is in command, the newest first."""
    for run in finished:
        if run.finished is None or run.finished.outcome not in _JUDGED_DATA:
            continue
        if run.finished.outcome != reasons.DATA_QUALITY_FAILED:
            return _good(run)
        if run.origin.data != data:
            return _changed(run)
        override = overrides(run.id)
        return _bad(run) if override is None else _overridden(run, override)
    return DataQuality(
        truth=Truth.UNKNOWN, reason=reasons.DATA_NOT_CHECKED, message="no run has looked at the data yet"
    )


def _good(run: Run) -> DataQuality:
    message = f"run {run.id} used the data"
    return DataQuality(truth=Truth.TRUE, reason=reasons.DATA_ACCEPTED, message=message, source=run)


def _bad(run: Run) -> DataQuality:
    finding = run.finished.message if run.finished else ""
    return DataQuality(
        truth=Truth.FALSE,
        reason=reasons.DATA_QUALITY_FAILED,
        message=f"run {run.id}: {finding}. Triggers wait. When the data is better, change spec.data.revision, "
        "or start a run with the annotation viridian.dev/run. To train on it all the same, write the annotation "
        f'viridian.dev/override="{run.id} <why>#<your user name>"',
        paused=True,
        bad_since=run.finished_at,
        source=run,
    )


def _overridden(run: Run, override: RunCommand) -> DataQuality:
    finding = run.finished.message if run.finished else ""
    return DataQuality(
        truth=Truth.FALSE,
        reason=reasons.OVERRIDDEN,
        message=f"run {run.id}: {finding}. The pause was ended {override.sentence}",
        bad_since=run.finished_at,
        source=run,
        override=override.value,
    )


def _changed(run: Run) -> DataQuality:
    return DataQuality(
        truth=Truth.UNKNOWN,
        reason=reasons.DATA_CHANGED,
        message=f"spec.data was changed after run {run.id} found the data not good enough; the next run checks it",
        bad_since=run.finished_at,
        source=run,
    )
