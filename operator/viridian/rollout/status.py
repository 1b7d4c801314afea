"""The whole status of a ModelDeployment: a cache of the world, written for people and for tools that read kstatus."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from viridian.api import durations, reasons
from viridian.api import modeldeployment as api
from viridian.api.names import MODEL_DEPLOYMENT_LABEL, SLOT_LABEL
from viridian.core.conditions import moment, transition
from viridian.judgement.canary import Judgement
from viridian.rollout.findings import findings
from viridian.rollout.move import Move
from viridian.rollout.records import RETRIED, RevisionOutcome
from viridian.rollout.situation import RolloutState, fallback_revision, first_slot, step_name
from viridian.rollout.traffic import Traffic

NEWEST = 10
# How often numbers that change all the time are published, in seconds; what they lead to is published at once.
_CADENCE = 5
_NUMBER = re.compile(r"(\d+(\.\d+)?(ms|[smhd])?)+")


def status(situation: RolloutState, move: Move, outcomes: Mapping[str, Sequence[RevisionOutcome]]) -> dict[str, Any]:
    """The next status, plain; fields without a value are left out."""
    snapshot, traffic = situation.snapshot, move.traffic
    decided = sorted(
        ((outcome, revision) for revision, known in outcomes.items() for outcome in known),
        key=lambda pair: pair[0].at,
        reverse=True,
    )
    whole = api.ModelDeploymentStatus(
        observed_generation=snapshot.generation,
        champion=_champion(situation, traffic) if traffic else None,
        challenger=_challenger(situation, move),
        fallback=_fallback(situation, traffic) if traffic and not move.candidate else None,
        rejected=_rejected(situation, outcomes),
        history=tuple(_history(situation, *pair) for pair in decided if pair[0].outcome != RETRIED)[:NEWEST],
        last_rollback=next((found for pair in decided if (found := _rollback(*pair)) is not None), None),
        replicas=_replicas(situation, traffic),
        selector=_selector(situation, traffic),
    )
    plain: dict[str, Any] = prune(msgspec.to_builtins(whole))
    plain["replicas"] = whole.replicas
    plain["conditions"] = transition(
        findings(situation, move),
        before=snapshot.status.get("conditions"),
        generation=snapshot.generation,
        now=situation.now,
    )
    return _calm(plain, snapshot.status, situation)


def prune(value: Any) -> Any:
    """Without the fields that say nothing."""
    if isinstance(value, dict):
        kept = {key: prune(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, "", [], {})}
    return [prune(inner) for inner in value] if isinstance(value, list | tuple) else value


def _calm(plain: dict[str, Any], before: Mapping[str, Any], situation: RolloutState) -> dict[str, Any]:
    """Numbers that move with every look are carried over for a while, unless something else changed as well.

    Only where the next look is certain to come soon: before its first step, a challenger is looked at when it moves.
    """
    challenger, earlier = plain.get("challenger"), before.get("challenger")
    if not challenger or "step" not in challenger or not isinstance(earlier, Mapping) or _is_due(situation):
        return plain
    moving = ("metrics", "waitingFor")
    told = (_verdicts(challenger), _sentence(challenger))
    if told != (_verdicts(earlier), _sentence(earlier)) or any(
        challenger.get(key) != earlier.get(key) for key in challenger.keys() | earlier.keys() if key not in moving
    ):
        return plain
    return {**plain, "challenger": {**challenger, **{key: earlier[key] for key in moving if key in earlier}}}


def _is_due(situation: RolloutState) -> bool:
    """Whether a multiple of the cadence has passed since the look before: once in a while, whatever the interval."""
    now = situation.now.timestamp()
    before = now - durations.parse(situation.spec.rollout.analysis.interval).total_seconds()
    return now // _CADENCE != before // _CADENCE


def _verdicts(challenger: Mapping[str, Any]) -> Any:
    metrics = challenger.get("metrics")
    known = metrics if isinstance(metrics, list | tuple) else ()
    return [(metric.get("name"), metric.get("verdict")) for metric in known if isinstance(metric, Mapping)]


def _sentence(challenger: Mapping[str, Any]) -> str:
    """What is waited for, whatever the numbers: a person who is asked for something must read so at once."""
    return _NUMBER.sub("#", str(challenger.get("waitingFor", "")))


def _slot_fields(situation: RolloutState, revision: str) -> dict[str, Any]:
    record = situation.record(revision)
    if record is not None:
        return {"version": record.model.version, "uri": record.model.address, "digest": record.model.digest}
    wanted = situation.wanted
    if wanted is not None and wanted.revision == revision:
        return {"version": wanted.model.version, "uri": wanted.model.address, "digest": wanted.model.digest}
    return {}


def _champion(situation: RolloutState, traffic: Traffic) -> api.SlotStatus:
    return api.SlotStatus(
        slot=traffic.champion,
        revision=traffic.revision,
        since=traffic.since,
        **_slot_fields(situation, traffic.revision),
    )


def _challenger(situation: RolloutState, move: Move) -> api.ChallengerStatus | None:
    if move.candidate is None:
        return None
    traffic = move.traffic
    trial = traffic.trial if traffic else None
    return api.ChallengerStatus(
        slot=traffic.champion.other if traffic else first_slot(situation),
        revision=move.candidate,
        **_slot_fields(situation, move.candidate),
        step=api.StepStatus(
            name=step_name(situation.steps, trial.step), index=trial.step, started_at=trial.since or None
        )
        if trial
        else None,
        weight=_weight(situation, traffic) if traffic else 0,
        waiting_for=move.waiting_for or None,
        metrics=tuple(map(_metric, move.judgements)),
    )


def _weight(situation: RolloutState, traffic: Traffic) -> int:
    """The share that the challenger really has: of the ready pods, since those share the traffic."""
    trial = traffic.trial
    if trial is None or trial.weight <= 0 or trial.weight >= 100:
        return trial.weight if trial else 0
    champion, challenger = (situation.slot(slot) for slot in (traffic.champion, traffic.champion.other))
    ready = [world.ready_replicas if world else 0 for world in (champion, challenger)]
    return round(100 * ready[1] / sum(ready)) if sum(ready) else 0


def _metric(judgement: Judgement) -> api.MetricStatus:
    value, evidence = judgement.value, judgement.evidence
    return api.MetricStatus(
        name=judgement.name,
        verdict=str(judgement.verdict),
        value=None if value is None else float(f"{value:.4g}"),
        samples=judgement.samples,
        evidence=None if evidence is None else float(f"{evidence:.3g}"),
        message=judgement.message,
    )


def _fallback(situation: RolloutState, traffic: Traffic) -> api.FallbackStatus | None:
    revision, world = fallback_revision(situation, traffic), situation.slot(traffic.champion.other)
    if revision is None:
        return None
    return api.FallbackStatus(
        slot=traffic.champion.other,
        revision=revision,
        version=_slot_fields(situation, revision).get("version"),
        ready=world is not None and world.revision == revision and world.serves,
    )


def _rejected(
    situation: RolloutState, outcomes: Mapping[str, Sequence[RevisionOutcome]]
) -> tuple[api.RejectedRevision, ...]:
    standing = [
        (known[-1], revision)
        for revision, known in outcomes.items()
        if known and known[-1].outcome in (reasons.REJECTED, reasons.ROLLED_BACK)
    ]
    return tuple(
        api.RejectedRevision(
            revision=revision,
            version=_slot_fields(situation, revision).get("version"),
            reason=outcome.reason,
            message=outcome.message,
            at=outcome.at,
        )
        for outcome, revision in sorted(standing, key=lambda pair: pair[0].at, reverse=True)[:NEWEST]
    )


def _history(situation: RolloutState, outcome: RevisionOutcome, revision: str) -> api.HistoryEntry:
    return api.HistoryEntry(
        revision=revision,
        version=_slot_fields(situation, revision).get("version"),
        outcome=outcome.outcome,
        at=outcome.at,
        by=outcome.by,
    )


def _rollback(outcome: RevisionOutcome, revision: str) -> api.RollbackStatus | None:
    """A way back that users could notice: from a revision that had met them."""
    if outcome.outcome not in (reasons.REJECTED, reasons.ROLLED_BACK) or not outcome.other:
        return None
    if outcome.outcome == reasons.REJECTED and not outcome.breach_at:
        return None
    breach, back = moment(outcome.breach_at), moment(outcome.at)
    # Without a breach there is no moment to measure from: a person asked for it, say.
    seconds = round((back - breach).total_seconds(), 3) if breach and back else None
    return api.RollbackStatus(
        from_=revision,
        to=outcome.other,
        reason=outcome.reason,
        reverted_at=outcome.at,
        breach_at=outcome.breach_at,
        seconds=seconds,
    )


def _replicas(situation: RolloutState, traffic: Traffic | None) -> int:
    world = situation.slot(traffic.champion) if traffic else None
    return int((world.deployment.get("status") or {}).get("replicas", 0)) if world else 0


def _selector(situation: RolloutState, traffic: Traffic | None) -> str:
    if traffic is None:
        return ""
    return f"{MODEL_DEPLOYMENT_LABEL}={situation.snapshot.name},{SLOT_LABEL}={traffic.champion}"
