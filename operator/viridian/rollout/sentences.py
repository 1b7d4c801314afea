"""The sentences of a rollout: what is waited for and what was changed, in words. The only place that makes them."""

from __future__ import annotations

from typing import Final, Protocol

from viridian.api import durations
from viridian.api.names import APPROVE_ANNOTATION
from viridian.core.times import format_time
from viridian.rollout.decision import Change, ChangeKind, RolloutDecision, Wait, WaitKind


class Names(Protocol):
    """Who knows how people call a revision."""

    def version_of(self, revision: str) -> str: ...


_AWAITED: Final = {
    WaitKind.MODEL: "the model to be resolved{why}",
    WaitKind.FIRST_READY: "{revision} to become ready{detail}",
    WaitKind.FEATURES: "{revision} to have the feature definition of its servers: {detail}",
    WaitKind.CHALLENGER_READY: "{revision} to become ready{detail}",
    WaitKind.DEPLOYED_AGAIN: "{revision} to be deployed again",
    WaitKind.VERSION_IN_REGISTRY: "what spec.model asks for to be in the registry again ({detail})",
    WaitKind.UNPAUSED: "spec.rollout.paused to be removed",
    WaitKind.GOOD_DATA: "{detail}; the challenger is held",
    WaitKind.REPLICAS: "spec.server.replicas to be above 0",
    WaitKind.STEP_PODS: "the pods of step {step}",
    WaitKind.PODS: "{have} of {need} pods of {slot}, {revision}, to be ready{detail}",
    WaitKind.CHAMPION_PODS: "{have} of {need} pods of {slot}, the champion {revision}, to be ready{detail}",
    WaitKind.COPIES: "the champion's servers to copy requests: {detail}",
    WaitKind.FIRST_READINGS: "the first requests to count",
    WaitKind.FIRST_ANSWERS: "the first answers",
    WaitKind.NEXT_LOOK: "the next look",
    WaitKind.SAMPLES: "{detail}; the challenger is held",
    WaitKind.METRICS_SOURCE: "{detail}; the challenger is held",
    WaitKind.BREACH_HELD: "{detail}; the challenger is held, since onBreach is Hold",
    WaitKind.CHAMPION_BREACHES_TOO: "{detail}; the champion breaks the bound as well, so the challenger is held",
    WaitKind.APPROVAL: f"annotation {APPROVE_ANNOTATION}={{value}}{{why}}; end the value in # and your user name",
    WaitKind.PROMOTION_HOLD: "the hold on promotions to end{until} ({detail})",
    WaitKind.PROMOTION_WINDOW: "the promotion window to open{until}{why}",
    WaitKind.STEP_DURATION: "{remaining} of {detail}",
    WaitKind.STEP_REQUESTS: "{have} of {need} requests",
    WaitKind.STEP_BOUND: "{detail}; the step ends once the bound is kept",
    WaitKind.STEP_EVIDENCE: "{detail}",
    WaitKind.EXPERIMENT: "the verdict of experiment {step}: {detail}",
    WaitKind.PROBATION_END: "the end of the probation of {revision}{until}, before {other} is deployed",
    WaitKind.NEW_REVISION: "{revision} was rejected {detail}",
    WaitKind.RETRY_RECORDED: "the retry to be recorded",
    WaitKind.FORMER_CHAMPION: "a former champion to roll back to{why}",
    WaitKind.FALLBACK_FOR_BREACH: "{detail}, but {revision} is not ready to take over",
    WaitKind.FALLBACK_FOR_ROLLBACK: "{revision} to be ready for the rollback{detail}",
    WaitKind.CHAMPION_TO_TAKE_OVER: "{revision} to be ready to take over{then}",
    WaitKind.TRAFFIC_WRITTEN: "the {detail} to be written{then}",
    WaitKind.ROUTE: "the route to be taken over: {detail}",
    WaitKind.PREDECESSOR: "{detail}",
    WaitKind.DRILL_PODS: "all pods of {revision} to be ready for a drill of the rollback{detail}",
    WaitKind.DRILL_END: "the end of the drill{until}",
}
_CHANGED: Final = {
    ChangeKind.FIRST_DEPLOYED: "{revision} is deployed to {slot}, the first champion",
    ChangeKind.FIRST_PROMOTED: "{revision} is the first champion",
    ChangeKind.DEPLOYED: "{revision} is deployed to {slot}, without traffic",
    ChangeKind.STEP_ENTERED: "{revision} enters step {step}",
    ChangeKind.EXPERIMENT_ENDED: "experiment {step} of {revision} has ended, {message}",
    ChangeKind.PROMOTED: "{revision} is the champion; {other} stays warm",
    ChangeKind.REINSTATED: "{revision} is the champion again, since the spec names it; {other} stays warm",
    ChangeKind.REJECTED: "{revision} is rejected: {message}",
    ChangeKind.ROLLED_BACK: "{revision} was replaced by {other}: {message}",
    ChangeKind.SUPERSEDED: "{revision} is taken off trial: {why}",
    ChangeKind.ADOPTED: "{revision} is the champion, as it has served before",
    ChangeKind.DRILL_BEGAN: "{revision} serves in place of {other}: a drill of the rollback",
    ChangeKind.COPIES_BEGAN: "{revision} gets copies of the requests that {other} serves: a drill of the rollback",
    ChangeKind.DRILL_PASSED: "the drill of the rollback to {revision} has passed, and {other} serves",
    ChangeKind.DRILL_FAILED: "the drill of the rollback to {revision} has failed, and {other} serves: {message}",
    ChangeKind.DRILL_ENDED: "the drill of the rollback to {revision} has ended early, and {other} serves: {message}",
}
_OF_A_STEP: Final = frozenset(
    {
        WaitKind.STEP_DURATION,
        WaitKind.STEP_REQUESTS,
        WaitKind.STEP_BOUND,
        WaitKind.STEP_EVIDENCE,
        WaitKind.EXPERIMENT,
    }
)
"""Waits whose numbers move with every look."""


