"""A drill of the rollback: the fallback serves for a while, and the champion gets the traffic back, whatever happens.

Each switch is the write that a rollback would be. A mirrored drill leaves the users where they are: the fallback gets
copies of their requests, as many as it would get itself after a rollback, and its answers are thrown away. Nothing that
a drill finds rejects a version: one that fails shows that the way back does not work, and that is for people to mend.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from viridian.api import durations, reasons
from viridian.api.drill_spec import DrillMode
from viridian.api.names import DRILL_ANNOTATION
from viridian.api.samples import Idle, PodSample
from viridian.core.times import older_than
from viridian.rollout.analysis.pods import counting
from viridian.rollout.decision import Change, ChangeKind, Close, RolloutDecision, Wait, WaitKind
from viridian.rollout.drill_schedule import is_due
from viridian.rollout.input import judged_targets
from viridian.rollout.pod_bounds import champion_size
from viridian.rollout.policies.availability import crash_loop
from viridian.rollout.policies.breaches import breached
from viridian.rollout.policies.chain import Chain, first
from viridian.rollout.state import RolloutState, rollback_target
from viridian.rollout.traffic import exposure as exposures
from viridian.rollout.traffic.drill_record import Drill, DrillOutcome, DrillResult, ready_seconds

DEFAULT_DURATION: Final = timedelta(minutes=1)
"""Of a drill that a person asks for where the spec has none."""
_ENDED: Final = {
    DrillOutcome.PASSED: ChangeKind.DRILL_PASSED,
    DrillOutcome.FAILED: ChangeKind.DRILL_FAILED,
    DrillOutcome.NO_TRAFFIC: ChangeKind.DRILL_ENDED,
    DrillOutcome.INTERRUPTED: ChangeKind.DRILL_ENDED,
}


# ---- Before there is one


def begins_a_drill(state: RolloutState) -> RolloutDecision | None:
    """Once nothing else goes on: the champion serves with all its pods, and no version waits."""
    traffic, order = state.serving, drill_command(state)
    if order is None and not is_due(state, traffic):
        return None
    fallback, champion = state.fallback, state.champion
    if fallback is None or traffic.predecessor_is_fallback:
        return RolloutDecision.hold(traffic, Wait(WaitKind.FORMER_CHAMPION)) if order is not None else None
    full = champion is not None and champion.settled and champion.serves
    begun = Drill(fallback, entered=state.now, copies=_copies(state), order=order or "")
    if not full or state.unsettled is not None or _comes_first(state, begun):
        return None
    return _going_on(state, begun, Wait(WaitKind.DRILL_PODS, fallback))


def drill_command(state: RolloutState) -> str | None:
    """`viridian.dev/drill: <champion revision>`, where it was not carried out yet."""
    order, last = state.asked(DRILL_ANNOTATION, state.serving.revision), state.serving.drilled
    return order if last is None or last.order != order else None


# ---- While it is under way


def is_on_drill(state: RolloutState) -> RolloutDecision | None:
    return first(DRILL, state) if state.serving.drill is not None else None


def fails(state: RolloutState) -> RolloutDecision | None:
    """The fallback does not serve as it did when it was the champion."""
    drill = _drill(state)
    if drill.since is None:
        deadline = durations.parse(state.spec.rollout.progress_deadline)
        late = older_than(drill.entered, deadline, state.now)
        failure = state.failure_message(state.other_slot)
        late_for = f"not ready within {state.spec.rollout.progress_deadline} (spec.rollout.progressDeadline){failure}"
        return _ends(state, DrillOutcome.FAILED, late_for) if late else None
    if not state.serves(state.other_slot, drill.revision):
        return _ends(state, DrillOutcome.FAILED, f"no pod of it is ready{state.failure_message(state.other_slot)}")
    if crashes := crash_loop(state, state.other_slot, drill.revision, drill.exposure):
        return _ends(state, DrillOutcome.FAILED, crashes)
    worst = breached(state)
    return _ends(state, DrillOutcome.FAILED, worst.message) if worst is not None else None


def is_interrupted(state: RolloutState) -> RolloutDecision | None:
    first_of_all = _comes_first(state, _drill(state))
    return _ends(state, DrillOutcome.INTERRUPTED, first_of_all) if first_of_all else None


def lacks_pods(state: RolloutState) -> RolloutDecision | None:
    """The fallback is at full size before any user meets it, and its counters are known."""
    drill, other = _drill(state), state.other
    if drill.since is not None:
        return None
    there = other is not None and other.revision == drill.revision and other.settled
    if there and other is not None and other.replicas >= champion_size(state, state.serving, None) and _is_read(state):
        return None
    failure = state.failure_message(state.other_slot)
    return _going_on(state, drill, Wait(WaitKind.DRILL_PODS, drill.revision, detail=failure))


def switches(state: RolloutState) -> RolloutDecision | None:
    drill, traffic = _drill(state), state.serving
    if drill.since is not None:
        return None
    exposure = exposures.begun(counting(state.inputs, state.other_slot), state.now)
    begun = replace(drill, since=state.now, exposure=exposure)
    if drill.is_mirrored:
        change = Change(ChangeKind.COPIES_BEGAN, drill.revision, other=traffic.revision)
        return replace(_going_on(state, begun), change=change)
    return replace(
        _going_on(state, begun),
        change=Change(ChangeKind.DRILL_BEGAN, drill.revision, other=traffic.revision),
        close=Close((traffic.champion,), Idle.KEEP),
    )


def has_answered(state: RolloutState) -> RolloutDecision | None:
    """The first answer of the fallback shows how long the switch took."""
    drill, at = _drill(state), _first_answer(state)
    if drill.answered_at is not None or at is None:
        return None
    return _going_on(state, replace(drill, answered_at=at))


def has_not_lasted(state: RolloutState) -> RolloutDecision | None:
    drill = _drill(state)
    return _going_on(state, drill) if state.now < _end(state, drill) else None


def gives_the_traffic_back(state: RolloutState) -> RolloutDecision | None:
    outcome = DrillOutcome.PASSED if _counts(state)[0] else DrillOutcome.NO_TRAFFIC
    return _ends(state, outcome, "" if outcome is DrillOutcome.PASSED else _nothing_came(state))


DRILL: Final[Chain] = (
    fails,  # before all that it could wait for
    is_interrupted,
    lacks_pods,
    switches,
    has_answered,
    has_not_lasted,
    gives_the_traffic_back,
)


def _copies(state: RolloutState) -> int:
    """Of how many requests in a hundred a new drill sends copies; 0 where the users themselves move."""
    spec = state.spec.drill
    return 100 if spec is not None and spec.mode is DrillMode.MIRRORED else 0


def _nothing_came(state: RolloutState) -> str:
    """Why a drill proves too little: a gateway that has not taken the copies over is another matter than silence."""
    if not _drill(state).is_mirrored:
        return "no user asked anything"
    why = f": {state.unsettled.message}" if state.unsettled is not None else ""
    return f"no copy of a request reached the fallback{why}"


def _comes_first(state: RolloutState, drill: Drill) -> str:
    """What is more important than this drill, for people; empty where nothing is."""
    fallback = drill.revision
    if drill.is_mirrored and not state.inputs.provider.copies_requests:
        return "no gateway splits the traffic now, and only a gateway copies requests"
    if state.spec.rollout.paused:
        return "spec.rollout.paused is set"
    if state.spec.server.replicas == 0:
        return "spec.server.replicas is 0"
    if (newer := state.challenger) is not None:
        return f"{state.version_of(newer)} is desired now"
    if (target := rollback_target(state, state.serving)) not in (None, fallback):
        return f"a rollback to {state.version_of(target or '')} is asked for"
    return "" if state.fallback == fallback else f"{state.version_of(fallback)} is not the fallback any more"


def _ends(state: RolloutState, outcome: DrillOutcome, message: str) -> RolloutDecision:
    """The champion gets the traffic back, as soon as it serves."""
    traffic, drill = state.serving, _drill(state)
    change = Change(_ENDED[outcome], drill.revision, other=traffic.revision, message=message)
    ended = replace(traffic, drill=None, drilled=_result(state, outcome, message))
    if not drill.moves_users:
        return replace(RolloutDecision.rest(ended, reasons.SERVING), change=change)
    if not state.serves(traffic.champion, traffic.revision):
        return RolloutDecision.hold(traffic, Wait(WaitKind.CHAMPION_TO_TAKE_OVER, traffic.revision, then=change))
    idle = Idle.CLOSE if outcome is DrillOutcome.FAILED else Idle.KEEP
    closed = Close((traffic.champion.other,), idle)
    return replace(RolloutDecision.rest(ended, reasons.SERVING), change=change, close=closed)


def _result(state: RolloutState, outcome: DrillOutcome, message: str) -> DrillResult:
    drill, before = _drill(state), state.serving.drilled
    (requests, errors), answered = _counts(state), drill.answered_at or _first_answer(state)
    earlier = before or DrillResult("", "")
    took = (answered - drill.since).total_seconds() if answered is not None and drill.since is not None else None
    return DrillResult(
        drill.revision,
        outcome,
        # One that was interrupted is made up for, unless its time has passed by then.
        entered=earlier.entered if outcome is DrillOutcome.INTERRUPTED else drill.entered,
        at=state.now,
        copies=drill.copies,
        ready_seconds=ready_seconds(drill),
        seconds=round(took, 3) if took is not None else None,
        requests=requests,
        errors=errors,
        message=message,
        passed_at=state.now if outcome is DrillOutcome.PASSED else earlier.passed_at,
        order=drill.order or earlier.order,
    )


def _going_on(state: RolloutState, drill: Drill, wait: Wait | None = None) -> RolloutDecision:
    """The drill goes on as its record says from now on."""
    end = _end(state, drill) if drill.since is not None else None
    held = RolloutDecision.hold(
        replace(state.serving, drill=drill), wait or Wait(WaitKind.DRILL_END, drill.revision, until=end)
    )
    return replace(held, judgements=state.judgements)


def _drill(state: RolloutState) -> Drill:
    if state.serving.drill is None:
        raise LookupError("no drill is under way")
    return state.serving.drill


def _end(state: RolloutState, drill: Drill) -> datetime:
    return (drill.since or state.now) + drill_length(state)


def drill_length(state: RolloutState) -> timedelta:
    """How long the fallback answers in a drill."""
    spec = state.spec.drill
    return durations.parse(spec.duration) if spec is not None else DEFAULT_DURATION


def _is_read(state: RolloutState) -> bool:
    """Whether every pod of the fallback was tried to be read: what it counted before is known, or cannot be."""
    return all(pod.uid in state.inputs.readings for pod in judged_targets(state.inputs, state.other_slot))


def _counts(state: RolloutState) -> tuple[int, int]:
    """Requests that the fallback has answered in the drill, and how many of them with an error."""
    exposure = _drill(state).exposure
    if exposure is None:
        return 0, 0
    pods = counting(state.inputs, state.other_slot)
    return exposures.answered(exposure, pods), exposures.failed(exposure, pods)


def _first_answer(state: RolloutState) -> datetime | None:
    """The time of the first reading with an answer."""
    exposure = _drill(state).exposure
    if exposure is None:
        return None
    found = [
        reading.at
        for pod in counting(state.inputs, state.other_slot)
        for reading in state.inputs.readings.get(pod.uid, ())
        if isinstance(reading, PodSample)
        and exposure.since is not None
        and reading.at > exposure.since
        and exposures.answered(exposure, [replace(pod, reading=reading)])
    ]
    return min(found, default=None)
