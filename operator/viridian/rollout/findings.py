"""The conditions of a ModelDeployment, one question each, as kstatus, Argo CD and `kubectl wait` expect them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from viridian.api import durations, reasons
from viridian.api.names import RESTART_ANNOTATION, Slot
from viridian.api.registry import TAG_DIGEST
from viridian.core.conditions import Finding, Truth, longer_ago, moment
from viridian.core.obstacles import needed, outage, refusal
from viridian.judgement.canary import CanaryVerdict, overall
from viridian.rollout import addresses
from viridian.rollout.move import Move
from viridian.rollout.situation import RolloutState, fallback_revision
from viridian.rollout.snapshot import Unresolved
from viridian.rollout.traffic import Traffic

_WAITING = {
    reasons.PAUSED,
    reasons.VERSION_GONE,
    reasons.AWAITING_APPROVAL,
    reasons.REVISION_REJECTED,
    reasons.FALLBACK_UNAVAILABLE,
}


_OF_A_STEP = re.compile(r"\d(ms|[smhd]) of \d|\d of \d+ requests$")
"""What is left of a step's time or requests."""


def findings(situation: RolloutState, move: Move) -> list[Finding]:
    """Some are there only while they are true (Reconciling, Stalled) or not (RegistryTold, AddressesCurrent)."""
    found = [_ready(situation, move), _model_resolved(situation)]
    found.extend(_reconciling(situation, move))
    found.extend(_stalled(situation, move))
    found.extend(_challenger_healthy(move))
    found.append(_rollback_ready(situation, move))
    found.extend(_registry_told(situation))
    found.extend(_addresses_current(situation, move))
    return found


def _ready(situation: RolloutState, move: Move) -> Finding:
    """Whether users are served; the reason tells what else is going on."""
    traffic = move.traffic
    if traffic is None:
        missing = needed(situation.snapshot.obstacles, "Deployment", "Service")
        if in_the_way := move.stalled or refusal(missing) or outage(missing):
            return Finding(reasons.READY, Truth.FALSE, *in_the_way)
        return Finding(
            reasons.READY, Truth.FALSE, move.reason or reasons.FIRST_DEPLOYMENT, f"waiting for {move.waiting_for}"
        )
    world, shown = situation.slot(traffic.champion), situation.version_of(traffic.revision)
    serving = any(slot_world.serves for slot in traffic.receiving if (slot_world := situation.slot(slot)) is not None)
    if not serving and situation.spec.server.replicas > 0:
        why = situation.complaint(traffic.champion)
        return Finding(reasons.READY, Truth.FALSE, reasons.CHAMPION_UNAVAILABLE, f"no pod of {shown} is ready{why}")
    if move.candidate is not None:
        held = _held(situation, move)
        reason = move.reason if held or move.reason in _WAITING else reasons.ROLLING_OUT
        waiting = f", waiting for {move.waiting_for}" if move.waiting_for and move.reason in _WAITING else held
        tried = situation.version_of(move.candidate)
        both = f"{shown} serves; {tried} is on its way"
        alone = f"{tried} serves alone; no pod of {shown} is ready"
        said = both if world is not None and world.serves else alone
        return Finding(reasons.READY, Truth.TRUE, reason, f"{said}{waiting}{_trouble(situation, traffic)}")
    reason = move.reason if move.reason in (*_WAITING, reasons.PROBATION) else reasons.SERVING
    said = f"{shown} serves"
    if move.reason == reasons.REVISION_REJECTED:
        said = f"{said}; {move.waiting_for}"
    elif move.reason == reasons.PROBATION and move.waiting_for:
        said = f"{said}; waiting for {move.waiting_for}"
    return Finding(reasons.READY, Truth.TRUE, reason, f"{said}{_trouble(situation, traffic, traffic.champion)}")


def _trouble(situation: RolloutState, traffic: Traffic, *only: Slot) -> str:
    """What keeps pods of the slots from being ready."""
    slots = only or (traffic.champion.other, traffic.champion)
    return "".join(f"; {slot} is not at full size{said}" for slot in slots if (said := situation.complaint(slot)))


