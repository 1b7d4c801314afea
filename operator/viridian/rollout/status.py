"""The whole status of a ModelDeployment: a cache of the world, written for people and for tools that read kstatus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from viridian.api import durations, reasons
from viridian.api import modeldeployment_status as api
from viridian.api.names import MODEL_DEPLOYMENT_LABEL, SLOT_LABEL, Slot
from viridian.core.conditions import transition
from viridian.core.kube import without_empty
from viridian.core.times import has_come_round, parse_time
from viridian.judgement.canary import Judgement
from viridian.rollout.analysis.pods import exposed_requests
from viridian.rollout.conditions import conditions
from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.drill_findings import newest_drill
from viridian.rollout.experiment_status import newest_experiment
from viridian.rollout.joining import joining
from viridian.rollout.records import RETRIED, RevisionOutcome, standing_rejection, time_text
from viridian.rollout.restored import first_slot
from viridian.rollout.sentences import sentence
from viridian.rollout.state import RolloutState, fallback_revision
from viridian.rollout.step_names import step_name
from viridian.rollout.traffic.record import Traffic, Trial

NEWEST = 10
# How often numbers that change all the time are published; what they lead to is published at once.
_CADENCE = timedelta(seconds=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def status(
    state: RolloutState, decision: RolloutDecision, outcomes: Mapping[str, Sequence[RevisionOutcome]]
) -> dict[str, Any]:
    """The next status, plain; fields without a value are left out."""
    inputs, traffic = state.inputs, decision.traffic
    # Of one instant, what was noted last comes first.
    decided = sorted(
        ((outcome, revision) for revision, known in outcomes.items() for outcome in reversed(known)),
        key=lambda pair: pair[0].at,
        reverse=True,
    )
    whole = api.ModelDeploymentStatus(
        observed_generation=inputs.generation,
        champion=_champion(state, traffic) if traffic else None,
        challenger=_challenger(state, decision),
        next=_next(state, decision.wait),
        fallback=_fallback(state, traffic) if traffic and not decision.challenger else None,
        rejected=_rejected(state, outcomes),
        history=tuple(_history(state, *pair) for pair in decided if pair[0].outcome != RETRIED)[:NEWEST],
        last_rollback=next((found for pair in decided if (found := _rollback(*pair)) is not None), None),
        drill=newest_drill(traffic),
        experiment=newest_experiment(state, traffic),
        route=joining(inputs, state.spec.server.port, traffic, state.now).status,
        replicas=_replicas(state, traffic),
        selector=_selector(state, traffic),
    )
    plain: dict[str, Any] = without_empty(msgspec.to_builtins(whole))
    plain["replicas"] = whole.replicas
    plain["conditions"] = transition(
        conditions(state, decision),
        before=inputs.status.get("conditions"),
        generation=inputs.generation,
        now=state.now,
    )
    return _calm(plain, inputs.status, state)


def _calm(plain: dict[str, Any], before: Mapping[str, Any], state: RolloutState) -> dict[str, Any]:
    """Numbers that move with every look are carried over for a while, unless something else changed as well.

    Only where the next look is certain to come soon: before its first step, a challenger is looked at when it moves.
    """
    challenger, earlier = plain.get("challenger"), before.get("challenger")
    if not challenger or "step" not in challenger or not isinstance(earlier, Mapping) or _is_due(state):
        return plain
    moving = ("metrics", "waitingFor", "exposedRequests")
    # `waitingReason` is written at once: a person who has to act must be able to read it.
    if _verdicts(challenger) != _verdicts(earlier) or any(
        challenger.get(key) != earlier.get(key) for key in challenger.keys() | earlier.keys() if key not in moving
    ):
        return plain
    return {**plain, "challenger": {**challenger, **{key: earlier[key] for key in moving if key in earlier}}}


def _is_due(state: RolloutState) -> bool:
    """Whether numbers are published with this look."""
    interval = durations.parse(state.spec.rollout.analysis.interval)
    return has_come_round(state.now - _EPOCH, interval, _CADENCE)


def _verdicts(challenger: Mapping[str, Any]) -> Any:
    metrics = challenger.get("metrics")
    known = metrics if isinstance(metrics, list | tuple) else ()
    return [(metric.get("name"), metric.get("verdict")) for metric in known if isinstance(metric, Mapping)]


def _slot_fields(state: RolloutState, revision: str) -> dict[str, Any]:
    model = state.model_of(revision)
    if model is None:
        return {}
    fields = {"version": model.version, "uri": model.address, "digest": model.digest}
    return {**fields, "features_digest": model.features}


def _version(state: RolloutState, revision: str) -> str | None:
    model = state.model_of(revision)
    return model.version if model is not None else None


def _champion(state: RolloutState, traffic: Traffic) -> api.SlotStatus:
    return api.SlotStatus(
        slot=traffic.champion,
        revision=traffic.revision,
        since=time_text(traffic.since),
        **_slot_fields(state, traffic.revision),
    )


def _challenger(state: RolloutState, decision: RolloutDecision) -> api.ChallengerStatus | None:
    if decision.challenger is None:
        return None
    traffic = decision.traffic
    trial = traffic.trial if traffic else None
    return api.ChallengerStatus(
        slot=traffic.champion.other if traffic else first_slot(state.inputs.slots),
        revision=decision.challenger,
        **_slot_fields(state, decision.challenger),
        step=api.StepStatus(
            name=step_name(state.steps, trial.step), index=trial.step, started_at=time_text(trial.since) or None
        )
        if trial
        else None,
        weight=_weight(state, traffic) if traffic else 0,
        waiting_for=sentence(state, decision.wait) or None,
        waiting_reason=str(decision.wait.kind) if decision.wait is not None else None,
        exposed_requests=_exposed_requests(state, trial),
        promotable=True if trial is not None and trial.step >= len(state.steps) else None,
        metrics=tuple(map(_metric, decision.judgements)),
    )


def _next(state: RolloutState, wait: Wait | None) -> api.NextStatus | None:
    if wait is None or wait.kind is not WaitKind.PROBATION_END:
        return None
    return api.NextStatus(
        revision=wait.other,
        version=_version(state, wait.other),
        waiting_for=sentence(state, wait),
        waiting_reason=str(wait.kind),
    )


def _exposed_requests(state: RolloutState, trial: Trial | None) -> int | None:
    """How many requests of users the challenger has answered; None before it can have been asked."""
    if trial is None or trial.weight == 0 or trial.exposure is None:
        return None
    return exposed_requests(state.inputs, state.serving.champion.other, trial.exposure)


def _weight(state: RolloutState, traffic: Traffic) -> int:
    """The share that the challenger really has."""
    ready = {slot: slot_state.ready_replicas if (slot_state := state.slot(slot)) else 0 for slot in Slot}
    return state.inputs.provider.weight(traffic, ready)


def _metric(judgement: Judgement) -> api.MetricStatus:
    value, evidence = judgement.value, judgement.evidence
    return api.MetricStatus(
        name=judgement.name,
        verdict=str(judgement.verdict),
        value=None if value is None else float(f"{value:.4g}"),
        samples=judgement.samples,
        evidence=None if evidence is None else float(f"{evidence:.3g}"),
        champion=None if judgement.champion is None else float(f"{judgement.champion:.4g}"),
        no_worse=None if judgement.no_worse is None else float(f"{judgement.no_worse:.3g}"),
        message=judgement.message,
    )


def _fallback(state: RolloutState, traffic: Traffic) -> api.FallbackStatus | None:
    revision, slot = fallback_revision(state, traffic), traffic.champion.other
    if revision is None:
        return None
    ready = state.serves(slot, revision)
    return api.FallbackStatus(slot=slot, revision=revision, version=_version(state, revision), ready=ready)


def _rejected(
    state: RolloutState, outcomes: Mapping[str, Sequence[RevisionOutcome]]
) -> tuple[api.RejectedRevision, ...]:
    newest = ((standing_rejection(known), revision) for revision, known in outcomes.items())
    standing = [(rejection, revision) for rejection, revision in newest if rejection is not None]
    return tuple(
        api.RejectedRevision(
            revision=revision,
            version=_version(state, revision),
            reason=outcome.reason,
            message=outcome.message,
            at=outcome.at,
        )
        for outcome, revision in sorted(standing, key=lambda pair: pair[0].at, reverse=True)[:NEWEST]
    )


def _history(state: RolloutState, outcome: RevisionOutcome, revision: str) -> api.HistoryEntry:
    return api.HistoryEntry(
        revision=revision,
        version=_version(state, revision),
        outcome=outcome.outcome,
        at=outcome.at,
        by=outcome.by,
    )


def _rollback(outcome: RevisionOutcome, revision: str) -> api.RollbackStatus | None:
    """A way back that users could notice: from a revision that had met them."""
    if outcome.reason == reasons.REVERTED_BY_SPEC and outcome.other:
        return api.RollbackStatus(from_=outcome.other, to=revision, reason=outcome.reason, reverted_at=outcome.at)
    unnoticed = outcome.outcome == reasons.REJECTED and not outcome.breach_at
    if not outcome.rejects or not outcome.other or unnoticed:
        return None
    breach, back = parse_time(outcome.breach_at), parse_time(outcome.at)
    # Without a breach there is no moment to measure from: a person asked for it, say.
    seconds = round((back - breach).total_seconds(), 3) if breach and back else None
    return api.RollbackStatus(
        from_=revision,
        to=outcome.other,
        reason=outcome.reason,
        reverted_at=outcome.at,
        breach_at=outcome.breach_at,
        decided_at=outcome.decided_at,
        last_answer_at=outcome.last_answer_at,
        seconds=seconds,
    )


def _replicas(state: RolloutState, traffic: Traffic | None) -> int:
    slot_state = state.slot(traffic.champion) if traffic else None
    return int((slot_state.deployment.get("status") or {}).get("replicas", 0)) if slot_state else 0


def _selector(state: RolloutState, traffic: Traffic | None) -> str:
    if traffic is None:
        return ""
    return f"{MODEL_DEPLOYMENT_LABEL}={state.inputs.name},{SLOT_LABEL}={traffic.champion}"
