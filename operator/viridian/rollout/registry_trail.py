"""What MLflow has still to be told: outcomes as tags of versions, and the aliases `champion` and `previous`.

Only about registered models that belong to the namespace (`viridian.core.model_owners`). One that nobody owns is
claimed first, and written to in a later pass, once the claim is seen to stand. What belongs to others is served and not
written to; the condition RegistryTold says so, and what was decided is told when that changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from viridian.api import reasons
from viridian.api.names import revision_record
from viridian.api.registry import ALIAS_CHAMPION, ALIAS_PREVIOUS, TAG_MODEL_DEPLOYMENT, TAG_OUTCOME, TAG_REASON
from viridian.core.model_owners import OwnershipVerdict, OwnersUnknown, Standing, judge
from viridian.core.plan import Action, ClaimModel, SetAlias, TagVersion
from viridian.rollout.bookkeeping import annotate, with_pending
from viridian.rollout.move import Move
from viridian.rollout.records import RevisionOutcome, RevisionRecord
from viridian.rollout.situation import RolloutState, fallback_revision
from viridian.rollout.traffic import Traffic

UNTOLD = "users are served all the same, and the registry is told again until it takes it"
_NOT_READ = OwnersUnknown(reasons.REGISTRY_UNAVAILABLE, "it is not known yet to whom the registered model belongs")


def tell_registry(situation: RolloutState, move: Move, pending: Mapping[str, RevisionOutcome]) -> Iterable[Action]:
    """Tags and aliases, where people look for the audit trail; again and again until the registry has taken them.

    Each decision is told once, and not held up against what others write there afterwards: two ModelDeployments of one
    registered model would move its aliases to and fro for ever.
    """
    outcomes = with_pending(situation, pending)
    untold = _untold(situation, outcomes)
    timely = [record for record in untold if not _must_wait(situation, record)]
    yield from _claims(situation, timely)
    tellable = [record for record in timely if _owns(situation, record.model.name)]
    for record in tellable:
        tags = _tags(situation, outcomes[record.revision][-1])
        yield TagVersion(record.model.name or "", record.model.version or "", tags)
    if tellable and move.traffic is not None:
        yield from _aliases(situation, move.traffic)
    for record in untold:
        note = annotate(situation, record.revision, outcomes[record.revision], told=True)
        yield replace(note, held=record not in tellable)


def withheld(situation: RolloutState, pending: Mapping[str, RevisionOutcome]) -> tuple[str, str] | None:
    """Why something that was decided is not told: a reason and a sentence."""
    for record in _untold(situation, with_pending(situation, pending)):
        found = _verdict(situation, record.model.name or "")
        if isinstance(found, OwnersUnknown):
            return found.reason, f"{found.message}; {UNTOLD}"
        if found.standing is Standing.FOREIGN:
            served = "; the version is served all the same, and nothing is written to the registry"
            return reasons.NOT_YOURS, f"{found.message}{served}"
    return None


def _untold(situation: RolloutState, outcomes: Mapping[str, Sequence[RevisionOutcome]]) -> list[RevisionRecord]:
    return [
        record
        for record in situation.snapshot.records.values()
        if record.model.name and record.model.version and _is_untold(record, outcomes[record.revision])
    ]


def _is_untold(record: RevisionRecord, outcomes: Sequence[RevisionOutcome]) -> bool:
    return bool(outcomes) and record.told != outcomes[-1].at


def _must_wait(situation: RolloutState, record: RevisionRecord) -> bool:
    """Whether it cannot be noted at the moment that the registry was told: it would be told with every look."""
    target = "ControllerRevision", revision_record(situation.snapshot.name, record.revision)
    obstacle = situation.snapshot.obstacles.get(target)
    return obstacle is not None and obstacle.waits


def _verdict(situation: RolloutState, model: str) -> OwnershipVerdict | OwnersUnknown:
    snapshot = situation.snapshot
    owners = snapshot.owners.get(model, _NOT_READ)
    if isinstance(owners, OwnersUnknown):
        return owners
    return judge(model, owners, snapshot.namespace, snapshot.settings.registry_models)


def _stands(situation: RolloutState, model: str | None, standing: Standing) -> bool:
    found = _verdict(situation, model or "")
    return isinstance(found, OwnershipVerdict) and found.standing is standing


def _owns(situation: RolloutState, model: str | None) -> bool:
    return _stands(situation, model, Standing.OWN)


def _claims(situation: RolloutState, records: Sequence[RevisionRecord]) -> Iterator[Action]:
    """The claims on models that nobody owns yet."""
    names = sorted({record.model.name for record in records if record.model.name})
    for name in names:
        if _stands(situation, name, Standing.UNCLAIMED):
            yield ClaimModel(name, _claimant(situation))


def _claimant(situation: RolloutState) -> str:
    return f"{situation.snapshot.namespace}/{situation.snapshot.name}"


def _tags(situation: RolloutState, outcome: RevisionOutcome) -> dict[str, str]:
    return {
        TAG_OUTCOME: outcome.outcome,
        TAG_REASON: f"{outcome.reason}: {outcome.message}" if outcome.reason else outcome.outcome,
        TAG_MODEL_DEPLOYMENT: _claimant(situation),
    }


def _aliases(situation: RolloutState, traffic: Traffic) -> Iterable[Action]:
    """`champion` and `previous` follow the traffic; people who read the registry see who serves."""
    known = situation.snapshot.aliases or {}
    champion = situation.record(traffic.revision)
    if champion is None or not champion.model.name or not _owns(situation, champion.model.name):
        return
    fallback = fallback_revision(situation, traffic)
    wanted = {ALIAS_CHAMPION: champion, ALIAS_PREVIOUS: situation.record(fallback) if fallback else None}
    for alias, record in wanted.items():
        if record is None or record.model.name != champion.model.name or not record.model.version:
            continue
        if known.get(alias) != record.model.version:
            yield SetAlias(champion.model.name, alias, record.model.version)
