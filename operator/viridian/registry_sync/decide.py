"""One pass of registry-sync: outcomes as tags of versions, and the aliases `champion` and `previous`.

An outbox: what is recorded and not marked as synced is written to the registry, again and again until it takes it, and
then marked. Only registered models that belong to the namespace are written to (`viridian.core.model_owners`). A model
that nobody owns is claimed first, and written to in the next pass, once the claim is seen. Nothing is written while the
Service, as it was read, does not know the newest champion yet: its aliases would be left out, and marked as written.
The condition RegistrySynced is there while something could not be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from viridian.api import reasons
from viridian.api.names import REGISTRY_SYNC_MANAGER, SYNCED_ANNOTATION, revision_record
from viridian.api.registry import (
    ALIAS_CHAMPION,
    ALIAS_PREVIOUS,
    TAG_MODEL_DEPLOYMENT,
    TAG_OUTCOME,
    TAG_REASON,
    TAG_TICKET,
)
from viridian.core.conditions import Finding, Truth, conditions_in, transition
from viridian.core.model_owners import OwnershipVerdict, OwnersUnknown, Standing, judge
from viridian.core.obstacles import from_registry
from viridian.core.plan import Action, Annotate, ClaimModel, Event, EventType, Plan, SetAlias, TagVersion
from viridian.registry_sync.input import SyncInput, unsynced
from viridian.rollout.records import RevisionOutcome, RevisionRecord, newest_promoted
from viridian.rollout.traffic.record import Traffic

AGAIN: Final = "users are served all the same, and the registry is written to again until it takes it"
LOOK_AGAIN: Final = timedelta(seconds=15)
"""How soon a change of owners in the registry is seen."""
_NOT_READ = OwnersUnknown(reasons.REGISTRY_UNAVAILABLE, "it is not known yet to whom the registered model belongs")


def decide(inputs: SyncInput, now: datetime) -> Plan:
    """What to write to the registry, and what to say about it."""
    crossed = _crosses_a_switch(inputs)
    actions = () if crossed else tuple(_actions(inputs))
    findings = list(_findings(inputs, actions))
    before = [c for c in conditions_in(inputs.status.get("conditions")) if c.get("type") == reasons.REGISTRY_SYNCED]
    conditions = transition(findings, before=before, generation=inputs.generation, now=now)
    known = {(c.get("status"), c.get("reason")) for c in before}
    new = [finding for finding in findings if (finding.status, finding.reason) not in known]
    return Plan(
        actions=actions,
        status={"conditions": conditions} if conditions else {},
        news=(
            *(_not_synced(f"{one.reason}: {one.message}") for one in new),
            *(_not_synced(_gone(record)) for record in unsynced(inputs.records) if record.revision in inputs.replaced),
        ),
        wake=now + LOOK_AGAIN if crossed else _wake(actions, findings, now),
        summary=_summary(actions, crossed=crossed),
    )


def _summary(actions: Sequence[Action], *, crossed: bool) -> str:
    if crossed:
        return "registry: waiting for the Service to show the newest promotion"
    return f"registry: {len(actions)} writes" if actions else "registry: in sync"


def _crosses_a_switch(inputs: SyncInput) -> bool:
    """Whether the Service was read before a switch of traffic, and the records after it."""
    newest = newest_promoted(inputs.records.values())
    if newest is None or newest.decision != newest.promotion or newest not in unsynced(inputs.records):
        return False
    return inputs.traffic is None or inputs.traffic.revision != newest.revision


def _not_synced(message: str) -> Event:
    return Event(EventType.WARNING, reasons.EVENT_REGISTRY_NOT_SYNCED, message)


def _gone(record: RevisionRecord) -> str:
    outcome = record.decision.outcome if record.decision is not None else ""
    return (
        f"{reasons.VERSION_REPLACED}: the registry has begun anew, and another model has the number of version "
        f"{record.model.version} of {record.model.name!r} that was here {outcome}: neither tags nor aliases are written"
    )


def _actions(inputs: SyncInput) -> Iterator[Action]:
    """Each decision is written once, and not held up against what others write afterwards.

    Two ModelDeployments of one registered model would move its aliases to and fro for ever.
    """
    waiting = unsynced(inputs.records)
    timely = [r for r in waiting if not _must_wait(inputs, r) and r.revision not in inputs.replaced]
    for model in sorted({record.model.name for record in timely if record.model.name}):
        if _stands(inputs, model, Standing.UNCLAIMED):
            yield ClaimModel(model, _claimant(inputs))
    writable = [record for record in timely if _stands(inputs, record.model.name, Standing.OWN)]
    aliases = tuple(_aliases(inputs, inputs.traffic)) if writable and inputs.traffic is not None else ()
    yield from (_tagging(inputs, record) for record in writable)
    yield from aliases
    for record in waiting:
        yield _mark(inputs, record, aliases)


def _tagging(inputs: SyncInput, record: RevisionRecord) -> TagVersion:
    tags = _tags(inputs, record.decision) if record.decision is not None else {}
    return TagVersion(record.model.name or "", record.model.version or "", tags)


def _mark(inputs: SyncInput, record: RevisionRecord, aliases: Sequence[SetAlias]) -> Annotate:
    """Wanted for each record that waits, and not tried for one whose tags are not written in this pass.

    A version that is gone takes nothing any more.
    """
    replaced = record.revision in inputs.replaced
    return Annotate(
        "apps/v1",
        "ControllerRevision",
        revision_record(inputs.name, record.revision),
        {SYNCED_ANNOTATION: record.decision.at if record.decision is not None else ""},
        confirms=() if replaced else (_tagging(inputs, record).target, *(alias.target for alias in aliases)),
        manager=REGISTRY_SYNC_MANAGER,
    )


def _must_wait(inputs: SyncInput, record: RevisionRecord) -> bool:
    """Whether the record cannot be marked at the moment: the registry would be written to with every pass."""
    obstacle = inputs.obstacles.get(("ControllerRevision", revision_record(inputs.name, record.revision)))
    return obstacle is not None and obstacle.waits


def _verdict(inputs: SyncInput, model: str) -> OwnershipVerdict | OwnersUnknown:
    owners = inputs.owners.get(model, _NOT_READ)
    if isinstance(owners, OwnersUnknown):
        return owners
    return judge(model, owners, inputs.namespace, inputs.rules)


def _stands(inputs: SyncInput, model: str | None, standing: Standing) -> bool:
    found = _verdict(inputs, model or "")
    return isinstance(found, OwnershipVerdict) and found.standing is standing


def _claimant(inputs: SyncInput) -> str:
    return f"{inputs.namespace}/{inputs.name}"


def _tags(inputs: SyncInput, outcome: RevisionOutcome) -> dict[str, str]:
    return {
        TAG_OUTCOME: outcome.outcome,
        TAG_REASON: f"{outcome.reason}: {outcome.message}" if outcome.reason else outcome.outcome,
        TAG_MODEL_DEPLOYMENT: _claimant(inputs),
        **({TAG_TICKET: inputs.ticket} if inputs.ticket else {}),
    }


def _aliases(inputs: SyncInput, traffic: Traffic) -> Iterator[SetAlias]:
    """`champion` and `previous` follow the traffic; people who read the registry see who serves."""
    champion = inputs.records.get(traffic.revision)
    if champion is None or not champion.model.name or not _stands(inputs, champion.model.name, Standing.OWN):
        return
    known = inputs.aliases.get(champion.model.name, {})
    for alias, record in ((ALIAS_CHAMPION, champion), (ALIAS_PREVIOUS, _previous(inputs, traffic))):
        if record is None or record.model.name != champion.model.name or not record.model.version:
            continue
        if record.revision in inputs.replaced:
            continue
        if known.get(alias) != record.model.version:
            yield SetAlias(champion.model.name, alias, record.model.version)


def _previous(inputs: SyncInput, traffic: Traffic) -> RevisionRecord | None:
    """The champion that would be gone back to: the former one, or else the newest that was not rejected."""
    rejected = {lost.revision for lost in traffic.rejected}
    eligible = {
        revision: record
        for revision, record in inputs.records.items()
        if revision != traffic.revision and revision not in rejected and record.rejected is None
    }
    return eligible.get(traffic.former) or newest_promoted(eligible.values())


def _findings(inputs: SyncInput, actions: Sequence[Action]) -> Iterator[Finding]:
    """Why something is not in the registry; the earlier reason stays until there is nothing left to write."""
    failure = _refused(inputs) or _withheld(inputs)
    if failure is None and actions:
        stored = conditions_in(inputs.status.get("conditions"))
        before = next((c for c in stored if c.get("type") == reasons.REGISTRY_SYNCED), None)
        failure = (str(before.get("reason", "")), str(before.get("message", ""))) if before is not None else None
    if failure is not None:
        yield Finding(reasons.REGISTRY_SYNCED, Truth.FALSE, *failure)


def _refused(inputs: SyncInput) -> tuple[str, str] | None:
    """Why the registry has just refused a write. What is gone from it takes nothing any more."""
    found = from_registry(inputs.obstacles)
    return (found.reason, f"{found.message}; {AGAIN}") if found is not None and not found.gone else None


def _withheld(inputs: SyncInput) -> tuple[str, str] | None:
    """Why something that was decided must not be written: a reason and a sentence."""
    for record in unsynced(inputs.records):
        found = _verdict(inputs, record.model.name or "")
        if isinstance(found, OwnersUnknown):
            return found.reason, f"{found.message}; {AGAIN}"
        if found.standing is Standing.FOREIGN:
            return (
                reasons.NOT_YOURS,
                f"{found.message}; the version is served all the same, and nothing is written to the registry",
            )
    return None


def _wake(actions: Iterable[Action], findings: Sequence[Finding], now: datetime) -> datetime | None:
    """At once where a model is claimed, since the next pass sees whose it is; None for nothing to wait for."""
    if any(isinstance(action, ClaimModel) for action in actions):
        return now
    return now + LOOK_AGAIN if findings else None
