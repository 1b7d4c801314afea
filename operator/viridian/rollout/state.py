"""What a snapshot means: who the champion is, what is wanted, and who the candidate is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from viridian.api import reasons
from viridian.api.modeldeployment import ModelDeploymentSpec, Step
from viridian.api.names import RESTART_ANNOTATION, RETRY_ANNOTATION, Slot
from viridian.core.signature_keys import required_keys
from viridian.core.strategic_merge import InvalidTemplate
from viridian.core.templates import of_server
from viridian.rollout.input import RolloutInput, Unresolved
from viridian.rollout.records import RevisionOutcome, RevisionRecord, ServedModel
from viridian.rollout.render import addresses, collector_config
from viridian.rollout.render.addresses import Addresses
from viridian.rollout.render.pod_template import pod_template
from viridian.rollout.render.required_signature import requiring
from viridian.rollout.render.revision import revision_of
from viridian.rollout.slot_state import SlotState
from viridian.rollout.traffic.record import Reverted, Traffic


@dataclass(frozen=True, slots=True)
class DesiredRevision:
    """The revision that the spec asks for now."""

    revision: str
    model: ServedModel
    template: Mapping[str, Any]


# What a registry lacks before somebody has made it.
_MADE_LATER = (reasons.MODEL_NOT_FOUND, reasons.ALIAS_NOT_FOUND)
# What it answers about something that was there once.
_GONE = (*_MADE_LATER, reasons.VERSION_NOT_FOUND)


@dataclass(frozen=True, slots=True)
class RolloutState:
    """A snapshot with a valid spec, read once."""

    inputs: RolloutInput
    spec: ModelDeploymentSpec
    now: datetime
    wanted: DesiredRevision | None
    # What the live Service says; None where it was destroyed, or its champion is neither deployed nor recorded.
    traffic: Traffic | None = None
    # Why the wanted revision cannot be made from the spec, for people.
    invalid_template: str = ""
    invalid_reason: str = reasons.INVALID_SPEC

    @property
    def steps(self) -> Sequence[Step]:
        return self.spec.rollout.steps

    @property
    def awaited(self) -> Unresolved | None:
        """The wanted model, where it is not there yet: the registry does not have it, or is not up for the first one.

        A registered model that was deployed here before is another matter: what the registry lacks of that is gone.
        """
        model, registry = self.inputs.model, self.spec.model.registry
        if not isinstance(model, Unresolved) or registry is None:
            return None
        if not model.lasting:
            return model if self.traffic is None else None
        deployed = {record.model.name for record in self.inputs.records.values()}
        return model if model.reason in _MADE_LATER and registry.name not in deployed else None

    @property
    def halted(self) -> tuple[str, str] | None:
        """Reason and sentence where no challenger may go further: a person says so, or the registry.

        A registry that is silent halts nothing. One that answers that what the spec asks for is gone does: somebody
        has taken it away.
        """
        if self.spec.rollout.paused:
            return reasons.PAUSED, "spec.rollout.paused to be removed"
        model = self.inputs.model
        if isinstance(model, Unresolved) and model.reason in _GONE:
            return reasons.VERSION_GONE, f"what spec.model asks for to be in the registry again ({model.message})"
        return None

    def failure_message(self, slot: Slot) -> str:
        """In brackets, what keeps the pods of a slot from being ready; empty where nothing is known to."""
        slot_state = self.slot(slot)
        said = slot_state.failure_message(self.now) if slot_state is not None and not slot_state.settled else ""
        return f" ({said})" if said else ""

    def slot(self, slot: Slot) -> SlotState | None:
        return self.inputs.slots.get(slot)

    def record(self, revision: str) -> RevisionRecord | None:
        return self.inputs.records.get(revision)

    def template_of(self, revision: str) -> Mapping[str, Any] | None:
        """The pod template of a revision: as it was recorded, or as it is about to be."""
        record = self.record(revision)
        if record is not None:
            return record.template
        return self.wanted.template if self.wanted is not None and self.wanted.revision == revision else None

    @property
    def emptied(self) -> Reverted | None:
        """Why the challenger of the live Service has lost its pods, where that took the traffic from it."""
        slot_state = self.slot(self.traffic.champion.other) if self.traffic is not None else None
        lost, trial = (
            slot_state.reverted if slot_state is not None else None,
            self.traffic.trial if self.traffic else None,
        )
        return lost if lost is not None and trial is not None and lost.revision == trial.revision else None

    def addresses_in(self, slot: Slot, revision: str) -> Addresses | None:
        """What the pods of a revision in a slot are to be told: what they were, unless one has to be made anew.

        None where the record does not say which addresses its template was made with.
        """
        record, slot_state = self.record(revision), self.slot(slot)
        if record is None or record.addresses is None:
            return None
        if slot_state is None or slot_state.revision != revision or slot_state.replicas == 0 or slot_state.fetching:
            return self.inputs.settings.addresses.in_place_of(record.addresses)
        return addresses.given(slot_state.deployment) or record.addresses

    def version_of(self, revision: str) -> str:
        """How people know a revision: by the model's version where it has one."""
        record = self.record(revision)
        if record is not None:
            return f"{record.model.shown} ({revision})"
        if self.wanted is not None and self.wanted.revision == revision:
            return f"{self.wanted.model.shown} ({revision})"
        return revision

    def rejected(self, revision: str) -> RevisionOutcome | None:
        """The rejection or rollback of a revision that still stands."""
        record = self.record(revision)
        for reverted in self.traffic.rejected if self.traffic is not None else ():
            if reverted.revision != revision:
                continue
            pending = RevisionOutcome(reverted.outcome, reverted.at, reverted.reason, reverted.message, reverted.by)
            if record is None or not record.has(pending):
                return pending
        return record.rejected if record is not None else None

    def asked(self, annotation: str, revision: str) -> str | None:
        """The command of a person about this revision that was not carried out yet, in its own words.

        The value is the revision, or the revision, `#` and anything, for saying the same again.
        """
        value = self.inputs.annotations.get(annotation, "")
        if value.partition("#")[0].strip() != revision:
            return None
        command, record = f"{annotation}={value}", self.record(revision)
        return None if record is not None and record.answered(command) else command

    def retry_asked(self, revision: str) -> str | None:
        record = self.record(revision)
        return self.asked(RETRY_ANNOTATION, revision) if record is not None and record.rejected else None


