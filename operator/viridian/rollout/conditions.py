"""The conditions of a ModelDeployment, one question each, as kstatus, Argo CD and `kubectl wait` expect them."""

from __future__ import annotations

from collections.abc import Iterable

from viridian.api import durations, reasons
from viridian.api.names import RESTART_ANNOTATION, SKIP_ANNOTATION, Slot
from viridian.api.registry import TAG_DIGEST
from viridian.core.conditions import Finding, Truth, conditions_in
from viridian.core.obstacles import needed, outage, refusal
from viridian.core.times import older_than
from viridian.judgement.canary import CanaryVerdict, Judgement, overall
from viridian.rollout import addresses
from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.drill_findings import rollback_untested
from viridian.rollout.drill_schedule import schedule_problem
from viridian.rollout.feature_skew import features_match
from viridian.rollout.input import GATEWAY_NEEDED, UNREAD, Unresolved
from viridian.rollout.joining import joining, route_joined
from viridian.rollout.pod_bounds import bounds
from viridian.rollout.policies.promotion_times import window_problem
from viridian.rollout.provisional import provisional
from viridian.rollout.records import ServedModel
from viridian.rollout.replaced_versions import is_another
from viridian.rollout.restored import first_slot
from viridian.rollout.sentences import awaited_calmly, sentence
from viridian.rollout.skip_order import SKIPPED_BY_NAME, SkipOrder
from viridian.rollout.state import RolloutState, fallback_revision
from viridian.rollout.step_names import step_name
from viridian.rollout.traffic.record import Traffic

_WAITING = {
    reasons.PAUSED,
    reasons.VERSION_GONE,
    reasons.AWAITING_APPROVAL,
    reasons.PROMOTION_HELD,
    reasons.AWAITING_WINDOW,
    reasons.REVISION_REJECTED,
    reasons.FALLBACK_UNAVAILABLE,
}

_HEALTH = {
    CanaryVerdict.PASS: (Truth.TRUE, reasons.HEALTHY, "within the bounds: {metrics}"),
    CanaryVerdict.BREACH: (Truth.FALSE, reasons.BREACHED, "beyond the bound: {metrics}"),
    CanaryVerdict.NO_DATA: (Truth.UNKNOWN, reasons.NO_DATA, "too few samples of {metrics}"),
    CanaryVerdict.PROVIDER_ERROR: (Truth.UNKNOWN, reasons.PROVIDER_ERROR, "{metrics} cannot be read"),
}
_WITH_THE_CHAMPION = (
    Truth.UNKNOWN,
    reasons.CHAMPION_BREACHES_TOO,
    "the champion is beyond the bound as well: {metrics}",
)


def conditions(state: RolloutState, decision: RolloutDecision) -> list[Finding]:
    """Some are there only while they are true (Reconciling, Stalled) or not (AddressesCurrent, FeaturesMatch,
    OrdersUnderstood)."""
    found = [_ready(state, decision), _model_resolved(state)]
    found.extend(_reconciling(state, decision))
    found.extend(_stalled(state, decision))
    found.extend(_challenger_healthy(decision))
    found.append(_rollback_ready(state, decision))
    found.extend(rollback_untested(state, decision))
    found.extend(provisional(state, decision))
    found.extend(_addresses_current(state, decision))
    found.extend(features_match(state, decision))
    found.extend(_orders_understood(state))
    found.extend(route_joined(joining(state.inputs, state.spec.server.port, decision.traffic, state.now)))
    return found


def _orders_understood(state: RolloutState) -> Iterable[Finding]:
    """There only while an order names what there is not, for the version that is wanted or on trial."""
    order = SkipOrder.parse(state.inputs.annotations.get(SKIP_ANNOTATION, ""))
    trial = state.recorded.trial if state.recorded is not None else None
    under_way = {trial.revision if trial is not None else None, state.desired.revision if state.desired else None}
    steps = [step_name(state.steps, index) for index in range(len(state.steps))]
    unknown = order.unknown(steps) if order.revision in under_way else ()
    if unknown:
        known = ", ".join(dict.fromkeys((*steps, *SKIPPED_BY_NAME)))
        message = (
            f"{SKIP_ANNOTATION} names {', '.join(unknown)}, which is no step of this rollout and no check, and skips "
            f"nothing for it; it may name, separated by commas: {known}"
        )
        yield Finding(reasons.ORDERS_UNDERSTOOD, Truth.FALSE, reasons.UNKNOWN_STEP, message)


