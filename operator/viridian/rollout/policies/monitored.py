"""A champion that known outcomes prove to be worse than it promised gives the traffic back to its fallback.

What counts is what the monitors have recorded on the champion's own record: of this revision, and of a window that
ended after it had become the champion. How old that is does not matter, since a revision does not get better. What
people and rollouts are at work on goes first: a challenger on trial is judged to its end. A fallback without pods is
nothing to wait for: a newer version must not wait with it.
"""

from __future__ import annotations

from viridian.api import reasons
from viridian.api.monitoring import Action
from viridian.api.names import MONITORING_ANNOTATION
from viridian.api.texts import introduced
from viridian.core.lookup import annotations_of
from viridian.core.monitor_results import FiredMonitor, MonitorResults, parse_annotation, parse_results
from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.policies.ways_back import rollback
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.record import ChampionCause


def is_worse_than_promised(state: RolloutState) -> RolloutDecision | None:
    """A champion that got the traffic by a rollback keeps it: one way back is not followed by another one."""
    traffic, fallback = state.serving, state.fallback
    if traffic.trial is not None or fallback is None or traffic.cause is not ChampionCause.PROMOTED:
        return None
    fired = _fired(state)
    if fired is None or (state.spec.fallback.replicas == 0 and not state.serves(state.other_slot, fallback)):
        return None
    message = f"monitor {introduced(fired.name, fired.status.message)}"
    wait = Wait(WaitKind.FALLBACK_FOR_BREACH, fallback, detail=message)
    return rollback(state, reasons.WORSE_THAN_PROMISED, message, wait, began=fired.last)


def _fired(state: RolloutState) -> FiredMonitor | None:
    """The first monitor with action Rollback that has fired about the champion while it was that."""
    monitoring, since = state.spec.monitoring, state.serving.since
    results = results_of(state, state.serving.revision)
    if monitoring is None or results is None or since is None:
        return None
    acting = {monitor.name for monitor in monitoring.monitors if monitor.action is Action.ROLLBACK}
    return next((one for one in results.fired() if one.name in acting and one.last > since), None)


def results_of(state: RolloutState, revision: str) -> MonitorResults | None:
    """What the monitors have recorded of a revision."""
    record = state.record(revision)
    annotation = annotations_of(record.manifest).get(MONITORING_ANNOTATION, "") if record is not None else ""
    results = parse_results(parse_annotation(annotation))
    return results if results is not None and results.revision == revision else None
