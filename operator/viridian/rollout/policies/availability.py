"""Whether users are served: pods that crash, slots without a ready pod, and who would serve after a decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from viridian.api import durations
from viridian.api.names import Slot
from viridian.api.samples import Idle
from viridian.rollout.decision import Close, RolloutDecision, Wait, WaitKind
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.exposure import Exposure, restarts_within

CRASH_LOOP: Final = 3
"""After this many restarts of a serving container within a trial nobody waits for its metrics."""
UNSERVED: Final = timedelta(seconds=15)
"""A champion on probation without a ready pod for so long gives the traffic back: its fallback is ready."""


def lost_its_pods(state: RolloutState) -> RolloutDecision | None:
    """What is left to do about a challenger that lost the traffic by losing its pods: the record says so too."""
    lost = state.emptied
    if lost is None:
        return None
    rejected = RolloutDecision.reject(state.serving, lost)
    # Its Event was sent when it lost its pods.
    return replace(rejected, change=None, close=Close((state.other_slot,), Idle.CLOSE))


def keep_users_served(state: RolloutState, decision: RolloutDecision) -> RolloutDecision:
    """The decision, or waiting where it would take users from a challenger that serves to a champion that cannot.

    A response is better than none, even from a bad challenger. `spec.server.replicas: 0` is how a person
    says that no answers are better than these.
    """
    traffic, trial, after = state.serving, state.serving.trial, decision.traffic
    if trial is None or trial.weight == 0 or after is None or after.trial is not None:
        return decision
    given_back = after.champion is traffic.champion and state.spec.server.replicas > 0
    can_take_over = state.serves(traffic.champion, traffic.revision)
    if not given_back or can_take_over or not state.serves(state.other_slot, trial.revision):
        return decision
    wait = Wait(WaitKind.CHAMPION_TO_TAKE_OVER, traffic.revision, then=decision.change)
    return replace(RolloutDecision.hold(traffic, wait, trial.revision), judgements=decision.judgements)


def crash_loop(state: RolloutState, slot: Slot, revision: str, exposure: Exposure | None = None) -> str | None:
    """The sentence about pods of this revision that crash again and again, within their exposure if there is one.

    One that waits for something and says so, such as the Secret of a key, is no such pod.
    """
    slot_state = state.slot(slot)
    pods = [pod for pod in slot_state.pods if pod.revision == revision] if slot_state else []
    crashes = {pod: restarts_within(exposure, pod.uid, pod.restarts) for pod in pods if not pod.waits}
    worst = max(crashes, key=lambda pod: crashes[pod], default=None)
    if worst is None or crashes[worst] < CRASH_LOOP:
        return None
    return f"pod {worst.name} restarted {crashes[worst]} times; {worst.last_words or 'see its log'}"


def unserved_since(state: RolloutState, slot: Slot) -> datetime | None:
    """Since when no pod of the slot is ready, while some are wanted; None where one is, or nobody knows."""
    slot_state = state.slot(slot)
    if slot_state is None or slot_state.replicas == 0 or slot_state.serves:
        return None
    return slot_state.unavailable_since


def unserved(state: RolloutState, slot: Slot) -> str | None:
    """The sentence about a slot that has pods of which none has been ready for a while."""
    since = unserved_since(state, slot)
    if since is None or state.now - since < UNSERVED:
        return None
    length = durations.format_duration(state.now - since)
    return f"no pod of it has been ready for {length}{state.failure_message(slot)}"