def needs_a_person(state: RolloutState, decision: RolloutDecision) -> tuple[str, str] | None:
    """Reason and sentence where the spec cannot be met without a change by someone; None where it can."""
    wait, awaited = decision.wait, sentence(state, decision.wait)
    if wait is not None and wait.kind is WaitKind.VERSION_IN_REGISTRY:
        return reasons.VERSION_GONE, f"waiting for {awaited}"
    if wait is not None and wait.kind is WaitKind.FEATURES:
        return reasons.FEATURE_SKEW, f"{state.version_of(wait.revision)} gets no traffic: {wait.detail}"
    if wait is not None and wait.kind is WaitKind.NEW_REVISION and state.is_pinned:
        how = f"change the spec, or annotate viridian.dev/retry={wait.revision}"
        return reasons.REVISION_REJECTED, f"{awaited}; {how}"
    if state.invalid_template and wait is None and decision.reason == state.invalid_reason:
        return state.invalid_reason, state.invalid_template
    if state.inputs.asked_gateway is not None and not state.inputs.settings.gateway_api:
        return reasons.GATEWAY_API_OFF, f"spec.traffic.provider is Gateway. {GATEWAY_NEEDED}"
    if problem := window_problem(state) or schedule_problem(state):
        return reasons.INVALID_SPEC, problem
    if wait is not None and wait.kind is WaitKind.FIRST_READY and decision.change is None:
        return _first_is_late(state, wait.revision)
    return (reasons.NAME_TAKEN, decision.name_taken) if decision.name_taken else None


def _first_is_late(state: RolloutState, revision: str) -> tuple[str, str] | None:
    """The first champion is never rejected: nobody else could serve."""
    slot, shown = first_slot(state.inputs.slots), state.version_of(revision)
    slot_state = state.slot(slot)
    if slot_state is not None and slot_state.refused is not None:
        reason, message = slot_state.refused
        return reason, f"{shown} is refused: {message}"
    if slot_state is None or not slot_state.deadline_exceeded:
        return None
    return reasons.PROGRESS_DEADLINE_EXCEEDED, f"{shown} is not ready in time{state.failure_message(slot)}"


def _ready(state: RolloutState, decision: RolloutDecision) -> Finding:
    """Whether users are served; the reason tells what else is going on."""
    traffic = decision.traffic
    if traffic is None:
        return _nobody_serves_yet(state, decision)
    slot_state, shown = state.slot(traffic.champion), state.version_of(traffic.revision)
    serving = any(one.serves for slot in traffic.receiving if (one := state.slot(slot)) is not None)
    if not serving and state.spec.server.replicas > 0:
        message = f"no pod of {shown} is ready{state.failure_message(traffic.champion)}"
        return Finding(reasons.READY, Truth.FALSE, reasons.CHAMPION_UNAVAILABLE, message)
    if state.unsettled is not None and not state.unsettled.serves:
        message = f"{shown} is ready, but no gateway sends requests to it: {state.unsettled.message}"
        return Finding(reasons.READY, Truth.FALSE, reasons.ROUTE_NOT_READY, message)
    awaited = sentence(state, decision.wait)
    if traffic.drill is not None and traffic.drill.since is not None:
        rehearsed = state.version_of(traffic.drill.revision)
        who = f"{shown} serves, and {rehearsed} gets copies" if traffic.drill.is_mirrored else f"{rehearsed} serves"
        return Finding(reasons.READY, Truth.TRUE, reasons.DRILL_RUNNING, f"{who}, waiting for {awaited}")
    if decision.challenger is not None:
        held = _held(state, decision)
        reason = decision.reason if held or decision.reason in _WAITING else reasons.ROLLING_OUT
        waiting = f", waiting for {awaited}" if awaited and decision.reason in _WAITING else held
        tried = state.version_of(decision.challenger)
        both = f"{shown} serves; {tried} is being rolled out"
        alone = f"{tried} serves; no pod of {shown} is ready"
        who = both if slot_state is not None and slot_state.serves else alone
        return Finding(reasons.READY, Truth.TRUE, reason, f"{who}{waiting}{_trouble(state, traffic)}")
    reason = decision.reason if decision.reason in (*_WAITING, reasons.PROBATION) else reasons.SERVING
    message = f"{shown} serves"
    if decision.reason == reasons.REVISION_REJECTED:
        message = f"{message}; {awaited}"
    elif decision.reason in (reasons.PROBATION, reasons.NO_FALLBACK) and awaited:
        message = f"{message}; waiting for {awaited}"
    return Finding(reasons.READY, Truth.TRUE, reason, f"{message}{_trouble(state, traffic, traffic.champion)}")


