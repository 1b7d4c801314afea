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
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.outcomes import annotate, with_pending
from viridian.rollout.records import RevisionOutcome, RevisionRecord
from viridian.rollout.state import RolloutState, fallback_revision
from viridian.rollout.traffic.record import Traffic

UNTOLD = "users are served all the same, and the registry is told again until it takes it"
_NOT_READ = OwnersUnknown(reasons.REGISTRY_UNAVAILABLE, "it is not known yet to whom the registered model belongs")


def tell_registry(
    state: RolloutState, decision: RolloutDecision, pending: Mapping[str, RevisionOutcome]
) -> Iterable[Action]:
    """Tags and aliases, where people look for the audit trail; again and again until the registry has taken them.

    Each decision is told once, and not held up against what others write there afterwards: two ModelDeployments of one
    registered model would move its aliases to and fro for ever.
    """
    outcomes = with_pending(state, pending)
    untold = _untold(state, outcomes)
    timely = [record for record in untold if not _must_wait(state, record)]
    yield from _claims(state, timely)
    tellable = [record for record in timely if _owns(state, record.model.name)]
    for record in tellable:
        tags = _tags(state, outcomes[record.revision][-1])
        yield TagVersion(record.model.name or "", record.model.version or "", tags)
    if tellable and decision.traffic is not None:
        yield from _aliases(state, decision.traffic)
    for record in untold:
        note = annotate(state, record.revision, outcomes[record.revision], told=True)
        yield replace(note, held=record not in tellable)


def withheld(state: RolloutState, pending: Mapping[str, RevisionOutcome]) -> tuple[str, str] | None:
    """Why something that was decided is not told: a reason and a sentence."""
    for record in _untold(state, with_pending(state, pending)):
        found = _verdict(state, record.model.name or "")
        if isinstance(found, OwnersUnknown):
            return found.reason, f"{found.message}; {UNTOLD}"
        if found.standing is Standing.FOREIGN:
            served = "; the version is served all the same, and nothing is written to the registry"
            return reasons.NOT_YOURS, f"{found.message}{served}"
    return None


def _untold(state: RolloutState, outcomes: Mapping[str, Sequence[RevisionOutcome]]) -> list[RevisionRecord]:
    return [
        record
        for record in state.inputs.records.values()
        if record.model.name and record.model.version and _is_untold(record, outcomes[record.revision])
    ]


def _is_untold(record: RevisionRecord, outcomes: Sequence[RevisionOutcome]) -> bool:
    return bool(outcomes) and record.told != outcomes[-1].at


def _must_wait(state: RolloutState, record: RevisionRecord) -> bool:
    """Whether it cannot be noted at the moment that the registry was told: it would be told with every look."""
    target = "ControllerRevision", revision_record(state.inputs.name, record.revision)
    obstacle = state.inputs.obstacles.get(target)
    return obstacle is not None and obstacle.waits


def _verdict(state: RolloutState, model: str) -> OwnershipVerdict | OwnersUnknown:
    inputs = state.inputs
    owners = inputs.owners.get(model, _NOT_READ)
    if isinstance(owners, OwnersUnknown):
        return owners
    return judge(model, owners, inputs.namespace, inputs.settings.registry_models)


def _stands(state: RolloutState, model: str | None, standing: Standing) -> bool:
    found = _verdict(state, model or "")
    return isinstance(found, OwnershipVerdict) and found.standing is standing


def _owns(state: RolloutState, model: str | None) -> bool:
    return _stands(state, model, Standing.OWN)


def _claims(state: RolloutState, records: Sequence[RevisionRecord]) -> Iterator[Action]:
    """The claims on models that nobody owns yet."""
    names = sorted({record.model.name for record in records if record.model.name})
    for name in names:
        if _stands(state, name, Standing.UNCLAIMED):
            yield ClaimModel(name, _claimant(state))


def _claimant(state: RolloutState) -> str:
    return f"{state.inputs.namespace}/{state.inputs.name}"


def _tags(state: RolloutState, outcome: RevisionOutcome) -> dict[str, str]:
    return {
        TAG_OUTCOME: outcome.outcome,
        TAG_REASON: f"{outcome.reason}: {outcome.message}" if outcome.reason else outcome.outcome,
        TAG_MODEL_DEPLOYMENT: _claimant(state),
    }


def _aliases(state: RolloutState, traffic: Traffic) -> Iterable[Action]:
    """`champion` and `previous` follow the traffic; people who read the registry see who serves."""
    known = state.inputs.aliases or {}
    champion = state.record(traffic.revision)
    if champion is None or not champion.model.name or not _owns(state, champion.model.name):
        return
    fallback = fallback_revision(state, traffic)
    wanted = {ALIAS_CHAMPION: champion, ALIAS_PREVIOUS: state.record(fallback) if fallback else None}
    for alias, record in wanted.items():
        if record is None or record.model.name != champion.model.name or not record.model.version:
            continue
        if known.get(alias) != record.model.version:
            yield SetAlias(champion.model.name, alias, record.model.version)
