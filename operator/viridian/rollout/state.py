"""What the input of a pass means: who serves, what is desired, who is judged and how, and who the challenger is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from viridian.api import reasons
from viridian.api.modeldeployment import ModelDeploymentSpec, Step
from viridian.api.names import RESTART_ANNOTATION, RETRY_ANNOTATION, ROLLBACK_ANNOTATION, Slot
from viridian.core.signature_keys import required_keys
from viridian.core.strategic_merge import InvalidTemplate
from viridian.core.templates import of_server
from viridian.judgement.canary import Judgement
from viridian.rollout import addresses
from viridian.rollout.addresses import Addresses
from viridian.rollout.analysis.experiment_rows import ExperimentFigures, experiment_figures
from viridian.rollout.analysis.judged import in_probation, subject
from viridian.rollout.analysis.judging import judgements
from viridian.rollout.analysis.mirrored import not_copying
from viridian.rollout.analysis.selection import SOURCES
from viridian.rollout.analysis.source import Look
from viridian.rollout.decision import Wait, WaitKind
from viridian.rollout.input import RolloutInput, Unresolved
from viridian.rollout.records import RevisionOutcome, RevisionRecord, ServedModel, newest_promoted
from viridian.rollout.render import collector_config
from viridian.rollout.render.pod_template import pod_template
from viridian.rollout.render.required_signature import requiring
from viridian.rollout.render.revision import revision_of
from viridian.rollout.restored import restored
from viridian.rollout.slot_state import SlotState
from viridian.rollout.traffic.clock_skew import none_ahead
from viridian.rollout.traffic.provider import Unsettled
from viridian.rollout.traffic.record import Reverted, Traffic, Trial


@dataclass(frozen=True, slots=True)
class DesiredRevision:
    """The revision that the spec asks for now."""

    revision: str
    model: ServedModel
    template: Mapping[str, Any]


# What a registry lacks before somebody has made it.
_MADE_LATER = (reasons.MODEL_NOT_FOUND, reasons.ALIAS_NOT_FOUND)
# What it answers about something that was there once.
_GONE = (*_MADE_LATER, reasons.VERSION_NOT_FOUND, reasons.VERSION_REPLACED)


@dataclass(frozen=True)  # without slots: what is derived is derived once
class RolloutState:
    """What an input with a valid spec means, read once for all checks."""

    inputs: RolloutInput
    spec: ModelDeploymentSpec
    now: datetime
    desired: DesiredRevision | None
    # What is recorded of the traffic; None where that was destroyed, or its champion is neither deployed nor recorded.
    recorded: Traffic | None = None
    # Why the desired revision cannot be made from the spec, for people.
    invalid_template: str = ""
    invalid_reason: str = reasons.INVALID_SPEC

    # ---- The traffic, and who is judged

    @cached_property
    def traffic(self) -> Traffic | None:
        """The traffic as it is recorded, or else as it follows from the rest; None before the first champion."""
        traffic = self.recorded or restored(self.inputs, self.now)
        if traffic is None or in_probation(self.spec, traffic, self.now):
            return traffic
        # What its pods had counted once speaks for nothing any more.
        return replace(traffic, exposure=None)

    @property
    def serving(self) -> Traffic:
        """The traffic, for checks that are asked only once there is a champion."""
        if self.traffic is None:
            raise LookupError("there is no champion yet")
        return self.traffic

    @property
    def trial(self) -> Trial:
        """The trial, for checks that are asked only while a challenger is on trial."""
        if self.serving.trial is None:
            raise LookupError("no challenger is on trial")
        return self.serving.trial

    @property
    def champion(self) -> SlotState | None:
        return self.slot(self.serving.champion)

    @property
    def other_slot(self) -> Slot:
        """The slot that is not the champion's: a challenger's, or the fallback's."""
        return self.serving.champion.other

    @property
    def other(self) -> SlotState | None:
        return self.slot(self.other_slot)

    @cached_property
    def look(self) -> Look | None:
        """What is known of the revision that is judged now; None where nobody is."""
        judged = subject(self.inputs, self.traffic, self.now)
        analysis = self.spec.rollout.analysis
        if judged is None:
            return None
        return Look(analysis, judged, self.inputs.readings, self.now, self.inputs.answers)

    @cached_property
    def judgements(self) -> tuple[Judgement, ...]:
        """One judgement a metric; none while users cannot meet the revision."""
        look = self.look
        return judgements(SOURCES, look) if look is not None and look.subject.met else ()

    @cached_property
    def experiment(self) -> ExperimentFigures | None:
        """What is known of the experiment that is under way; None where there is none."""
        return experiment_figures(self.inputs, self.now)

    @cached_property
    def unsettled(self) -> Unsettled | None:
        """Why users may not meet the slots as the objects of the traffic say; None where they do."""
        return self.inputs.provider.unsettled(self.inputs.name, self.inputs.traffic_objects)

    @cached_property
    def not_copying(self) -> str | None:
        """Why the champion's servers copy no requests now; None where one of them does."""
        if self.inputs.settings.orders_key is None:
            return "the operator has no key of orders, so no server takes any from it"
        return not_copying(self.look) if self.look is not None else None

    @property
    def in_probation(self) -> bool:
        """Whether the champion is new enough to be judged on, with someone there to go back to."""
        return in_probation(self.spec, self.serving, self.now)

    @cached_property
    def challenger(self) -> str | None:
        """The revision that ought to be on trial beside the champion, None when there is none."""
        return _challenger(self, self.serving)

    @cached_property
    def fallback(self) -> str | None:
        """The former champion to keep warm beside the champion."""
        return fallback_revision(self, self.serving)

    # ---- What the spec and the registry say

    @property
    def steps(self) -> Sequence[Step]:
        """Beside a predecessor no step has a part of the traffic: no Service selects its pods and those of a slot.

        Nor does it copy requests, since it may be any program.
        """
        steps, traffic = self.spec.rollout.steps, self.traffic
        if traffic is None or not traffic.serves_predecessor:
            return steps
        return [step for step in steps if step.approval is not None or step.weight == 100]

    @property
    def awaited(self) -> Unresolved | None:
        """The wanted model, where it is not there yet: the registry does not have it, or is not up for the first one.

        A registered model that was deployed here before is another matter: what the registry lacks of that is gone.
        """
        model, registry = self.inputs.model, self.spec.model.registry
        if not isinstance(model, Unresolved) or registry is None:
            return None
        if not model.lasting:
            return model if self.recorded is None else None
        deployed = {record.model.name for record in self.inputs.records.values()}
        return model if model.reason in _MADE_LATER and registry.name not in deployed else None

    @property
    def halted(self) -> Wait | None:
        """What is waited for where no challenger may go further: by a person, the registry, or the data.

        A registry that is silent halts nothing. One that answers that what the spec asks for is gone does: somebody
        has taken it away. So does the policy that made the challenger, while it holds its data to be bad.
        """
        if self.spec.rollout.paused:
            return Wait(WaitKind.UNPAUSED)
        model = self.inputs.model
        if isinstance(model, Unresolved) and model.reason in _GONE:
            return Wait(WaitKind.VERSION_IN_REGISTRY, detail=model.message)
        held = self.inputs.held_versions.get(self._version_under_way)
        return Wait(WaitKind.GOOD_DATA, detail=held) if held else None

    @property
    def _version_under_way(self) -> str:
        """The registry's version of the challenger; empty where it has none, and before the first champion."""
        if self.traffic is None:
            return ""
        traffic = self.recorded
        trial = traffic.trial if traffic is not None else None
        revision = trial.revision if trial is not None else self.challenger
        model = self.model_of(revision) if revision else None
        return (model.version if model is not None else None) or ""

    @property
    def is_pinned(self) -> bool:
        """Whether Git decides the version: its rejection is a failed rollout, while an alias waits for the next one."""
        registry = self.spec.model.registry
        return registry is None or registry.alias is None

    # ---- Slots and revisions

    def failure_message(self, slot: Slot) -> str:
        """In brackets, what keeps the pods of a slot from being ready; empty where nothing is known to."""
        state = self.slot(slot)
        message = state.failure_message(self.now) if state is not None and not state.settled else ""
        return f" ({message})" if message else ""

    def slot(self, slot: Slot) -> SlotState | None:
        return self.inputs.slots.get(slot)

    def record(self, revision: str) -> RevisionRecord | None:
        return self.inputs.records.get(revision)

    def serves(self, slot: Slot, revision: str) -> bool:
        """Whether the slot holds this revision, and some pod of it is ready."""
        slot_state = self.slot(slot)
        return slot_state is not None and slot_state.revision == revision and slot_state.serves

    def _known(self, revision: str) -> RevisionRecord | DesiredRevision | None:
        """The revision as it was recorded, or as it is about to be."""
        wanted = self.desired if self.desired is not None and self.desired.revision == revision else None
        return self.record(revision) or wanted

    def template_of(self, revision: str) -> Mapping[str, Any] | None:
        known = self._known(revision)
        return known.template if known is not None else None

    def model_of(self, revision: str) -> ServedModel | None:
        known = self._known(revision)
        return known.model if known is not None else None

    @property
    def emptied(self) -> Reverted | None:
        """Why the challenger has lost its pods, where that took the traffic from it before the record could say so."""
        if self.recorded is None or self.recorded.trial is None:
            return None
        state = self.slot(self.recorded.champion.other)
        lost = state.reverted if state is not None else None
        return lost if lost is not None and lost.revision == self.recorded.trial.revision else None

    def addresses_in(self, slot: Slot, revision: str) -> Addresses | None:
        """The settings of the pods of a revision in a slot: the present ones, unless a pod has to be made anew.

        None where the record does not say which addresses its template was made with.
        """
        recorded, slot_state = self.recorded_addresses(revision), self.slot(slot)
        if recorded is None or slot_state is None or self.makes_pods_anew(slot, revision):
            return self.present_addresses(revision)
        given = addresses.given(slot_state.deployment)
        return given.in_place_of(recorded) if given is not None else recorded

    def makes_pods_anew(self, slot: Slot, revision: str) -> bool:
        """Whether the slot has no pods of the revision, or one of them has not got its model yet."""
        slot_state = self.slot(slot)
        return slot_state is None or slot_state.revision != revision or not slot_state.replicas or slot_state.fetching

    def recorded_addresses(self, revision: str) -> Addresses | None:
        """Those that the template of a revision was made with; None where nobody can tell."""
        record = self.record(revision)
        if record is None or record.addresses is None:
            return None
        return record.addresses.with_model_of(record.template)

    def present_addresses(self, revision: str) -> Addresses | None:
        """The same as they are by now. Where the model is, is known of the wanted revision alone."""
        recorded, present = self.recorded_addresses(revision), self.inputs.settings.addresses
        if recorded is None:
            return None
        if self.desired is not None and self.desired.revision == revision:
            present = present.with_model_of(self.desired.template)
        return present.in_place_of(recorded)

    def version_of(self, revision: str) -> str:
        """How people know a revision: by the model's version where it has one."""
        model = self.model_of(revision)
        return f"{model.shown} ({revision})" if model is not None else revision

    def rejected(self, revision: str) -> RevisionOutcome | None:
        """The rejection or rollback of a revision that still stands."""
        record = self.record(revision)
        for lost in self.recorded.rejected if self.recorded is not None else ():
            pending = RevisionOutcome.of(lost)
            if lost.revision == revision and (record is None or not record.has(pending)):
                return pending
        return record.rejected if record is not None else None

    def asked(self, annotation: str, revision: str) -> str | None:
        """The command of a person about this revision that was not carried out yet, in its own words.

        The value is the revision, or the revision, `#` and anything, for saying the same again.
        """
        command, name = self.asked_by_name(annotation, revision)
        return command if not name else None

    def asked_by_name(self, annotation: str, revision: str) -> tuple[str | None, str]:
        """The same with what follows the revision after a `/`, such as a step; empty where nothing does."""
        value = self.inputs.annotations.get(annotation, "")
        about, _, name = value.partition("#")[0].strip().partition("/")
        if about != revision:
            return None, ""
        command, record = f"{annotation}={value}", self.record(revision)
        return (None, "") if record is not None and record.answered(command) else (command, name)

    def retry_asked(self, revision: str) -> str | None:
        record = self.record(revision)
        return self.asked(RETRY_ANNOTATION, revision) if record is not None and record.rejected else None