def _nobody_serves_yet(state: RolloutState, decision: RolloutDecision) -> Finding:
    missing = needed(state.inputs.obstacles, "Deployment", state.inputs.decisive[0])
    if in_the_way := needs_a_person(state, decision) or refusal(missing) or outage(missing):
        return Finding(reasons.READY, Truth.FALSE, *in_the_way)
    reason, awaited = decision.reason or reasons.FIRST_DEPLOYMENT, sentence(state, decision.wait)
    return Finding(reasons.READY, Truth.FALSE, reason, f"waiting for {awaited}")


def _trouble(state: RolloutState, traffic: Traffic, *only: Slot) -> str:
    """What keeps pods of the slots from being ready."""
    slots = only or (traffic.champion.other, traffic.champion)
    return "".join(f"; {slot} is not at full size{why}" for slot in slots if (why := state.failure_message(slot)))


def _held(state: RolloutState, decision: RolloutDecision) -> str:
    """That a challenger goes no further, without any number that moves with every look."""
    if decision.reason in (reasons.BREACHED, reasons.CHAMPION_BREACHES_TOO) or _blind_for_a_window(state, decision):
        return "".join(f", held: {finding.message}" for finding in _challenger_healthy(decision))
    return ""


def _blind_for_a_window(state: RolloutState, decision: RolloutDecision) -> bool:
    """Before that nobody wonders: at first there are too few samples for anything."""
    trial = decision.traffic.trial if decision.traffic is not None else None
    if trial is None or decision.reason not in (reasons.NO_DATA, reasons.PROVIDER_ERROR):
        return False
    return older_than(trial.blind_since, durations.parse(state.spec.rollout.analysis.window), state.now)


def _model_resolved(state: RolloutState) -> Finding:
    model = state.inputs.model
    if model is UNREAD and (before := _stored(state, reasons.MODEL_RESOLVED)) is not None:
        return before
    if isinstance(model, Unresolved):
        status = Truth.FALSE if model.lasting else Truth.UNKNOWN
        return Finding(reasons.MODEL_RESOLVED, status, model.reason, model.message)
    name = f"{model.name} " if model.name else ""
    signature = state.spec.model.signature
    required = state.inputs.settings.requires_signature(state.inputs.namespace)
    if model.digest is None and not required and (signature is None or not signature.required):
        message = (
            f"{name}{model.shown} is not verified: it has no digest, so the pods serve whatever lies at its address; "
            f"bundle it with viridian.training, which sets the tag {TAG_DIGEST}, or require a signature"
        )
        return Finding(reasons.MODEL_RESOLVED, Truth.TRUE, reasons.UNVERIFIED, message)
    return Finding(reasons.MODEL_RESOLVED, Truth.TRUE, reasons.RESOLVED, f"{name}{model.shown}{_instead(state, model)}")


