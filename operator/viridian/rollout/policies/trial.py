"""A challenger on trial: rejected, held, or one step further, and promoted after the last one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from viridian.api import durations, reasons
from viridian.api.modeldeployment import OnBlind, OnBreach
from viridian.core.obstacles import needed
from viridian.core.times import older_than
from viridian.judgement.canary import CanaryVerdict, overall
from viridian.rollout.analysis.pods import counting, exposed_requests
from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.policies.availability import crash_loop
from viridian.rollout.policies.breaches import breach_began, breached, decided_at, shared_breaches
from viridian.rollout.policies.chain import Chain, first
from viridian.rollout.policies.commands import approval, approval_to_give, promotion_command
from viridian.rollout.policies.comparison_steps import comparison_in_new_step
from viridian.rollout.policies.experiment_step import (
    allocates_anew,
    begins_its_experiment,
    ends_its_experiment,
    is_held_by_its_verdict,
    is_rejected_by_its_experiment,
    waits_for_its_experiment,
)
from viridian.rollout.policies.kept_connections import shuffle, shuffled_again
from viridian.rollout.policies.other_features import has_other_features
from viridian.rollout.policies.passing import command_that_passes, passes_steps_by_command, waits_for_its_promotion
from viridian.rollout.policies.step_end import (
    has_not_lasted,
    is_beyond_a_bound,
    lacks_evidence,
    lacks_requests,
)
from viridian.rollout.policies.step_pods import challenger_lacks, missing_pods
from viridian.rollout.policies.trial_steps import (
    desired_weight,
    enter,
    hold,
    in_new_step,
    kept_from_more,
    not_ready,
    present_step,
    target_shadow,
)
from viridian.rollout.policies.ways_back import rejection
from viridian.rollout.sentences import awaited
from viridian.rollout.state import RolloutState
from viridian.rollout.step_names import step_identity, step_name
from viridian.rollout.traffic import exposure as exposures
from viridian.rollout.traffic.copied import servers_copy


def is_on_trial(state: RolloutState) -> RolloutDecision | None:
    if state.serving.trial is None:
        return None
    decision = first(TRIAL, state)
    return shuffled_again(state, replace(decision, judgements=state.judgements)) if decision is not None else None


def is_superseded(state: RolloutState) -> RolloutDecision | None:
    """Another revision is desired now, or none: the one on trial makes room, and is not held to have failed."""
    trial = state.serving.trial
    if trial is None or trial.revision == state.challenger:
        return None
    return RolloutDecision.supersede(state.serving, trial.revision, state.challenger, exposed=trial.weight > 0)


def lost_its_deployment(state: RolloutState) -> RolloutDecision | None:
    """Somebody deleted its Deployment: that is not the model's fault, so it is deployed and tried anew."""
    revision = state.trial.revision
    if state.other is not None and state.other.revision == revision:
        return None
    traffic = replace(state.serving, trial=None)
    return RolloutDecision.hold(traffic, Wait(WaitKind.DEPLOYED_AGAIN, revision), revision)


def crashes(state: RolloutState) -> RolloutDecision | None:
    message = crash_loop(state, state.other_slot, state.trial.revision, state.trial.exposure)
    return rejection(state, state.trial.revision, reasons.METRIC_BREACH, message) if message else None


def breaches_a_bound(state: RolloutState) -> RolloutDecision | None:
    worst = breached(state)
    if worst is None:
        return None
    if state.spec.rollout.analysis.on_breach is OnBreach.HOLD:
        # A person who has seen it may decide that it goes on.
        held = Wait(WaitKind.BREACH_HELD, detail=worst.message)
        return hold(state, held) if command_that_passes(state) is None else None
    began, decided = breach_began(state), decided_at(state)
    return rejection(state, state.trial.revision, reasons.METRIC_BREACH, worst.message, began=began, decided=decided)


def shares_its_breach_with_the_champion(state: RolloutState) -> RolloutDecision | None:
    """An incident of both: the weight stays, and nobody is rejected. What was counted in it is no evidence later."""
    shared = shared_breaches(state)
    if not shared:
        return None
    if not all(judgement.past for judgement in shared):
        return hold(state, Wait(WaitKind.CHAMPION_BREACHES_TOO, detail=shared[0].message))
    trial, pods = state.trial, counting(state.inputs, state.other_slot)
    before = exposed_requests(state.inputs, state.other_slot, trial.exposure) if trial.exposure is not None else 0
    exposure = replace(exposures.begun(pods, state.now), earlier=before)
    anew = replace(trial, exposure=exposure, compared=comparison_in_new_step(state, trial.weight))
    return hold(state, Wait(WaitKind.FIRST_ANSWERS), anew)


def met_too_many(state: RolloutState) -> RolloutDecision | None:
    """It has not passed its steps with as many requests as an unproven version may answer."""
    trial, most = state.trial, state.spec.rollout.max_exposed_requests
    if most is None or trial.exposure is None or trial.weight == 0 or present_step(state) is None:
        return None
    met = exposed_requests(state.inputs, state.other_slot, trial.exposure)
    if met < most:
        return None
    message = f"{met} requests answered before the end of its steps (spec.rollout.maxExposedRequests: {most})"
    return rejection(state, trial.revision, reasons.EXPOSURE_LIMIT_REACHED, message)