def read(inputs: RolloutInput, spec: ModelDeploymentSpec, now: datetime) -> RolloutState:
    """The state that the input shows."""
    state = _read(inputs, spec, now)
    return replace(state, recorded=None) if _champion_is_lost(state) else state


def _champion_is_lost(state: RolloutState) -> bool:
    """Whether the recorded champion is neither deployed nor recorded: nobody can make it again."""
    recorded = state.recorded
    slot_state = state.slot(recorded.champion) if recorded is not None else None
    if recorded is None or (slot_state is not None and slot_state.revision == recorded.revision):
        return False
    return state.template_of(recorded.revision) is None


def _read(inputs: RolloutInput, spec: ModelDeploymentSpec, now: datetime) -> RolloutState:
    recorded = none_ahead(inputs.traffic, now)
    if beyond := of_server(spec.server, inputs.settings.templates):
        return RolloutState(inputs, spec, now, None, recorded, beyond, reasons.TEMPLATE_NOT_ALLOWED)
    if isinstance(inputs.model, Unresolved):
        return RolloutState(inputs, spec, now, None, recorded)
    try:
        desired = _desired(inputs, spec, inputs.model)
    except InvalidTemplate as why:
        return RolloutState(inputs, spec, now, None, recorded, invalid_template=str(why))
    return RolloutState(inputs, spec, now, desired, recorded)


