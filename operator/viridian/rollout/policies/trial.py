"""A challenger's way: deployed, step after step, promoted. Each question is a check that gives a move or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from viridian.api import durations, reasons
from viridian.api.modeldeployment import OnBlind, OnBreach
from viridian.api.names import APPROVE_ANNOTATION, Slot
from viridian.api.samples import Idle
from viridian.core.obstacles import needed
from viridian.core.plan import Event, EventType
from viridian.core.times import format_time_micros, older_than, parse_time
from viridian.judgement.canary import CanaryVerdict, Judgement, overall
from viridian.rollout.analysis import exposure as exposures
from viridian.rollout.analysis.evidence import counting, judgements
from viridian.rollout.decision import Close, RolloutDecision
from viridian.rollout.policies import rollback
from viridian.rollout.state import RolloutState, step_identity, step_name, target_weight
from viridian.rollout.traffic.capacity import PodSplit, pods_for
from viridian.rollout.traffic.record import Traffic, Trial

# As long as proxies may take to hear of the new split.
_SHUFFLE_SECONDS = 2
# A champion that lacks pods for so long does not hold up a challenger that has its own.
_CHAMPION_GIVEN_UP_AFTER = timedelta(minutes=1)


def pods_wanted(state: RolloutState, trial: Trial | None) -> PodSplit:
    """Pods of champion and challenger in the present step; before the first one, as many as that will need.

    They make the weight, so a pause keeps them at the one that was reached.
    """
    replicas, surge, steps = state.spec.server.replicas, state.spec.rollout.max_surge, state.steps
    if trial is not None and trial.weight > 0 and state.halted and _rises(state, trial):
        return pods_for(trial.weight, replicas, surge)
    index = trial.step if trial is not None else 0
    if index >= len(steps):
        return PodSplit(max(1, replicas), max(1, replicas))
    return pods_for(target_weight(steps, index), replicas, surge)


def _rises(state: RolloutState, trial: Trial) -> bool:
    """Whether users are to meet the challenger more often in the present step than they do."""
    promoting = trial.step >= len(state.steps)
    return (100 if promoting else target_weight(state.steps, trial.step)) > trial.weight


# ---- Before any traffic ----


def deploying(state: RolloutState, traffic: Traffic, revision: str) -> RolloutDecision:
    """The challenger gets ready in the other slot, then its first step begins."""
    slot = traffic.champion.other
    slot_state, shown = state.slot(slot), state.version_of(revision)
    if slot_state is None or slot_state.revision != revision:
        started = Event(
            EventType.NORMAL, reasons.EVENT_ROLLOUT_STARTED, f"{shown} is deployed to {slot}, without traffic"
        )
        return RolloutDecision(traffic, reasons.DEPLOYING, f"{shown} to become ready", revision, events=(started,))
    if slot_state.refused is not None:
        return rollback.reject(state, traffic, revision, *slot_state.refused)
    known = state.record(revision)
    # A former champion is ready or not; how often it was started anew in its life says nothing about it now.
    crashes = None if known and known.promoted_at else rollback.crash_loop(state, slot, revision)
    if slot_state.deadline_exceeded or crashes:
        message = crashes or _not_ready(state, slot)
        return rollback.reject(state, traffic, revision, reasons.PROGRESS_DEADLINE_EXCEEDED, message)
    if not slot_state.settled:
        waiting = f"{shown} to become ready{state.failure_message(slot)}"
        return RolloutDecision(traffic, reasons.DEPLOYING, waiting, revision)
    if state.halted:
        return _halt(state, traffic, revision)
    return _enter(state, traffic, Trial(revision))


def _halt(state: RolloutState, traffic: Traffic, revision: str) -> RolloutDecision:
    """Where a person or the registry stops the challenger."""
    reason, waiting = state.halted or ("", "")
    stalled = (reason, f"waiting for {waiting}") if reason == reasons.VERSION_GONE else None
    return RolloutDecision(traffic, reason, waiting, revision, stalled=stalled)


def _not_ready(state: RolloutState, slot: Slot) -> str:
    deadline, failure_message = state.spec.rollout.progress_deadline, state.failure_message(slot)
    return f"not ready within {deadline} (spec.rollout.progressDeadline){failure_message}"


def _enter(state: RolloutState, traffic: Traffic, trial: Trial) -> RolloutDecision:
    exposure = trial.exposure or exposures.begun(counting(state, traffic.champion.other), state.now)
    trial = replace(trial, entered=format_time_micros(state.now), exposure=exposure)
    name = step_name(state.steps, trial.step)
    event = Event(
        EventType.NORMAL, reasons.EVENT_STEP_ADVANCED, f"{state.version_of(trial.revision)} enters step {name}"
    )
    return RolloutDecision(
        replace(traffic, trial=trial), reasons.ROLLING_OUT, f"the pods of step {name}", trial.revision, events=(event,)
    )


# ---- On trial ----


def on_trial(state: RolloutState, traffic: Traffic, trial: Trial) -> RolloutDecision:
    """The challenger is in a step: revert, hold or go on."""
    said = judgements(state, traffic.champion.other, trial.exposure) if trial.weight > 0 else ()
    for check in (
        _undeployed,
        _broken,
        _edited,
        _late,
        _clock,
        _counting,
        _blind,
        _reach_split,
        _hold,
        _advance,
    ):
        decision = check(state, traffic, trial, said)
        if decision is not None:
            return replace(decision, judgements=said)
    return RolloutDecision(traffic, reasons.ROLLING_OUT, "", trial.revision, said)


def _undeployed(
    state: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]
) -> RolloutDecision | None:
    """Somebody took its Deployment away: that is not the model's fault, so it is deployed and tried anew."""
    slot_state = state.slot(traffic.champion.other)
    if slot_state is not None and slot_state.revision == trial.revision:
        return None
    waiting = f"{state.version_of(trial.revision)} to be deployed again"
    return RolloutDecision(replace(traffic, trial=None), reasons.DEPLOYING, waiting, trial.revision)