def steps_were_edited(state: RolloutState) -> RolloutDecision | None:
    """It goes on at the first step that it has not passed for sure."""
    trial = state.trial
    there = [step_identity(step) for step in state.steps]
    same = [passed == known for passed, known in zip(trial.passed, there, strict=False)]
    sure = same.index(False) if False in same else len(same)
    return enter(state, in_new_step(trial, trial.passed[:sure])) if sure != trial.step else None


def missed_its_deadline(state: RolloutState) -> RolloutDecision | None:
    """A challenger's pods of a step have a deadline, and so have those that were there and are ready no more.

    What the champion lacks is not the challenger's failing.
    """
    trial, slot = state.trial, state.other_slot
    deadline = durations.parse(state.spec.rollout.progress_deadline)
    message = ""
    if state.other is not None and not state.other.serves:
        message = not_ready(state, slot) if older_than(state.other.unavailable_since, deadline, state.now) else ""
    if not message and trial.since is None and older_than(trial.entered, deadline, state.now):
        missing, step = challenger_lacks(state), step_name(state.steps, trial.step)
        message = f"step {step}: still waiting for {awaited(state, missing)}" if missing is not None else ""
    return rejection(state, trial.revision, reasons.PROGRESS_DEADLINE_EXCEEDED, message) if message else None


def deadline_stops_or_starts(state: RolloutState) -> RolloutDecision | None:
    """A halt that keeps the pods of a step from coming stops their deadline; afterwards it starts anew.

    So does an API server that does not take their Deployment: that is no failing of the challenger.
    """
    trial = state.trial
    halted = kept_from_more(state, trial)
    refused = trial.since is None and bool(needed(state.inputs.obstacles, "Deployment"))
    stopped = halted is not None or refused
    if stopped == (trial.entered is None):
        return None
    going_on = replace(trial, entered=None if stopped else state.now)
    return hold(state, halted or Wait(WaitKind.STEP_PODS, step=step_name(state.steps, trial.step)), going_on)


def pods_get_their_baseline(state: RolloutState) -> RolloutDecision | None:
    """A pod that could not be read when users could first meet it has its baseline as soon as it can be."""
    trial = state.trial
    if not trial.is_asked:
        return None
    pods, known = counting(state.inputs, state.other_slot), trial.exposure
    exposure = exposures.with_first_readings(known, pods) if known else exposures.begun(pods, state.now)
    if exposure == known:
        return None
    return hold(state, Wait(WaitKind.FIRST_READINGS), replace(trial, exposure=exposure))


def is_not_routed(state: RolloutState) -> RolloutDecision | None:
    """A gateway has not taken over what was written last: nobody knows how many users meet the challenger.

    That is not the challenger's fault, so the time counts neither for its step nor as blindness.
    """
    if state.unsettled is None:
        return None
    seeing = replace(state.trial, blind_since=None) if state.trial.blind_since is not None else None
    return hold(state, Wait(WaitKind.ROUTE, detail=state.unsettled.message), seeing)


def is_routed_now(state: RolloutState) -> RolloutDecision | None:
    """The step begins with the look that sees its split in effect, before the judge can miss samples of it."""
    written = state.trial.since is None and _has_its_split(state) and not state.trial.servers_copy
    return has_not_reached_its_weight(state) if written and state.inputs.provider.confirms else None


def is_not_copied(state: RolloutState) -> RolloutDecision | None:
    """No server of the champion copies requests, so nothing is learnt. Nobody is rejected for that."""
    trial = state.trial
    if not trial.servers_copy or not trial.shadow or not _has_its_split(state) or state.not_copying is None:
        return None
    seeing = replace(trial, blind_since=None) if trial.blind_since is not None else None
    return hold(state, Wait(WaitKind.COPIES, detail=state.not_copying), seeing)


def is_copied_now(state: RolloutState) -> RolloutDecision | None:
    """The step begins with the look that sees the copies."""
    trial = state.trial
    written = trial.since is None and _has_its_split(state) and trial.servers_copy and trial.shadow > 0
    return hold(state, Wait(WaitKind.FIRST_ANSWERS), replace(trial, since=state.now)) if written else None


def cannot_be_judged(state: RolloutState) -> RolloutDecision | None:
    """Without figures the rollout is held, unless a person promotes; how long, and what then, is the user's choice."""
    if promotion_command(state) is not None:
        return None
    trial, analysis, verdict = state.trial, state.spec.rollout.analysis, overall(state.judgements)
    if verdict is CanaryVerdict.PASS:
        seeing = replace(trial, blind_since=None)
        return hold(state, Wait(WaitKind.NEXT_LOOK), seeing) if trial.blind_since is not None else None
    no_data = verdict is CanaryVerdict.NO_DATA
    blind = (judgement for judgement in state.judgements if judgement.verdict is verdict and not judgement.guard_rail)
    message = next(blind).message
    wait = Wait(WaitKind.SAMPLES if no_data else WaitKind.METRICS_SOURCE, detail=message)
    if trial.blind_since is None:
        return hold(state, wait, replace(trial, blind_since=state.now))
    policy = analysis.on_no_data if no_data else analysis.on_provider_error
    if policy is OnBlind.HOLD or state.now < trial.blind_since + durations.parse(analysis.max_hold):
        return hold(state, wait)
    if policy is OnBlind.ROLLBACK:
        held = f"{message}; held for {analysis.max_hold} (maxHold)"
        return rejection(state, trial.revision, reasons.BLIND_TOO_LONG, held)
    return None


