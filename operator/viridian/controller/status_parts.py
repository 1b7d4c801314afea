"""Which reconciler owns which part of a status: fields, condition types, and the field manager that applies them.

Conditions are a map by their type, so several managers share the list. What no part names belongs to nobody here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from viridian.api import reasons
from viridian.api.names import (
    MODEL_DEPLOYMENT,
    MONITORING_MANAGER,
    REGISTRY_SYNC_MANAGER,
    RETRAIN_POLICY,
    RETRAINING_MANAGER,
    ROLLOUT_MANAGER,
    TRAIL_MANAGER,
)
from viridian.core.conditions import conditions_in

Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StatusPart:
    """The fields and the conditions that one manager applies."""

    manager: str
    fields: frozenset[str]
    conditions: frozenset[str]

    def of(self, status: Any) -> Status:
        """The part of a status, from any writer."""
        if not isinstance(status, Mapping):
            return {}
        found = {name: value for name, value in status.items() if name in self.fields}
        conditions = [c for c in conditions_in(status.get("conditions")) if c.get("type") in self.conditions]
        return {**found, "conditions": conditions} if conditions else found

    def replaced(self, status: Any, wanted: Status) -> dict[str, Any]:
        """The status with `wanted` in the place of what it holds of this part."""
        stored = status if isinstance(status, Mapping) else {}
        others = {name: value for name, value in stored.items() if name not in self.fields}
        conditions = [c for c in conditions_in(stored.get("conditions")) if c.get("type") not in self.conditions]
        return {**others, **wanted, "conditions": [*conditions, *wanted.get("conditions", ())]}


ROLLOUT: Final = StatusPart(
    ROLLOUT_MANAGER,
    frozenset(
        {
            "observedGeneration",
            "champion",
            "challenger",
            "next",
            "fallback",
            "rejected",
            "history",
            "lastRollback",
            "drill",
            "experiment",
            "route",
            "replicas",
            "selector",
        }
    ),
    frozenset(
        {
            reasons.READY,
            reasons.RECONCILING,
            reasons.STALLED,
            reasons.MODEL_RESOLVED,
            reasons.CHALLENGER_HEALTHY,
            reasons.ROLLBACK_READY,
            reasons.ROLLBACK_UNTESTED,
            reasons.ROUTE_JOINED,
            reasons.PROVISIONAL,
            reasons.ADDRESSES_CURRENT,
            reasons.FEATURES_MATCH,
            reasons.ORDERS_UNDERSTOOD,
        }
    ),
)
MONITORING: Final = StatusPart(
    MONITORING_MANAGER,
    frozenset({"monitoring"}),
    frozenset(
        {
            reasons.MONITORED,
            reasons.DATA_DRIFT,
            reasons.PREDICTION_DRIFT,
            reasons.CONCEPT_DRIFT,
            reasons.DECAY,
            reasons.REVIEW_REQUIRED,
            reasons.REVIEW_DUE,
        }
    ),
)
REGISTRY_SYNC: Final = StatusPart(REGISTRY_SYNC_MANAGER, frozenset(), frozenset({reasons.REGISTRY_SYNCED}))
TRAIL: Final = StatusPart(
    TRAIL_MANAGER,
    frozenset({"revisions", "incidents"}),
    frozenset({reasons.TRAIL_SYNCED, reasons.EVENTS_DELIVERED, reasons.RECOVERY_OVERDUE}),
)
TRAIL_OF_POLICY: Final = StatusPart(
    TRAIL_MANAGER, frozenset({"revisions"}), frozenset({reasons.TRAIL_SYNCED, reasons.EVENTS_DELIVERED})
)
RETRAINING: Final = StatusPart(
    RETRAINING_MANAGER,
    frozenset(
        {
            "observedGeneration",
            "activeRun",
            "lastRun",
            "stages",
            "runs",
            "triggers",
            "nextScheduled",
            "workflow",
            "recommended",
            "advice",
            "budget",
            "unnamedTriggers",
            "components",
            "quality",
        }
    ),
    frozenset(
        {
            reasons.READY,
            reasons.RECONCILING,
            reasons.STALLED,
            reasons.DATA_QUALITY,
            reasons.PAUSED_CONDITION,
            reasons.BUDGET_EXCEEDED,
            reasons.REVIEW_REQUIRED,
            reasons.CONTEXT_CONTRADICTED,
        }
    ),
)
STATUS_PARTS: Final[Mapping[str, tuple[StatusPart, ...]]] = {
    MODEL_DEPLOYMENT: (ROLLOUT, MONITORING, REGISTRY_SYNC, TRAIL),
    RETRAIN_POLICY: (RETRAINING, TRAIL_OF_POLICY),
}
"""All parts of the status of each kind."""