def awaited(names: Names, wait: Wait) -> str:
    """What is waited for, with all numbers."""
    if wait.kind is WaitKind.APPROVAL:
        value = f"{wait.revision}#{wait.need}" if wait.need else wait.revision
        return _AWAITED[wait.kind].format(value=value, why=_after_colon(wait.detail))
    return _AWAITED[wait.kind].format(
        revision=names.version_of(wait.revision),
        other=names.version_of(wait.other),
        slot=wait.slot,
        step=wait.step,
        have=wait.have,
        need=wait.need,
        remaining=durations.format_duration(wait.remaining) if wait.remaining is not None else "",
        until=f", at {format_time(wait.until)}" if wait.until is not None else "",
        detail=wait.detail,
        why=_after_colon(wait.detail),
        then=f"; then {sentence(names, wait.then)}" if wait.then is not None else "",
    )


def awaited_calmly(names: Names, wait: Wait) -> str:
    """The same without numbers that move with every look."""
    return "the step to end" if wait.kind in _OF_A_STEP else awaited(names, wait)


def changed(names: Names, change: Change) -> str:
    """What was changed, and why."""
    desired = f"{names.version_of(change.other)} is desired now" if change.other else "it is not desired any more"
    return _CHANGED[change.kind].format(
        revision=names.version_of(change.revision),
        other=names.version_of(change.other),
        slot=change.slot,
        step=change.step,
        message=change.message,
        why=desired,
    )


def sentence(names: Names, subject: Wait | Change | None) -> str:
    if subject is None:
        return ""
    return changed(names, subject) if isinstance(subject, Change) else awaited(names, subject)


def summary(names: Names, decision: RolloutDecision) -> str:
    """One line for the log: the reason, and what is waited for or was changed."""
    of_a_loss = decision.change is not None and decision.change.kind in (ChangeKind.REJECTED, ChangeKind.ROLLED_BACK)
    text = sentence(names, decision.wait or (decision.change if of_a_loss else None))
    return f"{decision.reason}: {text}" if text else decision.reason


def _after_colon(detail: str) -> str:
    return f": {detail}" if detail else ""