def _instead(state: RolloutState, model: ServedModel) -> str:
    """What tells two versions of one number apart."""
    serves = state.inputs.records.get(state.traffic.revision) if state.traffic is not None else None
    if serves is None or not model.version or (serves.model.name, serves.model.version) != (model.name, model.version):
        return ""
    if not is_another(serves.model, model):
        return ""
    return f" of a registry that has begun anew: another model than the {model.shown} that serves"


def _stored(state: RolloutState, type_: str) -> Finding | None:
    """A condition as the status has it."""
    stored = conditions_in(state.inputs.status.get("conditions"))
    found = next((condition for condition in stored if condition.get("type") == type_), None)
    if found is None or found.get("status") not in set(Truth):
        return None
    return Finding(type_, Truth(found["status"]), str(found.get("reason", "")), str(found.get("message", "")))


def _reconciling(state: RolloutState, decision: RolloutDecision) -> Iterable[Finding]:
    obstacles, awaited, wait = state.inputs.obstacles, state.awaited, decision.wait
    if needs_a_person(state, decision) is not None or refusal(obstacles) is not None:
        return
    waiting = f"waiting for {awaited_calmly(state, wait)}" if wait is not None else "the rollout goes on"
    paused = decision.reason in (reasons.PAUSED, reasons.SCALING, reasons.PROBATION) and wait is not None
    if (delayed := outage(obstacles)) is not None:
        yield Finding(reasons.RECONCILING, Truth.TRUE, *delayed)
    elif awaited is not None and decision.challenger is None:
        yield Finding(reasons.RECONCILING, Truth.TRUE, awaited.reason, f"waiting for the model: {awaited.message}")
    elif decision.traffic is None or decision.challenger is not None:
        yield Finding(reasons.RECONCILING, Truth.TRUE, decision.reason or reasons.ROLLING_OUT, waiting)
    elif decision.change is not None:
        # Only the next look says what becomes of it: a probation, a rejection that needs a person, or nothing more.
        yield Finding(reasons.RECONCILING, Truth.TRUE, reasons.ROLLING_OUT, "the traffic is being moved")
    elif state.unsettled is not None:
        awaited_route = sentence(state, Wait(WaitKind.ROUTE, detail=state.unsettled.message))
        yield Finding(reasons.RECONCILING, Truth.TRUE, reasons.ROUTE_NOT_READY, f"waiting for {awaited_route}")
    elif paused:
        yield Finding(reasons.RECONCILING, Truth.TRUE, decision.reason, waiting)
    elif not _champion_settled(state, decision.traffic):
        message = f"the champion's pods are being added or replaced{state.failure_message(decision.traffic.champion)}"
        yield Finding(reasons.RECONCILING, Truth.TRUE, reasons.SCALING, message)


def _champion_settled(state: RolloutState, traffic: Traffic) -> bool:
    slot_state = state.slot(traffic.champion)
    if slot_state is None or slot_state.foreign:
        return slot_state is not None and slot_state.serves
    if not slot_state.settled:
        return False
    return bounds(state, state.spec.server.replicas, follows_load=True).holds(slot_state.replicas)


def _stalled(state: RolloutState, decision: RolloutDecision) -> Iterable[Finding]:
    model, refused = state.inputs.model, refusal(state.inputs.obstacles)
    asked = needs_a_person(state, decision)
    if refused is not None:
        besides = f". Besides: {asked[1]}" if asked is not None else ""
        yield Finding(reasons.STALLED, Truth.TRUE, refused[0], f"{refused[1]}{besides}")
    elif asked is not None:
        yield Finding(reasons.STALLED, Truth.TRUE, *asked)
    elif isinstance(model, Unresolved) and model.lasting and decision.challenger is None and state.awaited is None:
        yield Finding(reasons.STALLED, Truth.TRUE, model.reason, model.message)


