"""What is written and deleted so that the slots hold what they are to hold: Deployments, autoscalers, budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from viridian.api.autoscaling import CPU_UTILIZATION
from viridian.api.names import Slot, slot_deployment
from viridian.core.intent import apply_unless_covered
from viridian.core.ownership import Belongs, belongs
from viridian.core.plan import Action, Apply, Delete
from viridian.rollout.manifests import Manifest
from viridian.rollout.pod_bounds import autoscaling_of, scaled_by_others
from viridian.rollout.render import model_address, objects
from viridian.rollout.slot_state import SlotState
from viridian.rollout.slots import DesiredSlot, DesiredSlots
from viridian.rollout.state import RolloutState


def applied(intent: Manifest, observed: object) -> Iterable[Apply]:
    """The write of an object, where it is not as it is intended."""
    action = apply_unless_covered(intent, observed if isinstance(observed, dict) else None)
    return () if action is None else (action,)


def occupy(state: RolloutState, slots: DesiredSlots) -> Iterator[Action]:
    """What the slots are to hold."""
    for slot, desired in slots.items():
        if desired is None:
            continue
        observed = state.slot(slot)
        template = state.template_of(desired.revision) or _orphaned_template(state, observed, desired)
        if template is None:
            continue
        name, inputs = slot_deployment(state.inputs.name, slot), state.inputs
        cpu_utilization = _autoscales(state, desired)
        if cpu_utilization is not None:  # before the pods that it must not take away
            autoscaler = objects.autoscaler(inputs, slot, desired.bounds, cpu_utilization)
            yield from applied(autoscaler, inputs.autoscalers.get(name))
        autoscaled = cpu_utilization is not None or name in inputs.autoscalers
        intent = objects.deployment(
            inputs, slot, desired.revision, template, desired.replicas, desired.reverted, autoscaled=autoscaled
        )
        intent = _addressed(state, slot, desired.revision, intent)
        intent = _completed(state, slot, desired.revision, intent)
        known = observed if observed is not None and not observed.foreign else None
        yield from _sized(intent, known, desired)
        yield from applied(objects.budget(state.inputs, slot), state.inputs.budgets.get(name))


def _autoscales(state: RolloutState, desired: DesiredSlot) -> int | None:
    """The use of CPUs in percent that a slot's autoscaler aims at; None where the operator makes none for it."""
    autoscaling = autoscaling_of(state)
    if autoscaling is None or scaled_by_others(state) or desired.bounds.most == 0:
        return None
    return autoscaling.cpu_utilization or CPU_UTILIZATION


def _sized(intent: Manifest, observed: SlotState | None, desired: DesiredSlot) -> Iterable[Apply]:
    """The Deployment. A number of pods that somebody else may choose is no part of what was intended."""
    identity = None
    if desired.range is not None:
        spec = {key: value for key, value in intent["spec"].items() if key != "replicas"}
        identity = {**intent, "spec": spec}
    action = apply_unless_covered(intent, observed.deployment if observed else None, identity=identity)
    return () if action is None else (action,)


def _addressed(state: RolloutState, slot: Slot, revision: str, intent: Manifest) -> Manifest:
    """The Deployment with the addresses that its pods need, where they are not the recorded ones."""
    recorded, now = state.recorded_addresses(revision), state.addresses_in(slot, revision)
    return intent if recorded is None or now is None or now == recorded else objects.readdressed(intent, recorded, now)


def _completed(state: RolloutState, slot: Slot, revision: str, intent: Manifest) -> Manifest:
    """The Deployment with the whole address of the model, of which the record holds what may be shown.

    What the slot's pods have already stays, until one has to be made anew: a signature in an address ends by itself.
    The spec tells the rest. A former champion whose Deployment is gone has only the recorded part.
    """
    slot_state, wanted = state.slot(slot), state.desired
    has = [slot_state.deployment["spec"]["template"]] if slot_state and slot_state.revision == revision else []
    asked = [wanted.template] if wanted is not None and wanted.revision == revision else []
    known = [*asked, *has] if state.makes_pods_anew(slot, revision) else [*has, *asked]
    return model_address.completed(intent, known)


def _orphaned_template(
    state: RolloutState, observed: SlotState | None, desired: DesiredSlot
) -> Mapping[str, Any] | None:
    """Of a Deployment whose record is gone: what it runs, where it has to be applied again to get its owner back."""
    if observed is None or observed.revision != desired.revision:
        return None
    orphaned = belongs(observed.deployment, state.inputs.uid) is Belongs.ORPHAN
    return observed.deployment["spec"]["template"] if orphaned else None


def clear(state: RolloutState, slots: DesiredSlots) -> Iterator[Action]:
    """What the slots are not to hold any more."""
    for slot, desired in slots.items():
        name, slot_state = slot_deployment(state.inputs.name, slot), state.slot(slot)
        autoscaler = state.inputs.autoscalers.get(name)
        if autoscaler is not None and (desired is None or _autoscales(state, desired) is None):
            yield Delete("autoscaling/v2", "HorizontalPodAutoscaler", name, autoscaler["metadata"]["uid"])
        if desired is not None:
            continue
        if slot_state is not None and not slot_state.foreign:
            yield Delete("apps/v1", "Deployment", name, slot_state.uid)
        disruption_budget = state.inputs.budgets.get(name)
        if disruption_budget is not None:
            yield Delete("policy/v1", "PodDisruptionBudget", name, disruption_budget["metadata"]["uid"])
