"""One model: who serves, what is decided and why, what a person may do, and its life so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from viridian.api import reasons
from viridian.api.modeldeployment_status import Condition
from viridian.core.lookup import text
from viridian.dashboard.views.experiment_view import ExperimentView, experiment_view
from viridian.dashboard.views.offered_orders import OfferedOrder, offered_orders
from viridian.dashboard.views.timeline import Timeline, timeline
from viridian.dashboard.views.trial_steps_view import TrialStep, trial_steps
from viridian.dashboard.views.verdict import Verdict, verdicts
from viridian.people.model_summary import ALARMS, ModelSummary, summary
from viridian.people.next_step import NextStep, next_steps
from viridian.people.policy_objects import known_status
from viridian.people.slot_roles import SlotRole, slot_roles

_GOOD_WHEN_TRUE: Final = (
    reasons.READY,
    reasons.MODEL_RESOLVED,
    reasons.CHALLENGER_HEALTHY,
    reasons.ROLLBACK_READY,
    reasons.MONITORED,
    reasons.ROUTE_JOINED,
)
_NEITHER: Final = (reasons.RECONCILING, reasons.PROVISIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCondition:
    """A condition with what it means for people."""

    type: str
    status: str
    reason: str
    message: str
    since: str
    kind: str
    """good, bad or neutral."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """What the pages of one model show."""

    model: ModelSummary
    slots: Sequence[SlotRole]
    waiting_for: str
    next_steps: Sequence[NextStep]
    orders: Sequence[OfferedOrder]
    verdicts: Sequence[Verdict]
    steps: Sequence[TrialStep]
    experiment: ExperimentView | None
    conditions: Sequence[ShownCondition]
    """Those that ask for a look first."""
    timeline: Timeline | None
    policies: Sequence[str]
    source: str
    """Which registered model it follows, or from where its bytes come."""

    @property
    def path(self) -> str:
        return f"/models/{self.model.namespace}/{self.model.name}"

    @property
    def compared_revision(self) -> str:
        """The one on trial, or else that of the newest experiment; empty where there is neither."""
        status = self.model.status
        beside = status.challenger or status.experiment
        return beside.revision if beside is not None else ""

    @property
    def alarms(self) -> Sequence[ShownCondition]:
        return [one for one in self.conditions if one.kind == "bad"]


def model_view(manifest: Mapping[str, Any], policies: Iterable[Mapping[str, Any]], now: datetime) -> ModelView:
    """Of a ModelDeployment and the RetrainPolicies of its namespace."""
    model = summary(manifest)
    spec = manifest.get("spec") or {}
    status = model.status
    challenger = status.challenger
    own = [one for one in policies if text(one, "spec", "modelDeployment") == model.name]
    shown = sorted(map(_shown, status.conditions), key=lambda one: (_ORDER[one.kind], one.type))
    return ModelView(
        model=model,
        slots=slot_roles(status),
        waiting_for=(challenger.waiting_for or "") if challenger is not None else "",
        next_steps=next_steps(model),
        orders=list(offered_orders(manifest, model)),
        verdicts=list(verdicts(spec, challenger.metrics if challenger is not None else ())),
        steps=list(trial_steps(spec, challenger)),
        experiment=experiment_view(manifest, status),
        conditions=shown,
        timeline=timeline(status, [(text(one, "metadata", "name"), known_status(one)) for one in own], now),
        policies=sorted(text(one, "metadata", "name") for one in own),
        source=_source(spec),
    )


_ORDER: Final = {"bad": 0, "neutral": 1, "good": 2}


def _shown(condition: Condition) -> ShownCondition:
    return ShownCondition(
        type=condition.type,
        status=condition.status,
        reason=condition.reason,
        message=condition.message,
        since=condition.last_transition_time,
        kind=_meaning(condition),
    )


def _meaning(condition: Condition) -> str:
    if condition.status == "Unknown" or condition.type in _NEITHER:
        return "neutral"
    if condition.type in _GOOD_WHEN_TRUE:
        return "good" if condition.status == "True" else "bad"
    alarming = condition.type in (*ALARMS, reasons.STALLED, reasons.REVIEW_DUE)
    if condition.status == "True":
        return "bad" if alarming else "neutral"
    return "good" if alarming else "bad"


def _source(spec: Mapping[str, Any]) -> str:
    name = text(spec, "model", "registry", "name")
    if not name:
        return "a URI" if text(spec, "model", "uri") else ""
    pinned, alias = text(spec, "model", "registry", "version"), text(spec, "model", "registry", "alias")
    if pinned:
        return f"version {pinned} of {name}"
    return f"{name}@{alias}" if alias else name
