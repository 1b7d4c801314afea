"""Whether there is a NetworkPolicy, and for which pods: those that are there, and those that are about to be made."""

from __future__ import annotations

from collections.abc import Iterator

from viridian.core.intent import apply_unless_covered
from viridian.core.plan import Apply, Delete
from viridian.rollout.render.network_policy import Template, policy
from viridian.rollout.slots import DesiredSlots
from viridian.rollout.state import RolloutState


def limit_access(state: RolloutState, slots: DesiredSlots) -> Iterator[Apply | Delete]:
    """What brings the NetworkPolicy to what is wanted: there, or not there."""
    inputs, access = state.inputs, state.inputs.settings.access
    observed, templates = inputs.network_policy, tuple(_templates(state, slots))
    if access is None:
        if observed is not None:
            metadata = observed["metadata"]
            yield Delete("networking.k8s.io/v1", "NetworkPolicy", metadata["name"], metadata["uid"])
    elif templates:
        action = apply_unless_covered(policy(inputs, access, templates), observed)
        if action is not None:
            yield action


def _templates(state: RolloutState, slots: DesiredSlots) -> Iterator[Template]:
    """Of the pods that are there, and of those that are about to be made."""
    for slot_state in state.inputs.slots.values():
        if not slot_state.foreign:
            yield slot_state.deployment["spec"]["template"]
    for desired in slots.values():
        wanted = state.template_of(desired.revision) if desired is not None else None
        if wanted is not None:
            yield wanted
