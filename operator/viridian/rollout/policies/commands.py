"""The orders of people: annotations on the ModelDeployment that name a revision. Each is carried out once."""

from __future__ import annotations

from viridian.api import reasons
from viridian.api.names import (
    APPROVE_ANNOTATION,
    PROMOTE_ANNOTATION,
    REJECT_ANNOTATION,
    ROLLBACK_ANNOTATION,
    SKIP_ANNOTATION,
)
from viridian.rollout.decision import RetryOrder, RolloutDecision, Wait, WaitKind
from viridian.rollout.policies.ways_back import rejection, rollback
from viridian.rollout.skip_order import SkipOrder
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.record import ChampionCause


def is_rolled_back_by_order(state: RolloutState) -> RolloutDecision | None:
    """`viridian.dev/rollback: <champion revision>` goes back to the fallback, as soon as that is ready.

    With `/<revision>` after it, to that former champion, which is deployed for it. Where there is nothing to go back
    to, the order stops nothing.
    """
    traffic, fallback = state.serving, state.fallback
    order, named = state.asked_by_name(ROLLBACK_ANNOTATION, traffic.revision)
    if order is None or fallback is None or named not in ("", fallback):
        return None
    reason = reasons.ROLLED_BACK_BY_PERSON
    if traffic.trial is not None:
        # The other slot holds the challenger: it makes room for the former champion first.
        revision = traffic.trial.revision
        return rejection(state, revision, reason, f"{state.version_of(revision)} is removed for a rollback", by=order)
    wait = Wait(WaitKind.FALLBACK_FOR_ROLLBACK, fallback, detail=state.failure_message(state.other_slot))
    cause = ChampionCause.REINSTATED if named else ChampionCause.ROLLED_BACK
    return rollback(state, reason, "rolled back by annotation", wait, by=order, cause=cause)


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


def names_no_former_champion(state: RolloutState) -> Wait | None:
    """What a rollback waits for that cannot be carried out: it names no former champion, or there is none."""
    order, named = state.asked_by_name(ROLLBACK_ANNOTATION, state.serving.revision)
    if order is None or (state.fallback is not None and named in ("", state.fallback)):
        return None
    recorded = sorted(
        record.revision
        for record in state.inputs.records.values()
        if record.promoted_at and record.revision != state.serving.revision
    )
    known = f"; it may name {', '.join(recorded)}" if recorded else ""
    why = f"{ROLLBACK_ANNOTATION} names {named}, which is no former champion{known}" if named else ""
    return Wait(WaitKind.FORMER_CHAMPION, detail=why)


def promotion_command(state: RolloutState) -> str | None:
    """`viridian.dev/promote: <challenger revision>`: no step and no window holds it up, counted before or not."""
    trial = state.serving.trial
    if trial is None:
        return None
    counted = trial.approved if trial.approved.startswith(f"{PROMOTE_ANNOTATION}=") else None
    return state.asked(PROMOTE_ANNOTATION, trial.revision) or counted


def skip_command(state: RolloutState, revision: str, *names: str) -> str | None:
    """`viridian.dev/skip: <challenger revision>/<names>`, as far as it has these names and was not counted yet."""
    order = SkipOrder.parse(state.inputs.annotations.get(SKIP_ANNOTATION, ""))
    if order.revision != revision:
        return None
    record, trial = state.record(revision), state.serving.trial
    carried_out = [one.by for one in record.outcomes] if record is not None else []
    known = [*carried_out, trial.approved] if trial is not None else carried_out
    asked = [name for name in names if name in order.names and not order.is_counted(name, known)]
    return order.about(asked) if asked else None


def approval(state: RolloutState) -> str | None:
    """`viridian.dev/approve: <challenger revision>`, where it was not counted yet: each passes one step."""
    order = state.asked(APPROVE_ANNOTATION, state.trial.revision)
    return None if order == state.trial.approved else order


def approval_to_give(state: RolloutState) -> int:
    """The number that tells this approval apart from one that was counted before; 0 where none is needed."""
    given = state.inputs.annotations.get(APPROVE_ANNOTATION, "")
    return state.trial.step + 1 if given.partition("#")[0] == state.trial.revision else 0