def _held(situation: RolloutState, move: Move) -> str:
    """That a challenger goes no further, without any number that moves with every look."""
    if move.reason == reasons.BREACHED or _blind_for_a_window(situation, move):
        return "".join(f", held: {finding.message}" for finding in _challenger_healthy(move))
    return ""


def _blind_for_a_window(situation: RolloutState, move: Move) -> bool:
    """Before that nobody wonders: at first there are too few samples for anything."""
    trial = move.traffic.trial if move.traffic is not None else None
    if trial is None or move.reason not in (reasons.NO_DATA, reasons.PROVIDER_ERROR):
        return False
    window = durations.parse(situation.spec.rollout.analysis.window)
    return longer_ago(moment(trial.blind_since), window, situation.now)


def _model_resolved(situation: RolloutState) -> Finding:
    model = situation.snapshot.model
    if isinstance(model, Unresolved):
        status = Truth.FALSE if model.lasting else Truth.UNKNOWN
        return Finding(reasons.MODEL_RESOLVED, status, model.reason, model.message)
    name = f"{model.name} " if model.name else ""
    signature = situation.spec.model.signature
    required = situation.snapshot.settings.requires_signature(situation.snapshot.namespace)
    if model.digest is None and not required and (signature is None or not signature.required):
        said = (
            f"{name}{model.shown}, which nobody verifies: it has no digest, so whatever lies at its address is served; "
            f"bundle it with viridian.training, which sets the tag {TAG_DIGEST}, or ask for a signature"
        )
        return Finding(reasons.MODEL_RESOLVED, Truth.TRUE, reasons.UNVERIFIED, said)
    return Finding(reasons.MODEL_RESOLVED, Truth.TRUE, reasons.RESOLVED, f"{name}{model.shown}")


def _reconciling(situation: RolloutState, move: Move) -> Iterable[Finding]:
    obstacles, awaited = situation.snapshot.obstacles, situation.awaited
    if move.stalled is not None or refusal(obstacles) is not None:
        return
    if (delayed := outage(obstacles)) is not None:
        yield Finding(reasons.RECONCILING, Truth.TRUE, *delayed)
    elif awaited is not None and move.candidate is None:
        yield Finding(reasons.RECONCILING, Truth.TRUE, awaited.reason, f"waiting for the model: {awaited.message}")
    elif move.traffic is None or move.candidate is not None:
        waiting = f"waiting for {move.waiting_for}" if move.waiting_for else "on its way"
        yield Finding(reasons.RECONCILING, Truth.TRUE, move.reason or reasons.ROLLING_OUT, _without_numbers(waiting))
    elif move.reason in (reasons.PAUSED, reasons.SCALING) or (move.reason == reasons.PROBATION and move.waiting_for):
        yield Finding(reasons.RECONCILING, Truth.TRUE, move.reason, f"waiting for {move.waiting_for}")
    elif not _champion_settled(situation, move.traffic):
        yield Finding(
            reasons.RECONCILING,
            Truth.TRUE,
            reasons.SCALING,
            f"the champion's pods are being added or replaced{situation.complaint(move.traffic.champion)}",
        )


def _without_numbers(waiting: str) -> str:
    """What changes every second belongs into `challenger.waitingFor`, which is published at a calmer pace."""
    return "waiting for the step to end" if _OF_A_STEP.search(waiting) else waiting


def _champion_settled(situation: RolloutState, traffic: Traffic) -> bool:
    world = situation.slot(traffic.champion)
    return world is not None and world.settled and world.replicas == situation.spec.server.replicas


def _stalled(situation: RolloutState, move: Move) -> Iterable[Finding]:
    model, refused = situation.snapshot.model, refusal(situation.snapshot.obstacles)
    if refused is not None:
        besides = f". Besides: {move.stalled[1]}" if move.stalled is not None else ""
        yield Finding(reasons.STALLED, Truth.TRUE, refused[0], f"{refused[1]}{besides}")
    elif move.stalled is not None:
        yield Finding(reasons.STALLED, Truth.TRUE, *move.stalled)
    elif isinstance(model, Unresolved) and model.lasting and move.candidate is None and situation.awaited is None:
        yield Finding(reasons.STALLED, Truth.TRUE, model.reason, model.message)


