"""`triggers[].monitors`: occurs when a named monitor of the ModelDeployment has fired in so many windows in a row.

What counts is what the ModelDeployment records about its present champion, however old that is: a collector that does
not answer brings no new windows, and so no cause. While a challenger is on trial, the champion is about to be replaced,
and what its monitors find waits for the end of the trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.triggers import MonitorsTrigger, Trigger
from viridian.core.kube import without_empty
from viridian.core.monitor_results import FiredMonitor, MonitorResults
from viridian.core.times import format_time
from viridian.retraining.input import Deployment, PolicyFacts
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.trigger_state import TriggerHold, TriggerState

MONITORS: Final = "monitors"


def read_monitors(spec: RetrainPolicySpec, facts: PolicyFacts, _now: datetime) -> Iterator[TriggerState]:
    """The triggers of the spec that name monitors."""
    yield from (
        _read(trigger, trigger.monitors, facts, spec.model_deployment) for trigger in spec.triggers if trigger.monitors
    )


def _read(trigger: Trigger, asked: MonitorsTrigger, facts: PolicyFacts, model_deployment: str) -> TriggerState:
    key = f"{','.join(sorted(asked.names))} {asked.windows}"
    deployment = facts.deployment
    if deployment is None:
        return TriggerState(source=MONITORS, name=trigger.name, key=key, fleeting=True)
    results = deployment.champion_results
    fired = tuple(one for one in results.fired() if one.name in asked.names) if results is not None else ()
    enough = tuple(one for one in fired if one.windows >= asked.windows)
    return TriggerState(
        source=MONITORS,
        name=trigger.name,
        key=key,
        occurred=(_cause(trigger.name, key, asked.windows, results, enough),) if results and enough else (),
        fleeting=True,
        about=deployment.champion_revision,
        hold=held_by_a_trial(deployment),
        seen=_seen(fired) if results is not None else "",
        problem=_missing(asked, deployment, model_deployment),
        reason=reasons.MONITOR_NOT_FOUND,
    )


def _cause(trigger: str, key: str, windows: int, results: MonitorResults, fired: Sequence[FiredMonitor]) -> Cause:
    newest = max(one.last for one in fired)
    found = [one for one in fired if one.last == newest]
    return Cause(
        MONITORS,
        trigger,
        newest,
        key=key,
        began=newest - (windows - 1) * results.length,
        evidence={"revision": results.revision, "monitors": [_evidence(one, results.length) for one in found]},
    )


def _evidence(fired: FiredMonitor, window: timedelta) -> dict[str, Any]:
    """What a stage needs for looking closer: the sentence, the features and numbers, and the newest window."""
    shown: dict[str, Any] = without_empty(msgspec.to_builtins(fired.status))
    return {
        "name": fired.name,
        "message": shown.get("message", ""),
        "windows": fired.windows,
        "window": {"start": format_time(fired.last - window), "end": format_time(fired.last)},
        "figures": shown.get("figures", []),
    }


def held_by_a_trial(deployment: Deployment | None) -> TriggerHold | None:
    """What is found of a champion that is about to be replaced waits."""
    if deployment is None or not deployment.challenger:
        return None
    message = f"{deployment.challenger} is on trial: what is found of the champion waits for the end of the trial"
    return TriggerHold(reasons.ROLLOUT_ACTIVE, message)


def _seen(fired: Sequence[FiredMonitor]) -> str:
    found = (f"{one.name} has fired in {one.windows} windows up to {format_time(one.last)}" for one in fired)
    return "; ".join(found) or "none has fired"


def _missing(asked: MonitorsTrigger, deployment: Deployment, name: str) -> str:
    """Which monitors the ModelDeployment does not have; empty where it has them all, or its spec cannot be read."""
    if deployment.spec is None:
        return ""
    if deployment.spec.monitoring is None:
        return f"ModelDeployment {name} has no monitors: write monitoring: {{}} in its spec, or remove the trigger"
    there = [monitor.name for monitor in deployment.spec.monitoring.monitors]
    missing = [one for one in asked.names if one not in there]
    if not missing:
        return ""
    return f"ModelDeployment {name} has no monitor {' and no monitor '.join(missing)}; it has {', '.join(there)}"
