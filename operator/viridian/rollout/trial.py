"""A challenger's way: deployed, step after step, promoted. Each question is a check that gives a move or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from viridian.api import durations, reasons
from viridian.api.modeldeployment import OnBlind, OnBreach
from viridian.api.names import APPROVE_ANNOTATION, Slot
from viridian.api.samples import Idle
from viridian.core.conditions import longer_ago, moment, stamp_exact
from viridian.core.obstacles import needed
from viridian.core.plan import Event, EventType
from viridian.judgement.canary import CanaryVerdict, Judgement, overall
from viridian.rollout import exposure as exposures
from viridian.rollout import reverting
from viridian.rollout.capacity import PodSplit, pods_for
from viridian.rollout.evidence import counting, judgements
from viridian.rollout.move import Close, Move
from viridian.rollout.situation import RolloutState, step_identity, step_name, target_weight
from viridian.rollout.traffic import Traffic, Trial

# As long as proxies may take to hear of the new split.
_SHUFFLE_SECONDS = 2
# A champion that lacks pods for so long does not hold up a challenger that has its own.
_CHAMPION_GIVEN_UP_AFTER = timedelta(minutes=1)


def pods_wanted(situation: RolloutState, trial: Trial | None) -> PodSplit:
    """Pods of champion and challenger in the present step; before the first one, as many as that will need.

    They make the weight, so a pause keeps them at the one that was reached.
    """
    replicas, surge, steps = situation.spec.server.replicas, situation.spec.rollout.max_surge, situation.steps
    if trial is not None and trial.weight > 0 and situation.halted and _rises(situation, trial):
        return pods_for(trial.weight, replicas, surge)
    index = trial.step if trial is not None else 0
    if index >= len(steps):
        return PodSplit(max(1, replicas), max(1, replicas))
    return pods_for(target_weight(steps, index), replicas, surge)


def _rises(situation: RolloutState, trial: Trial) -> bool:
    """Whether users are to meet the challenger more often in the present step than they do."""
    promoting = trial.step >= len(situation.steps)
    return (100 if promoting else target_weight(situation.steps, trial.step)) > trial.weight


# ---- Before any traffic ----


def deploying(situation: RolloutState, traffic: Traffic, revision: str) -> Move:
    """The challenger gets ready in the other slot, then its first step begins."""
    slot = traffic.champion.other
    world, shown = situation.slot(slot), situation.version_of(revision)
    if world is None or world.revision != revision:
        started = Event(
            EventType.NORMAL, reasons.EVENT_ROLLOUT_STARTED, f"{shown} is deployed to {slot}, without traffic"
        )
        return Move(traffic, reasons.DEPLOYING, f"{shown} to become ready", revision, events=(started,))
    if world.refused is not None:
        return reverting.reject(situation, traffic, revision, *world.refused)
    known = situation.record(revision)
    # A former champion is ready or not; how often it was started anew in its life says nothing about it now.
    crashes = None if known and known.promoted_at else reverting.crash_loop(situation, slot, revision)
    if world.deadline_exceeded or crashes:
        message = crashes or _not_ready(situation, slot)
        return reverting.reject(situation, traffic, revision, reasons.PROGRESS_DEADLINE_EXCEEDED, message)
    if not world.settled:
        waiting = f"{shown} to become ready{situation.complaint(slot)}"
        return Move(traffic, reasons.DEPLOYING, waiting, revision)
    if situation.halted:
        return _halt(situation, traffic, revision)
    return _enter(situation, traffic, Trial(revision))


def _halt(situation: RolloutState, traffic: Traffic, revision: str) -> Move:
    """Where a person or the registry stops the challenger."""
    reason, waiting = situation.halted or ("", "")
    stalled = (reason, f"waiting for {waiting}") if reason == reasons.VERSION_GONE else None
    return Move(traffic, reason, waiting, revision, stalled=stalled)


def _not_ready(situation: RolloutState, slot: Slot) -> str:
    deadline, complaint = situation.spec.rollout.progress_deadline, situation.complaint(slot)
    return f"not ready within {deadline} (spec.rollout.progressDeadline){complaint}"


def _enter(situation: RolloutState, traffic: Traffic, trial: Trial) -> Move:
    exposure = trial.exposure or exposures.begun(counting(situation, traffic.champion.other), situation.now)
    trial = replace(trial, entered=stamp_exact(situation.now), exposure=exposure)
    name = step_name(situation.steps, trial.step)
    event = Event(
        EventType.NORMAL, reasons.EVENT_STEP_ADVANCED, f"{situation.version_of(trial.revision)} enters step {name}"
    )
    return Move(
        replace(traffic, trial=trial), reasons.ROLLING_OUT, f"the pods of step {name}", trial.revision, events=(event,)
    )


# ---- On trial ----


def on_trial(situation: RolloutState, traffic: Traffic, trial: Trial) -> Move:
    """The challenger is in a step: revert, hold or go on."""
    said = judgements(situation, traffic.champion.other, trial.exposure) if trial.weight > 0 else ()
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
        move = check(situation, traffic, trial, said)
        if move is not None:
            return replace(move, judgements=said)
    return Move(traffic, reasons.ROLLING_OUT, "", trial.revision, said)


def _undeployed(situation: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> Move | None:
    """Somebody took its Deployment away: that is not the model's fault, so it is deployed and tried anew."""
    world = situation.slot(traffic.champion.other)
    if world is not None and world.revision == trial.revision:
        return None
    waiting = f"{situation.version_of(trial.revision)} to be deployed again"
    return Move(replace(traffic, trial=None), reasons.DEPLOYING, waiting, trial.revision)


