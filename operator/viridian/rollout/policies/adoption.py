"""A Deployment that served users before: it becomes the champion as it is, and the first version is tried beside it."""

from __future__ import annotations

from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.predecessor_record import predecessor_of


def takes_over_from_a_predecessor(state: RolloutState) -> RolloutDecision | None:
    """The record is written onto the Service, and nothing else of it changes: no user notices."""
    named = state.spec.predecessor
    if named is None:
        return None
    missing, live = _missing(state, named.deployment), state.inputs.live
    if missing or live is None:
        return RolloutDecision.hold(None, Wait(WaitKind.PREDECESSOR, detail=missing))
    return RolloutDecision.adopt(predecessor_of(named.deployment, live), state.now)


def _missing(state: RolloutState, deployment: str) -> str:
    """What keeps it from being taken over, with what to do; empty where nothing does."""
    inputs, port = state.inputs, state.spec.server.port
    if inputs.live is None:
        return f"the Service {inputs.name}, by which users reach the Deployment {deployment}, to be there"
    if inputs.predecessor is None:
        return f"the Deployment {deployment} to be there; change spec.predecessor, or remove it"
    spec = inputs.live.get("spec") or {}
    ports = [entry.get("port") for entry in spec.get("ports") or ()]
    if ports != [port]:
        shown = ", ".join(map(str, ports))
        return f"the Service {inputs.name} to have the port {port} alone, not {shown}; set spec.server.port to its port"
    selector, template = spec.get("selector") or {}, inputs.predecessor.deployment["spec"]["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not selector or not selector.items() <= labels.items():
        return f"the selector of the Service {inputs.name} to lead to the pods of the Deployment {deployment}"
    return "" if inputs.predecessor.serves else f"a pod of the Deployment {deployment} to be ready"
