"""A challenger before any traffic: it gets ready in the other slot, then its first step begins."""

from __future__ import annotations

from typing import Final

from viridian.api import reasons
from viridian.api.names import RETRY_ANNOTATION, SKIP_ANNOTATION
from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.feature_skew import is_let_through, skew
from viridian.rollout.policies.availability import crash_loop
from viridian.rollout.policies.chain import Chain, first
from viridian.rollout.policies.commands import skip_command
from viridian.rollout.policies.other_features import has_other_features
from viridian.rollout.policies.reinstatement import is_reinstated
from viridian.rollout.policies.trial_steps import enter, not_ready
from viridian.rollout.policies.ways_back import rejection
from viridian.rollout.schema_fit import misfit
from viridian.rollout.skip_order import FEATURES_CHECK, PROBATION_STEP, SCHEMA_CHECK, to_skip
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.record import Trial


def is_deploying(state: RolloutState) -> RolloutDecision | None:
    return first(DEPLOYING, state) if state.challenger is not None else None


def is_not_routed(state: RolloutState) -> RolloutDecision | None:
    """The other slot may still be served by the split before, so it is given to nobody yet."""
    deployed = state.other is not None and state.other.revision == state.challenger
    if state.unsettled is None or deployed:
        return None
    return RolloutDecision.hold(state.serving, Wait(WaitKind.ROUTE, detail=state.unsettled.message))


def is_not_deployed(state: RolloutState) -> RolloutDecision | None:
    revision = state.challenger or ""
    if state.other is not None and state.other.revision == revision:
        return None
    return RolloutDecision.deploy(state.serving, state.other_slot, Wait(WaitKind.CHALLENGER_READY, revision))


def will_never_serve(state: RolloutState) -> RolloutDecision | None:
    """A pod refuses this model for good."""
    refused = state.other.refused if state.other is not None else None
    return rejection(state, state.challenger or "", *refused) if refused is not None else None


def missed_its_deadline(state: RolloutState) -> RolloutDecision | None:
    revision, slot = state.challenger or "", state.other_slot
    known = state.record(revision)
    # A former champion is ready or not; how often it was started anew in its life says nothing about it now.
    crashes = None if known and known.promoted_at else crash_loop(state, slot, revision)
    if crashes is None and (state.other is None or not state.other.deadline_exceeded):
        return None
    message = crashes or not_ready(state, slot)
    return rejection(state, revision, reasons.PROGRESS_DEADLINE_EXCEEDED, message)


def is_not_ready(state: RolloutState) -> RolloutDecision | None:
    if state.other is not None and state.other.settled:
        return None
    failure = state.failure_message(state.other_slot)
    wait = Wait(WaitKind.CHALLENGER_READY, state.challenger or "", detail=failure)
    return RolloutDecision.hold(state.serving, wait, state.challenger)


def does_not_fit_the_requests(state: RolloutState) -> RolloutDecision | None:
    """It would refuse requests that the champion answers. No user meets it, and it gets no copies either.

    Nothing is known where a server does not show what its model takes.
    """
    shown, revision = state.inputs.input_schemas, state.challenger or ""
    champion, challenger = shown.get(state.serving.champion), shown.get(state.other_slot)
    if champion is None or challenger is None or skip_command(state, revision, SCHEMA_CHECK) is not None:
        return None
    problem = misfit(champion, challenger, _beside_the_model(state))
    if not problem:
        return None
    # Both are named at once: otherwise it would be tried again, and rejected for the other one.
    skewed = skew(state, state.other_slot, revision) and not is_let_through(state, revision)
    checks = (SCHEMA_CHECK, FEATURES_CHECK) if skewed else (SCHEMA_CHECK,)
    skip = to_skip(state.inputs.annotations.get(SKIP_ANNOTATION, ""), revision, *checks)
    way = f"to try it all the same: {skip} and {RETRY_ANNOTATION}={revision}"
    return rejection(state, revision, reasons.SCHEMA_MISMATCH, f"{problem}; {way}")


def _beside_the_model(state: RolloutState) -> frozenset[str]:
    """Columns that may come with requests though no model takes them."""
    feedback = state.spec.feedback
    return frozenset({feedback.subject} if feedback is not None and feedback.subject else ())


def is_halted(state: RolloutState) -> RolloutDecision | None:
    return RolloutDecision.hold(state.serving, state.halted, state.challenger) if state.halted else None


def begins_its_trial(state: RolloutState) -> RolloutDecision | None:
    revision = state.challenger or ""
    checks = (SCHEMA_CHECK, FEATURES_CHECK)
    order = skip_command(state, revision, *((PROBATION_STEP, *checks) if state.in_probation else checks))
    return enter(state, Trial(revision, approved=order or "", approved_at=state.now if order else None))


DEPLOYING: Final[Chain] = (
    is_not_routed,  # before the slot gets other pods
    is_not_deployed,
    will_never_serve,  # before any deadline: waiting would change nothing
    missed_its_deadline,
    is_not_ready,
    is_reinstated,  # a way back, which waits for nothing but its pods
    does_not_fit_the_requests,  # before it gets any
    has_other_features,
    is_halted,  # after the deadline: a pause keeps nobody from getting ready
    begins_its_trial,
)