def _desired(inputs: RolloutInput, spec: ModelDeploymentSpec, model: ServedModel) -> DesiredRevision:
    settings, signature = inputs.settings, spec.model.signature
    collecting = collector_config.fragment(spec, settings.collector_url)
    features = spec.model.features
    template = pod_template(inputs.name, model, spec.server, settings, signature, collecting, features)
    if pem := required_keys(settings.signature_keys, inputs.namespace):
        template = requiring(template, pem, model)
    restart = inputs.annotations.get(RESTART_ANNOTATION, "")
    collected = collector_config.collector_settings(spec)
    revision = revision_of(model, spec.server, restart, signature, collected, features)
    return DesiredRevision(revision, model, template)


def _challenger(state: RolloutState, traffic: Traffic) -> str | None:
    """While the desired model is unknown, a challenger that is there stays; `halted` says whether it goes further.

    With no pods wanted there are no users, and so no evidence: nothing is tried then.
    """
    if state.spec.server.replicas == 0:
        return None
    other = state.slot(traffic.champion.other)
    if state.desired is None:
        if traffic.trial is not None:
            return traffic.trial.revision
        deployed = other.revision if other is not None else ""
        known = state.record(deployed)
        settled = deployed in ("", traffic.revision, traffic.former) or known is None or known.promoted_at is not None
        return None if settled or state.rejected(deployed) else deployed
    revision = state.desired.revision
    if revision == traffic.revision or state.rejected(revision) is not None:
        return None
    underway = traffic.trial is not None or (other is not None and other.revision == revision)
    return None if state.spec.rollout.paused and not underway else revision


def rollback_target(state: RolloutState, traffic: Traffic) -> str | None:
    """The former champion that a rollback by a person names, be it rejected or not; None where none is named."""
    _, named = state.asked_by_name(ROLLBACK_ANNOTATION, traffic.revision)
    record = state.record(named)
    return named if record is not None and record.promoted_at and named != traffic.revision else None


def fallback_revision(state: RolloutState, traffic: Traffic) -> str | None:
    """The former champion to keep warm: the one before this champion, or else the newest that is eligible.

    It can be kept if its template is recorded, or if it runs. One that answers in a drill stays until that
    has ended; then one that a rollback by a person names comes first.
    """
    running = {slot_state.revision for slot_state in state.inputs.slots.values()}

    def eligible(revision: str) -> bool:
        known = state.record(revision) is not None or revision in running
        return known and revision != traffic.revision and state.rejected(revision) is None

    if traffic.drill is not None and traffic.drill.since is not None:
        return traffic.drill.revision
    if target := rollback_target(state, traffic):
        return target
    if traffic.former and eligible(traffic.former):
        return traffic.former
    newest = newest_promoted(record for record in state.inputs.records.values() if eligible(record.revision))
    return newest.revision if newest is not None else None
