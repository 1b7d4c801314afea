"""Which pods a step needs before its weight is written, and who is waited for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from viridian.api.names import Slot
from viridian.core.times import older_than
from viridian.rollout.decision import Wait, WaitKind
from viridian.rollout.pod_bounds import may_be_more
from viridian.rollout.policies.trial_steps import pods_needed
from viridian.rollout.slot_state import SlotState
from viridian.rollout.state import RolloutState

_CHAMPION_GIVEN_UP_AFTER: Final = timedelta(minutes=1)
"""A champion that lacks pods for so long does not hold up a challenger that has its own."""


def missing_pods(state: RolloutState) -> Wait | None:
    """Which pods the present step lacks; None where all are there."""
    return challenger_lacks(state) or _champion_lacks(state)


def challenger_lacks(state: RolloutState) -> Wait | None:
    """Which of its own pods the challenger lacks."""
    need = pods_needed(state, state.trial).challenger
    return _lacks(state, WaitKind.PODS, state.other_slot, need, state.trial.revision)


def _champion_lacks(state: RolloutState) -> Wait | None:
    """A champion that is short of pods is waited for, but not for long: those that it has are enough then.

    One that serves has the time since the step was entered, one that does not the time since it serves no more.
    """
    champion = state.champion
    if champion is not None and champion.foreign and champion.serves:
        return None  # how many pods it has is not ours to say
    if champion is not None:
        since = state.trial.entered if champion.serves else champion.unavailable_since
        if older_than(since, _CHAMPION_GIVEN_UP_AFTER, state.now):
            return None
    traffic, need = state.serving, pods_needed(state, state.trial).champion
    return _lacks(state, WaitKind.CHAMPION_PODS, traffic.champion, need, traffic.revision)


def _lacks(state: RolloutState, kind: WaitKind, slot: Slot, need: int, revision: str) -> Wait | None:
    slot_state = state.slot(slot)
    if slot_state is not None and _has_enough(state, slot_state, need):
        return None
    ready = slot_state.ready_replicas if slot_state else 0
    return Wait(kind, revision, slot=slot, have=ready, need=need, detail=state.failure_message(slot))


def _has_enough(state: RolloutState, slot_state: SlotState, need: int) -> bool:
    """Pods that an autoscaler has just added are not waited for."""
    if may_be_more(state):
        return slot_state.serves and slot_state.ready_replicas >= need
    return slot_state.settled and slot_state.replicas == need
