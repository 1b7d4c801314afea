"""What is written down for good: outcomes on records, aliases and tags in MLflow; and what is let go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from viridian.api import reasons
from viridian.api.names import OUTCOME_ANNOTATION, TOLD_ANNOTATION, revision_record
from viridian.api.registry import ALIAS_CHAMPION, ALIAS_PREVIOUS, TAG_OUTCOME, TAG_REASON
from viridian.plan.conditions import stamp_exact
from viridian.plan.intent import of_the_same, stamp
from viridian.plan.ownership import Belongs, belongs
from viridian.plan.plan import Action, Annotate, Apply, Delete, SetAlias, TagVersion
from viridian.rollout import objects, records
from viridian.rollout.move import Move
from viridian.rollout.records import Outcome, Record
from viridian.rollout.situation import Situation, fallback_revision
from viridian.rollout.traffic import Reverted, Traffic

RECORDS_KEPT = 10
_UNRECORDED = 5


def pending_outcomes(situation: Situation, move: Move) -> dict[str, Outcome]:
    """Revision to the decision about it that its record does not hold yet."""
    found: dict[str, Outcome] = {}
    if move.traffic is not None:
        for revision, outcome in (*_decided(move.traffic), *_emptied(situation)):
            record = situation.record(revision)
            if record is not None and not record.has(outcome):
                found[revision] = outcome
    if move.retried is not None:
        revision, command = move.retried
        found[revision] = Outcome(records.RETRIED, stamp_exact(situation.now), by=command)
    return found


def still_remembered(situation: Situation, move: Move) -> Move:
    """The move, with those that lost the traffic before and whose records cannot be written: nothing is forgotten.

    Only what is written anyway is added to.
    """
    before, after = situation.traffic, move.traffic
    if before is None or after is None or after == before:
        return move
    lost = [one for one in before.turned_away if one != after.reverted and not _is_noted(situation, one)]
    return replace(move, traffic=replace(after, unrecorded=tuple(lost[:_UNRECORDED])))


def _is_noted(situation: Situation, lost: Reverted) -> bool:
    record = situation.record(lost.revision)
    return record is not None and any(known.at == lost.at for known in record.outcomes)


def _emptied(situation: Situation) -> Iterable[tuple[str, Outcome]]:
    """A challenger that has lost its pods is decided about, whatever the live Service still says."""
    if situation.traffic is not None and situation.emptied is not None:
        yield from _decided(replace(situation.traffic, trial=None, cause="", reverted=situation.emptied))


def _decided(traffic: Traffic) -> Iterable[tuple[str, Outcome]]:
    if traffic.trial is not None and traffic.trial.approved:
        yield (
            traffic.trial.revision,
            Outcome(records.APPROVED, traffic.trial.approved_at, by=traffic.trial.approved),
        )
    if traffic.cause == reasons.PROMOTED:
        yield traffic.revision, Outcome(reasons.PROMOTED, traffic.since, other=traffic.former or None)
    # The newest outcome of a revision is its last word, so it is noted last.
    for lost in reversed(traffic.turned_away):
        yield (
            lost.revision,
            Outcome(
                lost.outcome,
                lost.at,
                lost.reason,
                lost.message,
                lost.by,
                other=traffic.revision,
                breach_at=lost.breach_at or None,
            ),
        )


def with_pending(situation: Situation, pending: dict[str, Outcome]) -> dict[str, tuple[Outcome, ...]]:
    """Every record's outcomes, those of this pass included."""
    known = {revision: record.outcomes for revision, record in situation.snapshot.records.items()}
    return {
        revision: (*outcomes, pending[revision]) if revision in pending else outcomes
        for revision, outcomes in known.items()
    }


def record_outcomes(situation: Situation, pending: dict[str, Outcome]) -> Iterable[Action]:
    """Where the operator itself will read it; nothing else comes before that."""
    for revision, outcome in pending.items():
        yield _annotate(situation, revision, (*situation.snapshot.records[revision].outcomes, outcome))