def has_not_reached_its_weight(state: RolloutState) -> RolloutDecision | None:
    """The time of a step starts when its pods are there and its split is in effect; an edited weight starts it anew."""
    trial, weight = state.trial, desired_weight(state.steps, state.trial)
    begun = trial.since is not None or trial.servers_copy
    if present_step(state) is None or (begun and _has_its_split(state)):
        return None
    if kept := kept_from_more(state, trial):
        return hold(state, kept)
    if missing := missing_pods(state):
        return hold(state, missing)
    pods = counting(state.inputs, state.other_slot)
    known = trial.exposure if trial.weight > 0 else None
    exposure = exposures.in_next_step(known, pods) if known else exposures.begun(pods, state.now)
    compared = comparison_in_new_step(state, weight)
    shadow = target_shadow(state.steps, trial.step)
    by_servers = shadow > 0 and servers_copy(state.spec)
    in_effect = state.now if _has_its_split(state) or not state.inputs.provider.confirms else None
    reached = replace(
        trial,
        weight=weight,
        shadow=shadow,
        servers_copy=by_servers,
        since=None if by_servers else in_effect,
        exposure=exposure,
        compared=compared,
    )
    held = hold(state, Wait(WaitKind.FIRST_ANSWERS), reached)
    stay = weight != trial.weight and state.inputs.provider.keeps_connections
    return replace(held, close=shuffle(state, weight)) if stay else held


def is_halted(state: RolloutState) -> RolloutDecision | None:
    return hold(state, state.halted) if state.halted else None


def lacks_approval(state: RolloutState) -> RolloutDecision | None:
    step = present_step(state)
    if step is None or step.approval is None or approval(state) is not None:
        return None
    message = step.approval.message or ""
    return hold(state, Wait(WaitKind.APPROVAL, state.trial.revision, need=approval_to_give(state), detail=message))


def enters_its_next_step(state: RolloutState) -> RolloutDecision | None:
    trial, step = state.trial, present_step(state)
    if step is None:
        return None
    ahead = in_new_step(trial, (*trial.passed, step_identity(step)))
    order = approval(state) if step.approval is not None or is_held_by_its_verdict(state) else None
    return enter(state, replace(ahead, approved=order, approved_at=state.now) if order is not None else ahead)


def lacks_pods_for_the_promotion(state: RolloutState) -> RolloutDecision | None:
    missing = missing_pods(state)
    return hold(state, missing) if missing is not None else None


def is_promoted(state: RolloutState) -> RolloutDecision | None:
    trial, slot = state.trial, state.other_slot
    known = trial.exposure if trial.weight > 0 else exposures.begun(counting(state.inputs, slot), state.now)
    return RolloutDecision.promote(state.serving, slot, trial.revision, state.now, known)


TRIAL: Final[Chain] = (
    lost_its_deployment,  # without it there is nothing to judge
    crashes,  # the ways back come before everything that could wait
    breaches_a_bound,
    has_other_features,  # its pods are not all as old as its trial
    met_too_many,  # before all that holds: users go on to meet what is held
    shares_its_breach_with_the_champion,
    steps_were_edited,  # what follows presumes the step
    missed_its_deadline,  # judged by the deadline as it stands, before a halt stops that
    deadline_stops_or_starts,
    passes_steps_by_command,  # before all that a step waits for
    pods_get_their_baseline,  # before blindness, which may be for want of one
    is_not_routed,  # before blindness, which may follow from it
    is_routed_now,
    is_not_copied,  # before blindness, which follows from it
    is_copied_now,
    ends_its_experiment,  # its time goes on whatever a step waits for
    is_rejected_by_its_experiment,
    cannot_be_judged,  # nothing goes further that nobody can see
    has_not_reached_its_weight,
    begins_its_experiment,
    is_halted,  # after the weight: a pause keeps the one that was reached
    lacks_approval,  # the conditions of a step
    allocates_anew,
    waits_for_its_experiment,
    has_not_lasted,
    lacks_requests,
    is_beyond_a_bound,
    lacks_evidence,
    enters_its_next_step,  # nothing held it back
    waits_for_its_promotion,
    lacks_pods_for_the_promotion,
    is_promoted,
)


def _has_its_split(state: RolloutState) -> bool:
    """Whether the record says what the present step asks for."""
    trial, steps = state.trial, state.steps
    shadow = target_shadow(steps, trial.step)
    wanted = desired_weight(steps, trial), shadow, shadow > 0 and servers_copy(state.spec)
    return (trial.weight, trial.shadow, trial.servers_copy) == wanted
