"""Whether the data was good enough, from how the runs ended that looked at it.

Data that was found bad before anything was trained is looked at again, while a trigger waits: a run begins for the
causes that were held back, and its stages before training decide. Where the data is good, it goes on and is the one run
for all of them. Where it is bad, the run ends as the one before it, and the causes wait on. Other content that the
resolver finds between runs ends the pause before that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from viridian.api import reasons
from viridian.api.names import OVERRIDE_ANNOTATION
from viridian.api.run_stages import Data
from viridian.api.stage import StageName
from viridian.core.conditions import Truth
from viridian.core.times import format_time, parse_time
from viridian.retraining.polled_data import FoundContent
from viridian.retraining.run_commands import RunCommand, command_about
from viridian.retraining.runs import JUDGED, Run
from viridian.retraining.triggers.cause import RECHECK, Cause


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
    # When the stages before training may look again; None where a look would train.
    again_at: datetime | None = None
    # The run that found it first, and the looks since then.
    pause: str = ""
    looks: tuple[Run, ...] = ()


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


def data_quality(
    runs: Sequence[Run],
    data: Data,
    overrides: Overrides = no_override,
    recheck: timedelta | None = None,
    found: FoundContent | None = None,
) -> DataQuality:
    """The finding of the newest run that looked at the data.

    `runs`: one that is at work, then those that have ended, the newest first. `recheck`: how long after a look the
    stages before training look again; None where the policy has no such stage. `found`: what the data was at the newest
    look between runs.
    """
    for run in runs:
        outcome = run.finished.outcome if run.finished is not None else ""
        if outcome != reasons.DATA_QUALITY_FAILED:
            if outcome in JUDGED or _passed_its_validation(run):
                return _good(run)
            continue
        if run.origin.data != data:
            return _changed(run, f"spec.data was changed after run {run.id} found the data not good enough")
        if found is not None and _is_other_content(found, run):
            since = f"other content than that which run {run.id} found not good enough"
            return _changed(run, f"the data has {since}, seen at {format_time(found.at)}")
        override = overrides(_pause_of(run)) or overrides(run.id)
        return _bad(run, runs, recheck) if override is None else _overridden(run, override)
    return DataQuality(
        truth=Truth.UNKNOWN, reason=reasons.DATA_NOT_CHECKED, message="no run has looked at the data yet"
    )


def _passed_its_validation(run: Run) -> bool:
    validation = run.named(StageName.DATA_VALIDATION)
    return validation is not None and validation.result is not None and validation.leads_on


def _pause_of(run: Run) -> str:
    """The run that found the data bad first: what people name when they override."""
    first = run.look.evidence.get("run", "") if run.look is not None else ""
    return str(first) or run.id


def _bad_since(run: Run) -> datetime | None:
    since = parse_time(run.look.key) if run.look is not None else None
    return since or run.finished_at


def _good(run: Run) -> DataQuality:
    message = f"run {run.id} used the data"
    return DataQuality(truth=Truth.TRUE, reason=reasons.DATA_ACCEPTED, message=message, source=run)


def _bad(run: Run, runs: Sequence[Run], recheck: timedelta | None) -> DataQuality:
    looks = [known for known in runs if known.only_looked and _bad_since(known) == _bad_since(run)]
    ended = [known.finished_at for known in (run, *looks) if known.finished_at is not None]
    again_at = max(ended) + recheck if recheck is not None and not run.trains and ended else None
    return DataQuality(
        truth=Truth.FALSE,
        reason=reasons.DATA_QUALITY_FAILED,
        message=f"run {run.id}: {run.finished.message if run.finished else ''}. {_advice(run, again_at)}",
        paused=True,
        bad_since=_bad_since(run),
        source=run,
        again_at=again_at,
        pause=_pause_of(run),
        looks=tuple(looks),
    )


def _advice(run: Run, again_at: datetime | None) -> str:
    by_itself = ""
    if again_at is not None:
        by_itself = f"If a trigger waits then, the stage {run.stage.name} looks again at {format_time(again_at)}. "
    return (
        f"Triggers wait. {by_itself}When the data is better, change spec.data.revision, or start a run with the "
        "annotation viridian.dev/run. To train on it all the same, write the annotation "
        f'viridian.dev/override="{_pause_of(run)} <why>#<your user name>"'
    )


def _overridden(run: Run, override: RunCommand) -> DataQuality:
    finding = run.finished.message if run.finished else ""
    return DataQuality(
        truth=Truth.FALSE,
        reason=reasons.OVERRIDDEN,
        message=f"run {run.id}: {finding}. The pause was ended {override.sentence}",
        bad_since=_bad_since(run),
        source=run,
        override=override.value,
    )


def _is_other_content(found: FoundContent, run: Run) -> bool:
    """Whether a look after the end of that run found other content than the run was given."""
    given, ended = run.origin.resolved, run.finished_at
    return given is not None and ended is not None and found.at > ended and found.content != given.content


def _changed(run: Run, how: str) -> DataQuality:
    return DataQuality(
        truth=Truth.UNKNOWN,
        reason=reasons.DATA_CHANGED,
        message=f"{how}; the next run checks it",
        bad_since=_bad_since(run),
        source=run,
    )


def look_again(quality: DataQuality, now: datetime) -> Cause | None:
    """What causes another look at data that is known to be bad, once it is time for one."""
    at, since = quality.again_at, quality.bad_since
    if at is None or since is None or now < at:
        return None
    return Cause(RECHECK, at=at, key=format_time(since), evidence={"run": quality.pause})