def _annotate(situation: Situation, revision: str, outcomes: tuple[Outcome, ...], *, told: bool = False) -> Annotate:
    """All that stands on a record is said each time: what is left out of an apply is given up."""
    annotations = {OUTCOME_ANNOTATION: records.dump(outcomes)}
    if told:
        annotations[TOLD_ANNOTATION] = outcomes[-1].at
    name = revision_record(situation.snapshot.name, revision)
    return Annotate("apps/v1", "ControllerRevision", name, annotations, once_registered=told)


def tell_registry(situation: Situation, move: Move, pending: dict[str, Outcome]) -> Iterable[Action]:
    """Tags and aliases, where people look for the audit trail; again and again until the registry has taken them.

    Each decision is told once, and not held up against what others write there afterwards: two ModelDeployments of one
    registered model would move its aliases to and fro for ever.
    """
    outcomes = with_pending(situation, pending)
    untold = [
        record
        for record in situation.snapshot.records.values()
        if record.model.name and record.model.version and _is_untold(record, outcomes[record.revision])
    ]
    tellable = [record for record in untold if not _must_wait(situation, record)]
    for record in tellable:
        tags = _tags(situation, outcomes[record.revision][-1])
        yield TagVersion(record.model.name or "", record.model.version or "", tags)
    if tellable and move.traffic is not None:
        yield from _aliases(situation, move.traffic)
    for record in untold:
        note = _annotate(situation, record.revision, outcomes[record.revision], told=True)
        yield replace(note, held=record not in tellable)


def _is_untold(record: Record, outcomes: tuple[Outcome, ...]) -> bool:
    return bool(outcomes) and record.told != outcomes[-1].at


def _must_wait(situation: Situation, record: Record) -> bool:
    """Whether it cannot be noted at the moment that the registry was told: it would be told with every look."""
    target = "ControllerRevision", revision_record(situation.snapshot.name, record.revision)
    obstacle = situation.snapshot.obstacles.get(target)
    return obstacle is not None and obstacle.waits


def _tags(situation: Situation, outcome: Outcome) -> dict[str, str]:
    owner = f"{situation.snapshot.namespace}/{situation.snapshot.name}"
    return {
        TAG_OUTCOME: outcome.outcome,
        TAG_REASON: f"{outcome.reason}: {outcome.message}" if outcome.reason else outcome.outcome,
        "viridian.modeldeployment": owner,
    }


def _aliases(situation: Situation, traffic: Traffic) -> Iterable[Action]:
    """`champion` and `previous` follow the traffic; people who read the registry see who serves."""
    known = situation.snapshot.aliases or {}
    champion = situation.record(traffic.revision)
    if champion is None or not champion.model.name:
        return
    fallback = fallback_revision(situation, traffic)
    wanted = {ALIAS_CHAMPION: champion, ALIAS_PREVIOUS: situation.record(fallback) if fallback else None}
    for alias, record in wanted.items():
        if record is None or record.model.name != champion.model.name or not record.model.version:
            continue
        if known.get(alias) != record.model.version:
            yield SetAlias(champion.model.name, alias, record.model.version)


def adopt_records(situation: Situation) -> Iterable[Action]:
    """Records that lost their owner get this one, before anything that shows that they may be believed changes."""
    snapshot = situation.snapshot
    for record in snapshot.records.values():
        if belongs(record.manifest, snapshot.uid) is Belongs.ORPHAN:
            yield Apply(of_the_same(stamp(objects.adopted_record(snapshot, record)), record.manifest))


def superfluous_records(situation: Situation, needed: set[str]) -> Iterable[Action]:
    """Records beyond the newest, except those of revisions that are in use."""

    def age(record: Record) -> tuple[str, int]:
        return (record.outcomes[-1].at if record.outcomes else "", record.number)

    rest = [record for record in situation.snapshot.records.values() if record.revision not in needed]
    for record in sorted(rest, key=age, reverse=True)[RECORDS_KEPT:]:
        yield Delete(
            "apps/v1", "ControllerRevision", revision_record(situation.snapshot.name, record.revision), record.uid
        )
