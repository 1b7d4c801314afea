"""Whether the champion serves on trust: it was promoted before the outcomes of its own answers were known.

A trial sees errors, latencies and the predictions themselves. Whether these are right is known once the labels are
mature. Until a monitor that would act on outcomes has judged the champion, its promotion is provisional. What follows
then is the action of the monitor: the way back, or a review.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from viridian.api import durations, reasons
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.monitoring import Action, Monitor
from viridian.core.conditions import Finding, Truth, conditions_in
from viridian.core.monitor_results import FIRED, QUIET
from viridian.core.times import format_time, parse_time
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.policies.monitored import results_of
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.record import ChampionCause, Traffic

_ACTS: Final = frozenset({Action.ROLLBACK, Action.REVIEW})


def provisional(state: RolloutState, decision: RolloutDecision) -> Iterable[Finding]:
    """Where a monitor acts on outcomes, and the champion took the place of another version."""
    traffic, judges = decision.traffic, judges_of(state.spec)
    if not judges or traffic is None or not traffic.former or traffic.cause is not ChampionCause.PROMOTED:
        return
    type_, shown = reasons.PROVISIONAL, state.version_of(traffic.revision)
    verdicts = _verdicts(state, traffic)
    awaited = [judge for judge in judges if verdicts.get(judge.name) not in (FIRED, QUIET)]
    against = [judge.name for judge in judges if verdicts.get(judge.name) == FIRED]
    if against:
        message = f"outcomes contradict the promotion of {shown}: {', '.join(against)} has fired"
        yield Finding(type_, Truth.FALSE, reasons.OUTCOMES_CONTRADICT, message)
    elif not awaited or _was_confirmed(state, traffic):
        yield Finding(type_, Truth.FALSE, reasons.OUTCOMES_CONFIRM, f"outcomes confirm the promotion of {shown}")
    else:
        names = ", ".join(judge.name for judge in awaited)
        message = f"{shown} was promoted before the outcomes of its answers were known; {names} has yet to judge them"
        yield Finding(type_, Truth.TRUE, reasons.LABELS_AWAITED, f"{message}{_earliest(state.spec, traffic, awaited)}")


def judges_of(spec: ModelDeploymentSpec) -> tuple[Monitor, ...]:
    """The monitors that act on outcomes."""
    monitors = spec.monitoring.monitors if spec.monitoring is not None else ()
    return tuple(one for one in monitors if one.action in _ACTS and (one.performance or one.concept_drift or one.decay))


def _verdicts(state: RolloutState, traffic: Traffic) -> dict[str, str]:
    """By the name of the monitor, of a window that ended after the champion had become one."""
    results = results_of(state, traffic.revision)
    if results is None or traffic.since is None or results.end <= traffic.since:
        return {}
    return {monitor.name: monitor.verdict for monitor in results.status.monitors}


def _was_confirmed(state: RolloutState, traffic: Traffic) -> bool:
    """Whether that has been known before: windows with few labels take nothing back."""
    for known in conditions_in(state.inputs.status.get("conditions")):
        if known.get("type") == reasons.PROVISIONAL and known.get("reason") == reasons.OUTCOMES_CONFIRM:
            at = parse_time(known.get("lastTransitionTime"))
            return at is not None and traffic.since is not None and at > traffic.since
    return False


def _earliest(spec: ModelDeploymentSpec, traffic: Traffic, awaited: Iterable[Monitor]) -> str:
    """From when on that can be."""
    if traffic.since is None or spec.monitoring is None:
        return ""
    wait = max((_maturity(spec, monitor) for monitor in awaited), default=timedelta())
    return f", from {format_time(traffic.since + wait)} on"


def _maturity(spec: ModelDeploymentSpec, monitor: Monitor) -> timedelta:
    source = monitor.performance or monitor.concept_drift or monitor.decay
    own = source.label_maturity if source is not None else None
    usual = spec.feedback.label_maturity if spec.feedback is not None else "0s"
    return durations.parse(own if own is not None else usual)