def _broken(situation: RolloutState, traffic: Traffic, trial: Trial, said: tuple[Judgement, ...]) -> Move | None:
    slot = traffic.champion.other
    crashes = reverting.crash_loop(situation, slot, trial.revision, trial.exposure)
    if crashes:
        return reverting.reject(situation, traffic, trial.revision, reasons.METRIC_BREACH, crashes)
    worst = reverting.breached(said)
    if worst is not None:
        if situation.spec.rollout.analysis.on_breach is OnBreach.HOLD:
            return Move(traffic, reasons.BREACHED, f"{worst.message}; held, since onBreach is Hold", trial.revision)
        first = reverting.breach_began(situation, slot, trial.exposure, worst)
        return reverting.reject(
            situation, traffic, trial.revision, reasons.METRIC_BREACH, worst.message, breach_at=first
        )
    return None


def _edited(situation: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> Move | None:
    """Steps that were edited behind its back: it goes on at the first one that it has not passed for sure."""
    there = [step_identity(step) for step in situation.steps]
    same = [passed == known for passed, known in zip(trial.passed, there, strict=False)]
    sure = same.index(False) if False in same else len(same)
    if sure == trial.step:
        return None
    return _enter(situation, traffic, _in_new_step(trial, trial.passed[:sure]))


def _in_new_step(trial: Trial, passed: tuple[str, ...]) -> Trial:
    return replace(trial, passed=passed, since="", blind_since="")


def _late(situation: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> Move | None:
    """A challenger's pods of a step have a deadline, and so have those that were there and are ready no more.

    What the champion lacks is not the challenger's failing.
    """
    slot, deadline = traffic.champion.other, durations.parse(situation.spec.rollout.progress_deadline)
    world = situation.slot(slot)
    message = ""
    if world is not None and not world.serves and longer_ago(world.unavailable_since, deadline, situation.now):
        message = _not_ready(situation, slot)
    elif not trial.since and longer_ago(moment(trial.entered), deadline, situation.now):
        missing = _challenger_lacks(situation, traffic, trial)
        message = f"step {step_name(situation.steps, trial.step)}: still waiting for {missing}" if missing else ""
    if not message:
        return None
    return reverting.reject(situation, traffic, trial.revision, reasons.PROGRESS_DEADLINE_EXCEEDED, message)


def _clock(situation: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> Move | None:
    """While a halt keeps the pods of a step from coming, they have no deadline; afterwards they have all of it.

    So it is while the API server does not take their Deployment: that is no failing of the challenger.
    """
    halted = situation.halted is not None and _rises(situation, trial)
    hindered = not trial.since and bool(needed(situation.snapshot.obstacles, "Deployment"))
    stopped = halted or hindered
    if stopped == (not trial.entered):
        return None
    going_on = replace(traffic, trial=replace(trial, entered="" if stopped else stamp_exact(situation.now)))
    if halted:
        return _halt(situation, going_on, trial.revision)
    waiting = f"the pods of step {step_name(situation.steps, trial.step)}"
    return Move(going_on, reasons.ROLLING_OUT, waiting, trial.revision)


def _counting(situation: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> Move | None:
    """A pod that could not be read when users could first meet it has its baseline as soon as it can be."""
    if trial.weight == 0:
        return None
    pods = counting(situation, traffic.champion.other)
    known = trial.exposure
    exposure = exposures.with_first_readings(known, pods) if known else exposures.begun(pods, situation.now)
    if exposure == known:
        return None
    read = replace(traffic, trial=replace(trial, exposure=exposure))
    return Move(read, reasons.ROLLING_OUT, "the first requests to count", trial.revision)


def _blind(situation: RolloutState, traffic: Traffic, trial: Trial, said: tuple[Judgement, ...]) -> Move | None:
    """Blindness holds the rollout; how long, and what then, is the user's choice."""
    analysis, verdict = situation.spec.rollout.analysis, overall(said)
    if verdict is CanaryVerdict.PASS:
        return _with_blindness(traffic, trial, "") if trial.blind_since else None
    reason = reasons.NO_DATA if verdict is CanaryVerdict.NO_DATA else reasons.PROVIDER_ERROR
    message = next(judgement.message for judgement in said if judgement.verdict is verdict)
    if not trial.blind_since:
        return _with_blindness(traffic, trial, stamp_exact(situation.now), reason, message)
    policy = analysis.on_no_data if verdict is CanaryVerdict.NO_DATA else analysis.on_provider_error
    since = moment(trial.blind_since) or situation.now
    if policy is OnBlind.HOLD or situation.now < since + durations.parse(analysis.max_hold):
        return Move(traffic, reason, f"{message}; held", trial.revision)
    if policy is OnBlind.ROLLBACK:
        held = f"{message}; held for {analysis.max_hold} (maxHold)"
        return reverting.reject(situation, traffic, trial.revision, reasons.BLIND_TOO_LONG, held)
    return None


def _with_blindness(traffic: Traffic, trial: Trial, since: str, reason: str = "", message: str = "") -> Move:
    held = f"{message}; held" if since else "the next look"
    return Move(
        replace(traffic, trial=replace(trial, blind_since=since)), reason or reasons.ROLLING_OUT, held, trial.revision
    )


def _reach_split(situation: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> Move | None:
    """The clock of a step starts when its pods are there; a step whose weight is edited starts anew."""
    weight = target_weight(situation.steps, trial.step)
    if trial.step >= len(situation.steps) or (trial.since and trial.weight == weight):
        return None
    if situation.halted and _rises(situation, trial):
        return _halt(situation, traffic, trial.revision)
    missing = _missing_pods(situation, traffic, trial)
    if missing:
        return Move(traffic, reasons.ROLLING_OUT, missing, trial.revision)
    pods = counting(situation, traffic.champion.other)
    going_on = trial.exposure if trial.weight > 0 else None
    exposure = exposures.in_next_step(going_on, pods) if going_on else exposures.begun(pods, situation.now)
    reached = replace(trial, weight=weight, since=stamp_exact(situation.now), exposure=exposure)
    return Move(
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


def _missing_pods(situation: RolloutState, traffic: Traffic, trial: Trial) -> str:
    """Which pods the step lacks."""
    return _challenger_lacks(situation, traffic, trial) or _champion_lacks(situation, traffic, trial)


def _challenger_lacks(situation: RolloutState, traffic: Traffic, trial: Trial) -> str:
    wanted = pods_wanted(situation, trial).challenger
    return _lacks(situation, traffic.champion.other, wanted, situation.version_of(trial.revision))


def _champion_lacks(situation: RolloutState, traffic: Traffic, trial: Trial) -> str:
    """A champion that is short of pods is waited for, but not for long: those that it has are enough then.

    One that serves has the time since the step was entered, one that does not the time since it serves no more.
    """
    world, wanted = situation.slot(traffic.champion), pods_wanted(situation, trial).champion
    if world is not None:
        since = moment(trial.entered) if world.serves else world.unavailable_since
        if longer_ago(since, _CHAMPION_GIVEN_UP_AFTER, situation.now):
            return ""
    return _lacks(situation, traffic.champion, wanted, f"the champion {situation.version_of(traffic.revision)}")


def _lacks(situation: RolloutState, slot: Slot, wanted: int, shown: str) -> str:
    world = situation.slot(slot)
    if world is not None and world.settled and world.replicas == wanted:
        return ""
    ready = world.ready_replicas if world else 0
    return f"{ready} of {wanted} pods of {slot}, {shown}, to be ready{situation.complaint(slot)}"


def _hold(situation: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> Move | None:
    """A step lasts its time, its requests and its approval; a halt stops everything."""
    if situation.halted:
        return _halt(situation, traffic, trial.revision)
    if trial.step >= len(situation.steps):
        return None
    step, since = situation.steps[trial.step], moment(trial.since) or situation.now
    if step.approval is not None and _approval(situation, trial) is None:
        what = f": {step.approval.message}" if step.approval.message else ""
        value = _approval_to_give(situation, trial)
        asked = f"annotation {APPROVE_ANNOTATION}={value}{what}; end the value in # and your user name"
        return Move(traffic, reasons.AWAITING_APPROVAL, asked, trial.revision)
    left = since + durations.parse(step.duration) - situation.now
    if left > timedelta():
        return Move(traffic, reasons.ROLLING_OUT, f"{durations.spoken(left)} of {step.duration}", trial.revision)
    answered = _answered(situation, traffic, trial)
    if step.min_requests and answered < step.min_requests:
        return Move(traffic, reasons.ROLLING_OUT, f"{answered} of {step.min_requests} requests", trial.revision)
    return None


def _approval(situation: RolloutState, trial: Trial) -> str | None:
    """A person's approval of this challenger that was not counted yet: each passes one step."""
    command = situation.asked(APPROVE_ANNOTATION, trial.revision)
    return None if command == trial.approved else command


def _approval_to_give(situation: RolloutState, trial: Trial) -> str:
    """What to write for approving this step: the revision, told apart from an approval that was counted before."""
    given = situation.snapshot.annotations.get(APPROVE_ANNOTATION, "")
    return f"{trial.revision}#{trial.step + 1}" if given.partition("#")[0] == trial.revision else trial.revision


def _answered(situation: RolloutState, traffic: Traffic, trial: Trial) -> int:
    """Requests of this step."""
    if trial.exposure is None:
        return 0
    read = [pod.reading for pod in counting(situation, traffic.champion.other) if pod.reading is not None]
    return int(sum(exposures.answered_in_step(trial.exposure, newest) for newest in read))


def _advance(situation: RolloutState, traffic: Traffic, trial: Trial, _: tuple[Judgement, ...]) -> Move | None:
    if trial.step < len(situation.steps):
        ahead = _in_new_step(trial, (*trial.passed, step_identity(situation.steps[trial.step])))
        approval = _approval(situation, trial) if situation.steps[trial.step].approval is not None else None
        if approval is not None:
            ahead = replace(ahead, approved=approval, approved_at=stamp_exact(situation.now))
        return _enter(situation, traffic, ahead)
    missing = _missing_pods(situation, traffic, trial)
    if missing:
        return Move(traffic, reasons.ROLLING_OUT, missing, trial.revision)
    return _promote(situation, traffic, trial)


def _promote(situation: RolloutState, traffic: Traffic, trial: Trial) -> Move:
    revision, slot = trial.revision, traffic.champion.other
    said = f"{situation.version_of(revision)} is the champion; {situation.version_of(traffic.revision)} stays warm"
    return Move(
        Traffic(
            champion=slot,
            revision=revision,
            since=stamp_exact(situation.now),
            former=traffic.revision,
            exposure=trial.exposure if trial.weight > 0 else exposures.begun(counting(situation, slot), situation.now),
        ),
        reasons.SERVING,
        "",
        close=Close((traffic.champion,), Idle.KEEP),
        events=(Event(EventType.NORMAL, reasons.EVENT_PROMOTED, said),),
    )


def superseded(situation: RolloutState, traffic: Traffic, trial: Trial, instead: str | None) -> Move:
    """Another revision is wanted now: the one on trial makes room, without a stain on its name."""
    then = f"{situation.version_of(instead)} is wanted now" if instead else "it is not wanted any more"
    said = f"{situation.version_of(trial.revision)} is taken off trial: {then}"
    return Move(
        replace(traffic, trial=None, reverted=None),
        reasons.ROLLING_OUT,
        "",
        instead,
        close=Close((traffic.champion.other,), Idle.KEEP) if trial.weight > 0 else None,
        events=(Event(EventType.NORMAL, reasons.EVENT_SUPERSEDED, said),),
    )
