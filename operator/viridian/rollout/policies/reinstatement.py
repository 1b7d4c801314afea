"""A former champion that the spec names again, as after a Git revert: within the rollback window it needs no steps."""

from __future__ import annotations

from viridian.core.times import length
from viridian.rollout.championships import past_championships, within
from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.pod_bounds import champion_size
from viridian.rollout.state import RolloutState


def needs_no_steps(state: RolloutState) -> bool:
    """Whether the challenger was champion within the rollback window; a rejected one is no challenger."""
    window, revision = state.spec.rollout.rollback_window, state.challenger
    record = state.record(revision) if revision is not None else None
    if window is None or revision is None or record is None or not record.promoted_at:
        return False
    past = past_championships(state.inputs.records.values(), state.serving)
    return within(window, revision, past, probation=length(state.spec.rollout.probation), now=state.now)


def is_reinstated(state: RolloutState) -> RolloutDecision | None:
    """As soon as it has all its pods, one write gives it the traffic: at once, where it is still at full size.

    It is a way back, so neither a hold nor the promotion window stops it. A pause does.
    """
    revision, other = state.challenger or "", state.other
    if state.spec.rollout.paused or other is None or not needs_no_steps(state):
        return None
    size = champion_size(state, state.serving, None)
    if other.replicas < size or not state.serves(state.other_slot, revision):
        failure = state.failure_message(state.other_slot)
        return RolloutDecision.hold(state.serving, Wait(WaitKind.CHALLENGER_READY, revision, detail=failure), revision)
    return RolloutDecision.reinstate(state.serving, revision, state.now)
