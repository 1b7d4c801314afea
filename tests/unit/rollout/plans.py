"""A plan in a few words."""

from __future__ import annotations

from typing import Any

from viridian.core.plan import Action, Annotate, Apply, CloseConnections, Delete, Plan


def told(action: Action) -> str:
    """An action in a few words."""
    match action:
        case Apply(manifest):
            return f"apply {manifest['kind']} {manifest['metadata']['name']}"
        case Delete(_, kind, name):
            return f"delete {kind} {name}"
        case Annotate(_, _, name):
            return f"record {name}"
        case CloseConnections(targets, _, idle):
            return f"close {targets[0].identity.slot} {idle}"
    return type(action).__name__


def order(plan: Plan) -> list[str]:
    return [told(action) for action in plan.actions]


def applied(plan: Plan, kind: str, name: str) -> dict[str, Any]:
    return next(
        dict(action.manifest)
        for action in plan.actions
        if isinstance(action, Apply) and (action.manifest["kind"], action.manifest["metadata"]["name"]) == (kind, name)
    )


def condition(plan: Plan, kind: str) -> tuple[str, str]:
    assert plan.status is not None
    return next(((c["status"], c["reason"]) for c in plan.status["conditions"] if c["type"] == kind), ("", ""))
