"""The orders of people: annotations on the ModelDeployment that name a revision. Each is carried out once."""

from __future__ import annotations

from viridian.api import reasons
from viridian.api.names import APPROVE_ANNOTATION, REJECT_ANNOTATION, ROLLBACK_ANNOTATION
from viridian.rollout.decision import RetryOrder, RolloutDecision, Wait, WaitKind
from viridian.rollout.policies.ways_back import rejection, rollback
from viridian.rollout.state import RolloutState


def is_rolled_back_by_order(state: RolloutState) -> RolloutDecision | None:
    """`viridian.dev/rollback: <champion revision>` goes back to the fallback, as soon as that is ready.

    Where there is nothing to go back to, the order stops nothing.
    """
    traffic, fallback = state.serving, state.fallback
    order = state.asked(ROLLBACK_ANNOTATION, traffic.revision)
    if order is None or fallback is None:
        return None
    reason = reasons.ROLLED_BACK_BY_PERSON
    if traffic.trial is not None:
        # The other slot holds the challenger: it makes room for the former champion first.
        revision = traffic.trial.revision
        return rejection(state, revision, reason, f"{state.version_of(revision)} is removed for a rollback", by=order)
    wait = Wait(WaitKind.FALLBACK_FOR_ROLLBACK, fallback)
    return rollback(state, reason, "rolled back by annotation", wait, by=order)


def is_rejected_by_order(state: RolloutState) -> RolloutDecision | None:
    """`viridian.dev/reject: <revision>` takes the challenger off trial at once."""
    trial = state.serving.trial
    revision = trial.revision if trial is not None else state.challenger
    order = state.asked(REJECT_ANNOTATION, revision) if revision else None
    if order is None or revision is None:
        return None
    return rejection(state, revision, reasons.REJECTED_BY_PERSON, "rejected by annotation", by=order)


def is_retried_by_order(state: RolloutState) -> RolloutDecision | None:
    """`viridian.dev/retry: <rejected revision>` gives the desired revision another chance, once."""
    revision = state.desired.revision if state.desired else None
    order = state.retry_asked(revision) if revision else None
    if order is None or revision is None:
        return None
    return RolloutDecision.retry_rejected(state.serving, RetryOrder(revision, order))


def approval(state: RolloutState) -> str | None:
    """`viridian.dev/approve: <challenger revision>`, where it was not counted yet: each passes one step."""
    order = state.asked(APPROVE_ANNOTATION, state.trial.revision)
    return None if order == state.trial.approved else order


def approval_to_give(state: RolloutState) -> int:
    """The number that tells this approval apart from one that was counted before; 0 where none is needed."""
    given = state.inputs.annotations.get(APPROVE_ANNOTATION, "")
    return state.trial.step + 1 if given.partition("#")[0] == state.trial.revision else 0