def _challenger_healthy(decision: RolloutDecision) -> Iterable[Finding]:
    if decision.traffic is None or (decision.challenger is None and not decision.judgements):
        return
    if not decision.judgements:
        reason = reasons.DEPLOYING if decision.reason == reasons.DEPLOYING else reasons.NOT_JUDGED
        yield Finding(reasons.CHALLENGER_HEALTHY, Truth.UNKNOWN, reason, "no answers have been judged yet")
        return
    verdict = overall(decision.judgements)
    shared = decision.reason == reasons.CHAMPION_BREACHES_TOO
    status, reason, message = _WITH_THE_CHAMPION if shared else _HEALTH[verdict]
    meant = [judgement for judgement in decision.judgements if judgement.verdict is verdict]
    text, why = message.format(metrics=", ".join(judgement.name for judgement in meant)), _why_unknown(meant)
    yield Finding(reasons.CHALLENGER_HEALTHY, status, reason, f"{text}: {why}" if why else text)


def _why_unknown(blind: Iterable[Judgement]) -> str:
    """Why sources have no figure; sentences with numbers that move are left to the status."""
    unknown = [one for one in blind if one.silent or one.verdict is CanaryVerdict.PROVIDER_ERROR]
    return "; ".join(dict.fromkeys(one.message.removeprefix(f"{one.name}: ") for one in unknown))


def _rollback_ready(state: RolloutState, decision: RolloutDecision) -> Finding:
    traffic = decision.traffic
    if traffic is None:
        return Finding(reasons.ROLLBACK_READY, Truth.FALSE, reasons.NO_FALLBACK, "there is no former champion yet")
    if decision.challenger is not None:
        champion = state.slot(traffic.champion)
        ready = champion is not None and champion.serves
        message = f"{state.version_of(traffic.revision)} is {'warm' if ready else 'not ready'}"
        return Finding(reasons.ROLLBACK_READY, Truth.of(ready), reasons.CHAMPION_IS_FALLBACK, message)
    revision, slot = fallback_revision(state, traffic), traffic.champion.other
    if revision is None:
        message = "there is no former champion to go back to"
        return Finding(reasons.ROLLBACK_READY, Truth.FALSE, reasons.NO_FALLBACK, message)
    shown, slot_state = state.version_of(revision), state.slot(slot)
    if state.spec.fallback.replicas == 0 and (slot_state is None or slot_state.replicas == 0):
        message = f"{shown} has no pods, since spec.fallback.replicas is 0"
        return Finding(reasons.ROLLBACK_READY, Truth.FALSE, reasons.NO_FALLBACK, message)
    if state.serves(slot, revision):
        return Finding(reasons.ROLLBACK_READY, Truth.TRUE, reasons.FALLBACK_READY, f"{shown} is warm in {slot}")
    message = f"{shown} has no ready pod{state.failure_message(slot)}"
    return Finding(reasons.ROLLBACK_READY, Truth.FALSE, reasons.FALLBACK_UNAVAILABLE, message)


def _addresses_current(state: RolloutState, decision: RolloutDecision) -> Iterable[Finding]:
    """Pods that run are not restarted for another address; people should know that they have the former one."""
    if decision.traffic is None:
        return
    known = state.addresses_in(decision.traffic.champion, decision.traffic.revision)
    present = state.present_addresses(decision.traffic.revision)
    moved = addresses.moved(known, present) if known and present else ""
    if moved:
        message = (
            f"the pods of {state.version_of(decision.traffic.revision)} keep {moved}; once one of them has to be made "
            "anew, all get the new address, one after the other; to move them now: "
            f"kubectl -n {state.inputs.namespace} annotate --overwrite md {state.inputs.name} "
            f"{RESTART_ANNOTATION}=<time>"
        )
        yield Finding(reasons.ADDRESSES_CURRENT, Truth.FALSE, reasons.FORMER_ADDRESS, message)
    elif known and known.orders and not state.inputs.settings.addresses.orders:
        message = (
            f"the pods of {state.version_of(decision.traffic.revision)} take orders by the key {known.orders}, and the "
            "operator has no key of orders: they close no connection when traffic moves, and copy no requests. Name "
            "the Secret with --orders-secret, and let the operator get it"
        )
        yield Finding(reasons.ADDRESSES_CURRENT, Truth.FALSE, reasons.NO_KEY_OF_ORDERS, message)