def _challenger_healthy(move: Move) -> Iterable[Finding]:
    if move.traffic is None or (move.candidate is None and not move.judgements):
        return
    if not move.judgements:
        reason = reasons.DEPLOYING if move.reason == reasons.DEPLOYING else reasons.NOT_JUDGED
        yield Finding(reasons.CHALLENGER_HEALTHY, Truth.UNKNOWN, reason, "no answers have been judged yet")
        return
    verdict = overall(move.judgements)
    named = ", ".join(judgement.name for judgement in move.judgements if judgement.verdict is verdict)
    yield {
        CanaryVerdict.PASS: Finding(
            reasons.CHALLENGER_HEALTHY, Truth.TRUE, reasons.HEALTHY, f"{named} keep their bounds"
        ),
        CanaryVerdict.BREACH: Finding(
            reasons.CHALLENGER_HEALTHY, Truth.FALSE, reasons.BREACHED, f"{named} beyond the bound"
        ),
        CanaryVerdict.NO_DATA: Finding(
            reasons.CHALLENGER_HEALTHY, Truth.UNKNOWN, reasons.NO_DATA, f"too few samples of {named}"
        ),
        CanaryVerdict.PROVIDER_ERROR: Finding(
            reasons.CHALLENGER_HEALTHY, Truth.UNKNOWN, reasons.PROVIDER_ERROR, f"{named} cannot be read from the pods"
        ),
    }[verdict]


def _rollback_ready(situation: RolloutState, move: Move) -> Finding:
    traffic = move.traffic
    if traffic is None:
        return Finding(reasons.ROLLBACK_READY, Truth.FALSE, reasons.NO_FALLBACK, "there is no former champion yet")
    if move.candidate is not None:
        champion = situation.slot(traffic.champion)
        ready = champion is not None and champion.serves
        said = f"{situation.version_of(traffic.revision)} is {'warm' if ready else 'not ready'}"
        return Finding(reasons.ROLLBACK_READY, Truth.of(ready), reasons.CHAMPION_IS_FALLBACK, said)
    revision, world = fallback_revision(situation, traffic), situation.slot(traffic.champion.other)
    if revision is None:
        return Finding(
            reasons.ROLLBACK_READY, Truth.FALSE, reasons.NO_FALLBACK, "there is no former champion to go back to"
        )
    shown = situation.version_of(revision)
    if situation.spec.fallback.replicas == 0 and (world is None or world.replicas == 0):
        said = f"{shown} is known, but spec.fallback.replicas is 0"
        return Finding(reasons.ROLLBACK_READY, Truth.FALSE, reasons.NO_FALLBACK, said)
    if world is not None and world.revision == revision and world.serves:
        return Finding(
            reasons.ROLLBACK_READY, Truth.TRUE, reasons.FALLBACK_READY, f"{shown} is warm in {traffic.champion.other}"
        )
    said = f"{shown} has no ready pod{situation.complaint(traffic.champion.other)}"
    return Finding(reasons.ROLLBACK_READY, Truth.FALSE, reasons.FALLBACK_UNAVAILABLE, said)


def _registry_told(situation: RolloutState) -> Iterable[Finding]:
    untold = situation.snapshot.untold
    if untold is not None:
        yield Finding(reasons.REGISTRY_TOLD, Truth.FALSE, *untold)


def _addresses_current(situation: RolloutState, move: Move) -> Iterable[Finding]:
    """Pods that run are not restarted for another address; people should know that they have the former one."""
    if move.traffic is None:
        return
    known = situation.addresses_in(move.traffic.champion, move.traffic.revision)
    moved = addresses.moved(known, situation.snapshot.settings.addresses.in_place_of(known)) if known else ""
    if moved:
        said = (
            f"the pods of {situation.version_of(move.traffic.revision)} keep {moved}; once one of them has to be made "
            "anew, all get the new address, one after the other; to move them now: "
            f"kubectl -n {situation.snapshot.namespace} annotate --overwrite md {situation.snapshot.name} "
            f"{RESTART_ANNOTATION}=<time>"
        )
        yield Finding(reasons.ADDRESSES_CURRENT, Truth.FALSE, reasons.FORMER_ADDRESS, said)
