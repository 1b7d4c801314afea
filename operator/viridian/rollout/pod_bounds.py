"""Between which numbers of pods a slot is kept, and who decides in between.

Without `server.autoscaling` the number is exact. With it, an autoscaler moves the number between the bounds, and the
operator raises the least before users are sent to a slot. Where the numbers of pods make the weights, an autoscaler
rests while a challenger is on trial: its least and its most are the same.
"""

from __future__ import annotations

from viridian.api.autoscaling import Autoscaling, Scaler
from viridian.api.names import Slot
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.capacity import PodBounds
from viridian.rollout.traffic.record import Traffic, Trial


def autoscaling_of(state: RolloutState) -> Autoscaling | None:
    """How pods follow their load; None where they do not, or where no pods are wanted at all."""
    server = state.spec.server
    return server.autoscaling if server.replicas > 0 else None


def scaled_by_others(state: RolloutState) -> bool:
    """Whether somebody else's autoscaler decides about the pods."""
    autoscaling = autoscaling_of(state)
    return autoscaling is not None and autoscaling.scaler is Scaler.EXTERNAL


def bounds(state: RolloutState, least: int, *, follows_load: bool) -> PodBounds:
    """The bounds of a slot with at least so many pods. `follows_load`: users may decide how many more.

    Somebody else's autoscaler has no setting of the operator's by which it rests, so it always has all of its room.
    """
    autoscaling = autoscaling_of(state)
    if autoscaling is None or least == 0 or not (follows_load or scaled_by_others(state)):
        return PodBounds(least, least)
    return PodBounds(least, max(least, autoscaling.max_replicas))


def pods_in(state: RolloutState, slot: Slot, revision: str) -> int:
    """The pods that a slot is to have now; 0 where it does not hold this revision."""
    found = state.slot(slot)
    return found.replicas if found is not None and found.revision == revision else 0


def champion_size(state: RolloutState, traffic: Traffic, trial: Trial | None) -> int:
    """The pods that serve all users: as many as are asked for, or as an autoscaler has found to be needed.

    While a challenger is on trial, as many as there were when it entered its step.
    """
    least, autoscaling = state.spec.server.replicas, autoscaling_of(state)
    if autoscaling is None:
        return least
    found = trial.champion_pods if trial is not None else pods_in(state, traffic.champion, traffic.revision)
    return PodBounds(least, max(least, autoscaling.max_replicas)).nearest(found)


def may_be_more(state: RolloutState) -> bool:
    """Whether a slot on trial may have more pods than its step needs: that changes no weight."""
    return autoscaling_of(state) is not None and not state.inputs.provider.follows_ready_pods