def _broken(state: RolloutState, traffic: Traffic, trial: Trial, said: tuple[Judgement, ...]) -> RolloutDecision | None:
    slot = traffic.champion.other
    crashes = rollback.crash_loop(state, slot, trial.revision, trial.exposure)
    if crashes:
        return rollback.reject(state, traffic, trial.revision, reasons.METRIC_BREACH, crashes)
    worst = rollback.breached(said)
    if worst is not None:
        if state.spec.rollout.analysis.on_breach is OnBreach.HOLD:
            return RolloutDecision(
                traffic, reasons.BREACHED, f"{worst.message}; held, since onBreach is Hold", trial.revision
            )
        first = rollback.breach_began(state, slot, trial.exposure, worst)
        return rollback.reject(state, traffic, trial.revision, reasons.METRIC_BREACH, worst.message, breach_at=first)
    return None


def _edited(state: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> RolloutDecision | None:
    """Steps that were edited behind its back: it goes on at the first one that it has not passed for sure."""
    there = [step_identity(step) for step in state.steps]
    same = [passed == known for passed, known in zip(trial.passed, there, strict=False)]
    sure = same.index(False) if False in same else len(same)
    if sure == trial.step:
        return None
    return _enter(state, traffic, _in_new_step(trial, trial.passed[:sure]))


def _in_new_step(trial: Trial, passed: tuple[str, ...]) -> Trial:
    return replace(trial, passed=passed, since="", blind_since="")


def _late(state: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> RolloutDecision | None:
    """A challenger's pods of a step have a deadline, and so have those that were there and are ready no more.

    What the champion lacks is not the challenger's failing.
    """
    slot, deadline = traffic.champion.other, durations.parse(state.spec.rollout.progress_deadline)
    slot_state = state.slot(slot)
    message = ""
    if (
        slot_state is not None
        and not slot_state.serves
        and older_than(slot_state.unavailable_since, deadline, state.now)
    ):
        message = _not_ready(state, slot)
    elif not trial.since and older_than(parse_time(trial.entered), deadline, state.now):
        missing = _challenger_lacks(state, traffic, trial)
        message = f"step {step_name(state.steps, trial.step)}: still waiting for {missing}" if missing else ""
    if not message:
        return None
    return rollback.reject(state, traffic, trial.revision, reasons.PROGRESS_DEADLINE_EXCEEDED, message)


def _clock(state: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> RolloutDecision | None:
    """While a halt keeps the pods of a step from coming, they have no deadline; afterwards they have all of it.

    So it is while the API server does not take their Deployment: that is no failing of the challenger.
    """
    halted = state.halted is not None and _rises(state, trial)
    instead_of_refused = not trial.since and bool(needed(state.inputs.obstacles, "Deployment"))
    stopped = halted or instead_of_refused
    if stopped == (not trial.entered):
        return None
    going_on = replace(traffic, trial=replace(trial, entered="" if stopped else format_time_micros(state.now)))
    if halted:
        return _halt(state, going_on, trial.revision)
    waiting = f"the pods of step {step_name(state.steps, trial.step)}"
    return RolloutDecision(going_on, reasons.ROLLING_OUT, waiting, trial.revision)


def _counting(state: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> RolloutDecision | None:
    """A pod that could not be read when users could first meet it has its baseline as soon as it can be."""
    if trial.weight == 0:
        return None
    pods = counting(state, traffic.champion.other)
    known = trial.exposure
    exposure = exposures.with_first_readings(known, pods) if known else exposures.begun(pods, state.now)
    if exposure == known:
        return None
    read = replace(traffic, trial=replace(trial, exposure=exposure))
    return RolloutDecision(read, reasons.ROLLING_OUT, "the first requests to count", trial.revision)


def _blind(state: RolloutState, traffic: Traffic, trial: Trial, said: tuple[Judgement, ...]) -> RolloutDecision | None:
    """Blindness holds the rollout; how long, and what then, is the user's choice."""
    analysis, verdict = state.spec.rollout.analysis, overall(said)
    if verdict is CanaryVerdict.PASS:
        return _with_blindness(traffic, trial, "") if trial.blind_since else None
    reason = reasons.NO_DATA if verdict is CanaryVerdict.NO_DATA else reasons.PROVIDER_ERROR
    message = next(judgement.message for judgement in said if judgement.verdict is verdict)
    if not trial.blind_since:
        return _with_blindness(traffic, trial, format_time_micros(state.now), reason, message)
    policy = analysis.on_no_data if verdict is CanaryVerdict.NO_DATA else analysis.on_provider_error
    since = parse_time(trial.blind_since) or state.now
    if policy is OnBlind.HOLD or state.now < since + durations.parse(analysis.max_hold):
        return RolloutDecision(traffic, reason, f"{message}; held", trial.revision)
    if policy is OnBlind.ROLLBACK:
        held = f"{message}; held for {analysis.max_hold} (maxHold)"
        return rollback.reject(state, traffic, trial.revision, reasons.BLIND_TOO_LONG, held)
    return None


def _with_blindness(traffic: Traffic, trial: Trial, since: str, reason: str = "", message: str = "") -> RolloutDecision:
    held = f"{message}; held" if since else "the next look"
    return RolloutDecision(
        replace(traffic, trial=replace(trial, blind_since=since)), reason or reasons.ROLLING_OUT, held, trial.revision
    )


def _reach_split(
    state: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]
) -> RolloutDecision | None:
    """The clock of a step starts when its pods are there; a step whose weight is edited starts anew."""
    weight = target_weight(state.steps, trial.step)
    if trial.step >= len(state.steps) or (trial.since and trial.weight == weight):
        return None
    if state.halted and _rises(state, trial):
        return _halt(state, traffic, trial.revision)
    missing = _missing_pods(state, traffic, trial)
    if missing:
        return RolloutDecision(traffic, reasons.ROLLING_OUT, missing, trial.revision)
    pods = counting(state, traffic.champion.other)
    going_on = trial.exposure if trial.weight > 0 else None
    exposure = exposures.in_next_step(going_on, pods) if going_on else exposures.begun(pods, state.now)
    reached = replace(trial, weight=weight, since=format_time_micros(state.now), exposure=exposure)
    return RolloutDecision(
        replace(traffic, trial=reached),
        reasons.ROLLING_OUT,
        "the first answers",
        trial.revision,
        close=_shuffle(traffic, weight) if weight != trial.weight else None,
    )


def _shuffle(traffic: Traffic, weight: int) -> Close | None:
    """Clients that hold on to a connection would never meet the challenger, so all of them connect anew.

    On both sides: if only the champion let go, everyone would end up with the challenger. And not for long: each time
    round a slow challenger keeps those who came to it.
    """
    if weight >= 100:
        return Close((traffic.champion,), Idle.KEEP)
    return Close((traffic.champion, traffic.champion.other), Idle.KEEP, seconds=_SHUFFLE_SECONDS)


def _missing_pods(state: RolloutState, traffic: Traffic, trial: Trial) -> str:
    """Which pods the step lacks."""
    return _challenger_lacks(state, traffic, trial) or _champion_lacks(state, traffic, trial)


def _challenger_lacks(state: RolloutState, traffic: Traffic, trial: Trial) -> str:
    wanted = pods_wanted(state, trial).challenger
    return _lacks(state, traffic.champion.other, wanted, state.version_of(trial.revision))


def _champion_lacks(state: RolloutState, traffic: Traffic, trial: Trial) -> str:
    """A champion that is short of pods is waited for, but not for long: those that it has are enough then.

    One that serves has the time since the step was entered, one that does not the time since it serves no more.
    """
    slot_state, wanted = state.slot(traffic.champion), pods_wanted(state, trial).champion
    if slot_state is not None:
        since = parse_time(trial.entered) if slot_state.serves else slot_state.unavailable_since
        if older_than(since, _CHAMPION_GIVEN_UP_AFTER, state.now):
            return ""
    return _lacks(state, traffic.champion, wanted, f"the champion {state.version_of(traffic.revision)}")


def _lacks(state: RolloutState, slot: Slot, wanted: int, shown: str) -> str:
    slot_state = state.slot(slot)
    if slot_state is not None and slot_state.settled and slot_state.replicas == wanted:
        return ""
    ready = slot_state.ready_replicas if slot_state else 0
    return f"{ready} of {wanted} pods of {slot}, {shown}, to be ready{state.failure_message(slot)}"


def _hold(state: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> RolloutDecision | None:
    """A step lasts its time, its requests and its approval; a halt stops everything."""
    if state.halted:
        return _halt(state, traffic, trial.revision)
    if trial.step >= len(state.steps):
        return None
    step, since = state.steps[trial.step], parse_time(trial.since) or state.now
    if step.approval is not None and _approval(state, trial) is None:
        what = f": {step.approval.message}" if step.approval.message else ""
        value = _approval_to_give(state, trial)
        asked = f"annotation {APPROVE_ANNOTATION}={value}{what}; end the value in # and your user name"
        return RolloutDecision(traffic, reasons.AWAITING_APPROVAL, asked, trial.revision)
    left = since + durations.parse(step.duration) - state.now
    if left > timedelta():
        return RolloutDecision(
            traffic, reasons.ROLLING_OUT, f"{durations.format_duration(left)} of {step.duration}", trial.revision
        )
    answered = _answered(state, traffic, trial)
    if step.min_requests and answered < step.min_requests:
        return RolloutDecision(
            traffic, reasons.ROLLING_OUT, f"{answered} of {step.min_requests} requests", trial.revision
        )
    return None


def _approval(state: RolloutState, trial: Trial) -> str | None:
    """A person's approval of this challenger that was not counted yet: each passes one step."""
    command = state.asked(APPROVE_ANNOTATION, trial.revision)
    return None if command == trial.approved else command


def _approval_to_give(state: RolloutState, trial: Trial) -> str:
    """What to write for approving this step: the revision, told apart from an approval that was counted before."""
    given = state.inputs.annotations.get(APPROVE_ANNOTATION, "")
    return f"{trial.revision}#{trial.step + 1}" if given.partition("#")[0] == trial.revision else trial.revision


def _answered(state: RolloutState, traffic: Traffic, trial: Trial) -> int:
    """Requests of this step."""
    if trial.exposure is None:
        return 0
    read = [pod.reading for pod in counting(state, traffic.champion.other) if pod.reading is not None]
    return int(sum(exposures.answered_in_step(trial.exposure, newest) for newest in read))


def _advance(state: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> RolloutDecision | None:
    if trial.step < len(state.steps):
        ahead = _in_new_step(trial, (*trial.passed, step_identity(state.steps[trial.step])))
        approval = _approval(state, trial) if state.steps[trial.step].approval is not None else None
        if approval is not None:
            ahead = replace(ahead, approved=approval, approved_at=format_time_micros(state.now))
        return _enter(state, traffic, ahead)
    missing = _missing_pods(state, traffic, trial)
    if missing:
        return RolloutDecision(traffic, reasons.ROLLING_OUT, missing, trial.revision)
    return _promote(state, traffic, trial)


def _promote(state: RolloutState, traffic: Traffic, trial: Trial) -> RolloutDecision:
    revision, slot = trial.revision, traffic.champion.other
    said = f"{state.version_of(revision)} is the champion; {state.version_of(traffic.revision)} stays warm"
    return RolloutDecision(
        Traffic(
            champion=slot,
            revision=revision,
            since=format_time_micros(state.now),
            former=traffic.revision,
            exposure=trial.exposure if trial.weight > 0 else exposures.begun(counting(state, slot), state.now),
        ),
        reasons.SERVING,
        "",
        close=Close((traffic.champion,), Idle.KEEP),
        events=(Event(EventType.NORMAL, reasons.EVENT_PROMOTED, said),),
    )


def superseded(state: RolloutState, traffic: Traffic, trial: Trial, instead: str | None) -> RolloutDecision:
    """Another revision is wanted now: the one on trial makes room, without a stain on its name."""
    then = f"{state.version_of(instead)} is wanted now" if instead else "it is not wanted any more"
    said = f"{state.version_of(trial.revision)} is taken off trial: {then}"
    return RolloutDecision(
        replace(traffic, trial=None, reverted=None),
        reasons.ROLLING_OUT,
        "",
        instead,
        close=Close((traffic.champion.other,), Idle.KEEP) if trial.weight > 0 else None,
        events=(Event(EventType.NORMAL, reasons.EVENT_SUPERSEDED, said),),
    )
