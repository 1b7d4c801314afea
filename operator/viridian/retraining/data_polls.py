"""The resolver between runs: a Job each `poll`, whose result is noted before the Job goes.

A Job is named after the note that was there when it was made, so the same poll is never two Jobs. Where a Job is gone
before its end was noted, the same one is made again: nothing but the note follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from viridian.api.names import DATA_ANNOTATION, RETRAIN_POLICY, STAGE_LABEL, data_record, short_hash, stage_job
from viridian.api.run_stages import DataResolver
from viridian.api.stage import RESOLVER_STAGE, parse_report
from viridian.core.intent import with_intent_hash
from viridian.core.lookup import Object, labels_of, text
from viridian.core.ownership import Belongs, belongs, owned_metadata
from viridian.core.plan import Apply, Delete, Manifest
from viridian.core.times import format_time
from viridian.retraining.checks import first_problem
from viridian.retraining.data_state import resolved_by, with_a_state
from viridian.retraining.environment import environment
from viridian.retraining.launch import origin_now
from viridian.retraining.polled_data import MAX_SEEN, POLL_STAGE, DataNote, PolledData, SeenState, poll_job, read_polled
from viridian.retraining.records import labels, note
from viridian.retraining.runs import OpenStage
from viridian.retraining.stages.built_in import template_of
from viridian.retraining.stages.pod_template import PodNeeds
from viridian.retraining.stages.stage_kind import StageWork
from viridian.retraining.stages.stage_table import JOB
from viridian.retraining.stages.state import StageResult
from viridian.retraining.state import RetrainingState

_LOOK_AGAIN: Final = timedelta(seconds=60)
"""How often a Job at work is looked at although nothing was observed."""
_MAX_PROBLEM: Final = 500


def open_polls(policy: Object, objects: Sequence[Object]) -> tuple[OpenStage, ...]:
    """Jobs of polls, whose pods are to be read like those of stages."""
    uid = text(policy, "metadata", "uid")
    names = (
        text(one, "metadata", "name")
        for one in objects
        if labels_of(one).get(STAGE_LABEL) == POLL_STAGE and belongs(one, uid) is Belongs.OURS
    )
    return tuple(OpenStage(JOB, name, seen=False) for name in names)


@dataclass(frozen=True, slots=True)
class PollStep:
    """What this pass does about the polls of a policy: at most one write."""

    actions: tuple[Apply | Delete, ...] = ()
    # When to look at them again; None where there are none.
    next: datetime | None = None


def poll_step(state: RetrainingState) -> PollStep:
    """What is to be done now, and when to look again."""
    polled = read_polled(state.spec, state.facts)
    job = polled.job if polled is not None else poll_job(state.facts)
    goes_on = polled is not None and not state.spec.suspend and first_problem(state) is None
    actions = tuple(_actions(state, polled, job, goes_on=goes_on))
    if actions:
        refused = any(action.target in state.facts.obstacles for action in actions)
        return PollStep(actions, state.now + (_LOOK_AGAIN if refused else timedelta()))
    if polled is None or not goes_on:
        return PollStep()
    return PollStep(next=state.now + _LOOK_AGAIN if polled.job is not None else polled.next)


def _actions(
    state: RetrainingState, polled: PolledData | None, job: Object | None, *, goes_on: bool
) -> Iterator[Apply | Delete]:
    if job is not None and not text(job, "metadata", "deletionTimestamp"):
        yield from _about_job(state, polled, job)
    elif job is None and polled is not None and goes_on and (polled.next is None or polled.next <= state.now):
        resolver = state.spec.data.resolver if state.spec.data is not None else None
        if resolver is not None:
            yield Apply(with_intent_hash(_job(state, polled, resolver)))


def _about_job(state: RetrainingState, polled: PolledData | None, job: Object) -> Iterator[Apply | Delete]:
    """Its end is noted, then it goes; so does one that nothing asks for any more."""
    name, uid = text(job, "metadata", "name"), text(job, "metadata", "uid")
    gone = Delete(JOB.api_version, JOB.kind, name, uid)
    if polled is None or name == polled.note.job or name != _name(state, polled):
        yield gone
        return
    result = polled.state.result or polled.state.outlasted(state.now)
    if result is not None:
        yield from _noted(state, polled, _after(polled, name, with_a_state(result), state.now))


def _after(polled: PolledData, job: str, result: StageResult, now: datetime) -> DataNote:
    """The note once this end of a poll stands there. Content that was seen before is not seen anew."""
    found, at = resolved_by(result), format_time(now)
    if found is None:
        return msgspec.structs.replace(polled.note, polled_at=at, job=job, problem=_problem(result))
    known = next((one for one in polled.note.seen if one.state.content == found.content), None)
    seen = SeenState(at=known.at if known else at, uri=found.uri, revision=found.revision, digest=found.digest)
    others = tuple(one for one in polled.note.seen if one is not known)
    return DataNote(key=polled.note.key, polled_at=at, job=job, seen=(seen, *others)[:MAX_SEEN])


def _problem(result: StageResult) -> str:
    report = parse_report(result.termination_message)
    code = f"exit code {result.exit_code}" if result.exit_code is not None else result.message or result.reason
    reported = "; ".join(report.failures) or report.message[-_MAX_PROBLEM:]
    return ": ".join(filter(None, [code, reported]))[:_MAX_PROBLEM]


def _noted(state: RetrainingState, polled: PolledData, found: DataNote) -> Iterator[Apply]:
    annotations = {DATA_ANNOTATION: msgspec.json.encode(found).decode()}
    action = note(state.facts, data_record(state.facts.name, state.facts.uid), annotations, polled.stored)
    if action is not None:
        yield action


def _name(state: RetrainingState, polled: PolledData) -> str:
    slot = short_hash(state.facts.uid, polled.note.key, polled.note.polled_at)
    return stage_job(state.facts.name, slot, POLL_STAGE)


def _job(state: RetrainingState, polled: PolledData, resolver: DataResolver) -> Manifest:
    facts = state.facts
    own = labels(facts.name, **{STAGE_LABEL: POLL_STAGE})
    needs = PodNeeds(
        labels=own,
        variables=environment(state, "", RESOLVER_STAGE, origin_now(state, ()), None),
        pull_secrets=facts.settings.image_pull_secrets,
        resources=state.spec.default_resources,
        platform=facts.settings.platform,
    )
    work = StageWork(
        name=RESOLVER_STAGE,
        stage=resolver,
        template=template_of(RESOLVER_STAGE, resolver, facts.settings.trainer_image),
        metadata=owned_metadata(facts, RETRAIN_POLICY, _name(state, polled), own),
        pod=needs,
    )
    return JOB.manifest(work)
