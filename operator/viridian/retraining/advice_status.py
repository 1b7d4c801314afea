"""What the context of the ModelDeployment advises, and whether it fits what monitors have found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from viridian.api import reasons
from viridian.api.context import AdviceStatus
from viridian.api.monitoring import ConceptDrift, Decay, Drift, PredictionDrift, source_of
from viridian.core.conditions import Finding, Truth
from viridian.judgement.advice import Advice, ObservedContext, recommend
from viridian.retraining.input import Deployment, PolicyFacts

MAX_REASONS: Final = 20


def advice_of(facts: PolicyFacts) -> Advice | None:
    """The advice; None where the ModelDeployment has no context."""
    deployment = facts.deployment
    spec = deployment.spec if deployment is not None else None
    if deployment is None or spec is None or spec.context is None:
        return None
    return recommend(spec.context, ObservedContext(drift_fired=_drift_fired(deployment)))


def advice_status(advice: Advice | None) -> AdviceStatus | None:
    """The same in the status."""
    if advice is None:
        return None
    return AdviceStatus(
        workflow=advice.workflow.value,
        next=advice.next.value if advice.next is not None else None,
        reasons=advice.reasons[:MAX_REASONS],
        message=advice.sentence,
    )


def contradicted(advice: Advice | None) -> Iterator[Finding]:
    """A condition while the answers do not fit what is observed. It stops nothing."""
    if advice is not None and advice.contradictions:
        message = "; ".join(advice.contradictions)
        yield Finding(reasons.CONTEXT_CONTRADICTED, Truth.TRUE, reasons.OBSERVED_OTHERWISE, message)


def _drift_fired(deployment: Deployment) -> bool | None:
    results, spec = deployment.champion_results, deployment.spec
    if results is None or spec is None or spec.monitoring is None:
        return None
    of_drift = {
        monitor.name
        for monitor in spec.monitoring.monitors
        if isinstance(source_of(monitor), Drift | PredictionDrift | ConceptDrift | Decay)
    }
    return any(fired.name in of_drift for fired in results.fired())
