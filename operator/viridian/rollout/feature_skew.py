"""Whether the servers of a version have the feature definition that it was made with."""

from __future__ import annotations

from collections.abc import Iterable

from viridian.api import reasons
from viridian.api.features import FEATURES_ANNOTATION, is_digest
from viridian.api.names import RETRY_ANNOTATION, SKIP_ANNOTATION, Slot
from viridian.api.registry import TAG_FEATURES
from viridian.core.conditions import Finding, Truth, conditions_in
from viridian.core.lookup import text
from viridian.rollout.decision import RolloutDecision, WaitKind
from viridian.rollout.input import RolloutInput
from viridian.rollout.skip_order import FEATURES_CHECK, SkipOrder, to_skip
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.record import Traffic


def skew(state: RolloutState, slot: Slot, revision: str) -> str:
    """How the definition of the servers in the slot differs from that of the version, for people; empty where it does
    not, where the version has none pinned, and where nobody knows that of the servers."""
    model = state.model_of(revision)
    pinned = (model.features if model is not None else None) or ""
    served = _served(state, slot, revision)
    others = sorted(one for one in served if one != pinned)
    if not pinned or not served:
        return ""
    if not is_digest(pinned):
        return f"its tag {TAG_FEATURES} is {pinned}, which is no digest: tag a new version with sha256:… (64 digits)"
    if not others:
        return ""
    return (
        f"it was made with the feature definition {pinned}, and its servers have {others[0]}: start them with the "
        "first one (spec.model.features.digest), or train a version with the second one"
    )


def is_let_through(state: RolloutState, revision: str) -> bool:
    """Whether a person lets the revision serve whatever its features: for as long as the annotation stands."""
    order = SkipOrder.parse(state.inputs.annotations.get(SKIP_ANNOTATION, ""))
    return order.revision == revision and FEATURES_CHECK in order.names


def way_through(state: RolloutState, revision: str, *, retried: bool) -> str:
    """What a person may write for that."""
    skip = to_skip(state.inputs.annotations.get(SKIP_ANNOTATION, ""), revision, FEATURES_CHECK)
    return f"to let it serve all the same: {skip}{f' and {RETRY_ANNOTATION}={revision}' if retried else ''}"


def slots_with_pinned_features(inputs: RolloutInput) -> tuple[Slot, ...]:
    """Where servers are asked for their definition: those of other versions have nothing to be compared with."""
    records = {slot: inputs.records.get(held.revision) for slot, held in inputs.slots.items()}
    return tuple(slot for slot, record in records.items() if record is not None and record.model.features)


def features_match(state: RolloutState, decision: RolloutDecision) -> Iterable[Finding]:
    """There only while they do not."""
    message = (decision.traffic is not None and _of_champion(state, decision.traffic)) or _of_wanted(state, decision)
    if message:
        yield Finding(reasons.FEATURES_MATCH, Truth.FALSE, reasons.FEATURE_SKEW, message)


def _served(state: RolloutState, slot: Slot, revision: str) -> frozenset[str]:
    """What the servers show that they were started with; where none shows anything, what their pods are marked with."""
    held = state.slot(slot)
    shown = state.inputs.served_features.get(slot) if held is not None and held.revision == revision else None
    if shown:
        return shown
    marked = text(state.template_of(revision) or {}, "metadata", "annotations", FEATURES_ANNOTATION)
    return frozenset({marked} if marked else ())


def _of_champion(state: RolloutState, traffic: Traffic) -> str:
    """Its servers may have been started anew with another definition. Users go on being served."""
    who = f"the champion, {state.version_of(traffic.revision)}, goes on serving"
    if problem := skew(state, traffic.champion, traffic.revision):
        return f"{who}, but {problem}"
    if state.inputs.served_features.get(traffic.champion):
        return ""
    # No server has been asked in this pass, or none has answered: what was found last still counts.
    stored = conditions_in(state.inputs.status.get("conditions"))
    known = next((text(one, "message") for one in stored if one.get("type") == reasons.FEATURES_MATCH), "")
    return known if known.startswith(who) else ""


def _of_wanted(state: RolloutState, decision: RolloutDecision) -> str:
    """What the spec asks for gets no traffic for that."""
    wait = decision.wait
    if wait is not None and wait.kind is WaitKind.FEATURES:
        return f"{state.version_of(wait.revision)} gets no traffic: {wait.detail}"
    wanted = state.desired.revision if state.desired is not None else ""
    rejected = state.rejected(wanted)
    if rejected is None or rejected.reason != reasons.FEATURE_SKEW:
        return ""
    return f"{state.version_of(wanted)} gets no traffic: {rejected.message}"
