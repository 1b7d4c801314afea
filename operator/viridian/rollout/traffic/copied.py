"""Copies of requests that the champion's servers make: what they are ordered, and which comparison that is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from viridian.api import durations
from viridian.api.canary_metric import Metric
from viridian.api.cel_metrics import DISAGREEMENT, PREDICTION_SHIFT
from viridian.api.modeldeployment import ModelDeploymentSpec, Runtime
from viridian.api.names import preview_service
from viridian.api.orders import MAX_SECONDS
from viridian.api.shadow import ShadowOrder
from viridian.api.traffic_spec import ProviderKind
from viridian.core.times import format_time_micros
from viridian.rollout.traffic.record import Trial

LEASE_SECONDS: Final = 30.0
"""Of an order, where the judge looks often: so long copies are made for an operator that is gone."""
_LOOKS_OF_A_LEASE: Final = 3


def servers_copy(spec: ModelDeploymentSpec) -> bool:
    """Whether the champion's servers make the copies of a step with `shadow`, and not a gateway.

    A joined rule of a user's route has no filters of the operator. A gateway throws the answers away, so it leaves the
    copies to servers where answers are to be compared.
    """
    if spec.server.runtime is not Runtime.BUILTIN:
        return False
    gateway = spec.traffic.gateway
    by_gateway = spec.traffic.provider is ProviderKind.GATEWAY and (gateway is None or gateway.join is None)
    return not by_gateway or bool(compared_in_shadow(spec) & {metric.name for metric in spec.rollout.analysis.metrics})


def compared_in_shadow(spec: ModelDeploymentSpec) -> frozenset[str]:
    """Metrics that are known in no other steps: without feedback nobody else knows the predictions."""
    return frozenset({DISAGREEMENT} if spec.feedback is not None else {DISAGREEMENT, PREDICTION_SHIFT})


def comparison_of(trial: Trial, metrics: Sequence[Metric]) -> str:
    """Names what is compared now: one step of one trial, by one tolerance. Empty where servers compare nothing."""
    since = trial.exposure.since if trial.exposure is not None else None
    if not trial.servers_copy or not trial.shadow or since is None:
        return ""
    text = f"{trial.revision} {format_time_micros(since)} {_tolerance(metrics)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shadow_order(name: str, spec: ModelDeploymentSpec, trial: Trial) -> ShadowOrder | None:
    """What each server of the champion is ordered in this trial; None where it copies nothing."""
    metrics = spec.rollout.analysis.metrics
    comparison = comparison_of(trial, metrics)
    if not comparison:
        return None
    return ShadowOrder(
        target=f"http://{preview_service(name)}:{spec.server.port}",
        revision=trial.revision,
        share=trial.shadow,
        seconds=lease(spec).total_seconds(),
        comparison=comparison,
        tolerance=_tolerance(metrics),
    )


def lease(spec: ModelDeploymentSpec) -> timedelta:
    """How long an order counts. It has to be given again well before that, so passes come more often."""
    interval = durations.parse(spec.rollout.analysis.interval).total_seconds()
    return timedelta(seconds=min(MAX_SECONDS, max(LEASE_SECONDS, _LOOKS_OF_A_LEASE * interval)))


def _tolerance(metrics: Sequence[Metric]) -> float | None:
    return next((metric.tolerance for metric in metrics if metric.name == DISAGREEMENT), None)
