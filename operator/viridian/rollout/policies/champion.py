"""The champion: the first one on its way to users, and one that serves while nothing is on trial."""

from __future__ import annotations

from typing import Final

from viridian.api import reasons
from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.feature_skew import is_let_through, skew, way_through
from viridian.rollout.policies.adoption import takes_over_from_a_predecessor
from viridian.rollout.policies.chain import Chain
from viridian.rollout.policies.commands import names_no_former_champion
from viridian.rollout.policies.promotion_times import promotion_hold
from viridian.rollout.restored import first_slot
from viridian.rollout.state import RolloutState

# ---- Before there is one


def has_an_invalid_template(state: RolloutState) -> RolloutDecision | None:
    return RolloutDecision.rest(None, state.invalid_reason) if state.invalid_template else None


def has_no_model_yet(state: RolloutState) -> RolloutDecision | None:
    if first_revision(state) is not None:
        return None
    awaited = state.awaited.message if state.awaited else ""
    return RolloutDecision.hold(None, Wait(WaitKind.MODEL, detail=awaited))


def is_paused_at_first(state: RolloutState) -> RolloutDecision | None:
    return RolloutDecision.hold(None, Wait(WaitKind.UNPAUSED)) if state.spec.rollout.paused else None


def is_not_deployed_yet(state: RolloutState) -> RolloutDecision | None:
    revision, slot = first_revision(state) or "", first_slot(state.inputs.slots)
    slot_state = state.slot(slot)
    if slot_state is not None and slot_state.revision == revision:
        return None
    return RolloutDecision.deploy(None, slot, Wait(WaitKind.FIRST_READY, revision))


def is_halted_at_first(state: RolloutState) -> RolloutDecision | None:
    return RolloutDecision.hold(None, state.halted, first_revision(state)) if state.halted else None


def is_held_at_first(state: RolloutState) -> RolloutDecision | None:
    """A window is about users who are served already; a hold lets nothing reach users at all."""
    hold = promotion_hold(state)
    return RolloutDecision.hold(None, hold, first_revision(state)) if hold is not None else None


def has_other_features_at_first(state: RolloutState) -> RolloutDecision | None:
    """It is never rejected, and nobody meets it: another spec, or its next pods, may yet have its definition."""
    revision = first_revision(state) or ""
    problem = skew(state, first_slot(state.inputs.slots), revision)
    if not problem or is_let_through(state, revision):
        return None
    wait = Wait(WaitKind.FEATURES, revision, detail=f"{problem}; {way_through(state, revision, retried=False)}")
    return RolloutDecision.hold(None, wait, revision)


def serves_first(state: RolloutState) -> RolloutDecision | None:
    """Ready, or with no pods wanted."""
    slot = first_slot(state.inputs.slots)
    slot_state = state.slot(slot)
    if slot_state is None or not (slot_state.serves or (slot_state.settled and slot_state.replicas == 0)):
        return None
    return RolloutDecision.promote(None, slot, first_revision(state) or "", state.now)


def is_not_ready_yet(state: RolloutState) -> RolloutDecision:
    revision, failure = first_revision(state) or "", state.failure_message(first_slot(state.inputs.slots))
    return RolloutDecision.hold(None, Wait(WaitKind.FIRST_READY, revision, detail=failure), revision)


FIRST_CHAMPION: Final[Chain] = (
    takes_over_from_a_predecessor,  # it serves already, whatever becomes of the first version
    has_an_invalid_template,
    has_no_model_yet,
    is_paused_at_first,  # nothing is deployed, then
    is_not_deployed_yet,
    is_halted_at_first,  # it is deployed, and gets no further
    is_held_at_first,
    has_other_features_at_first,  # no user meets features that it has not learnt from
    serves_first,
    # where none has an answer, it is not ready yet
)


def first_revision(state: RolloutState) -> str | None:
    """What the first champion is to be; while the registry is silent, a revision that is deployed already goes on."""
    if state.desired is not None:
        return state.desired.revision
    slot_state = state.slot(first_slot(state.inputs.slots))
    return slot_state.revision if slot_state is not None and state.record(slot_state.revision) is not None else None


# ---- While nothing is on trial


def rests(state: RolloutState) -> RolloutDecision:
    """The champion serves. Where the spec asks for something else, it says why that is not tried."""
    traffic, desired = state.serving, state.desired
    newer = desired.revision if desired is not None and desired.revision != traffic.revision else None
    rejected = state.rejected(newer) if newer is not None else None
    if newer is not None and rejected is not None:
        why = f"({rejected.reason}): {rejected.message}"
        return RolloutDecision.hold(traffic, Wait(WaitKind.NEW_REVISION, newer, detail=why))
    if state.invalid_template:
        return RolloutDecision.rest(traffic, state.invalid_reason)
    if newer is not None:
        no_pods = state.spec.server.replicas == 0
        return RolloutDecision.hold(traffic, Wait(WaitKind.REPLICAS if no_pods else WaitKind.UNPAUSED))
    if (unknown := names_no_former_champion(state)) is not None:
        return RolloutDecision.hold(traffic, unknown)
    return RolloutDecision.rest(traffic, reasons.PROBATION if state.in_probation else reasons.SERVING)