def read(inputs: RolloutInput, spec: ModelDeploymentSpec, now: datetime) -> RolloutState:
    """The situation that the snapshot shows."""
    state = _read(inputs, spec, now)
    return replace(state, traffic=None) if _champion_is_lost(state) else state


def _champion_is_lost(state: RolloutState) -> bool:
    """Whether the champion of the live Service is neither deployed nor recorded: nobody can make it again."""
    traffic = state.traffic
    slot_state = state.slot(traffic.champion) if traffic is not None else None
    if traffic is None or (slot_state is not None and slot_state.revision == traffic.revision):
        return False
    return state.template_of(traffic.revision) is None


def _read(inputs: RolloutInput, spec: ModelDeploymentSpec, now: datetime) -> RolloutState:
    traffic = inputs.traffic
    if beyond := of_server(spec.server, inputs.settings.templates):
        return RolloutState(inputs, spec, now, None, traffic, beyond, reasons.TEMPLATE_NOT_ALLOWED)
    if isinstance(inputs.model, Unresolved):
        return RolloutState(inputs, spec, now, None, traffic)
    try:
        template = pod_template(
            inputs.name,
            inputs.model,
            spec.server,
            inputs.settings,
            spec.model.signature,
            collector_config.fragment(spec, inputs.settings.collector_url),
        )
        if pem := required_keys(inputs.settings.signature_keys, inputs.namespace):
            template = requiring(template, pem, inputs.model)
    except InvalidTemplate as why:
        return RolloutState(inputs, spec, now, None, traffic, invalid_template=str(why))
    restart = inputs.annotations.get(RESTART_ANNOTATION, "")
    revision = revision_of(
        inputs.model, spec.server, restart, spec.model.signature, collector_config.collector_settings(spec)
    )
    return RolloutState(inputs, spec, now, DesiredRevision(revision, inputs.model, template), traffic)


def challenger(state: RolloutState, traffic: Traffic) -> str | None:
    """The revision that ought to be on trial next to this champion, None when there is none.

    While the wanted model is unknown, what is on its way stays; whether it goes further is told by `halted`. With no
    pods wanted there are no users, and so no evidence: nothing is tried then.
    """
    if state.spec.server.replicas == 0:
        return None
    other = state.slot(traffic.champion.other)
    if state.wanted is None:
        if traffic.trial is not None:
            return traffic.trial.revision
        deployed = other.revision if other is not None else ""
        known = state.record(deployed)
        settled = deployed in ("", traffic.revision, traffic.former) or known is None or known.promoted_at is not None
        return None if settled or state.rejected(deployed) else deployed
    revision = state.wanted.revision
    if revision == traffic.revision or state.rejected(revision) is not None:
        return None
    underway = traffic.trial is not None or (other is not None and other.revision == revision)
    return None if state.spec.rollout.paused and not underway else revision


def fallback_revision(state: RolloutState, traffic: Traffic) -> str | None:
    """The former champion to keep warm: the one before this champion, or else the newest that still has a good name.

    It can be kept if its template is recorded, or if it runs.
    """
    running = {slot_state.revision for slot_state in state.inputs.slots.values()}

    def eligible(revision: str) -> bool:
        known = state.record(revision) is not None or revision in running
        return known and revision != traffic.revision and state.rejected(revision) is None

    if traffic.former and eligible(traffic.former):
        return traffic.former
    promoted = [record for record in state.inputs.records.values() if record.promoted_at]
    names = [record.revision for record in sorted(promoted, key=lambda record: record.promoted_at or "")]
    return next((revision for revision in reversed(names) if eligible(revision)), None)


def first_slot(state: RolloutState) -> Slot:
    """Where the first champion goes: the slot that is in use already, else blue."""
    return next(iter(sorted(state.inputs.slots)), Slot.BLUE)


def step_name(steps: Sequence[Step], index: int) -> str:
    if index >= len(steps):
        return "promote"
    step = steps[index]
    return step.name or (f"{step.weight}%" if step.weight is not None else f"approval-{index}")


def step_identity(step: Step) -> str:
    """What a step that was passed is remembered by: its name and what it asks for, not how long or how much of it."""
    asked = f"{step.weight}%" if step.weight is not None else "approval"
    return f"{step.name} {asked}" if step.name else asked


def target_weight(steps: Sequence[Step], index: int) -> int:
    """The weight that holds in a step: its own, or for an approval that of the step before."""
    weights = [step.weight for step in steps[: index + 1] if step.weight is not None]
    return weights[-1] if weights else 0
