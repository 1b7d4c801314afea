"""After a restart, models at rest cost a few lists together, and no write."""

from __future__ import annotations

from collections.abc import Sequence

from tests.api.operator.conftest import Operator
from tests.support.kube import Kube, eventually
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.operator_process import OperatorProcess
from tests.support.recorder import changes

MODELS = 5
CALM = 5
"""Seconds in which no controller writes."""
RECONCILERS = ("rollout", "monitoring", "registry-sync", "trail")
BY_NAME = ("deployments", "services", "poddisruptionbudgets", "networkpolicies")
MUTATING = ("apply", "create", "update", "delete")


def test_a_restart_with_models_at_rest(kube: Kube, kubelet: Kubelet, namespace: str, operator: Operator) -> None:
    models = [LiveModel(kube, kubelet, namespace, f"model-{number}") for number in range(MODELS)]
    come_to_rest(models, kube, namespace, operator)
    with operator("--resync=10s") as second:
        second.until_ready()
        eventually(lambda: second.total("viridian_sweeps_total") >= 2, what="two sweeps", timeout=60)
        for reconciler in RECONCILERS:
            assert looks(second, reconciler, "at_rest") >= MODELS
            assert looks(second, reconciler, "pass") == 0
        assert sum(second.total("viridian_api_requests_total", verb=verb) for verb in MUTATING) == 0
        # An object gets a pass where the first event of its watch comes while the first sweep reads it.
        passes = second.total("viridian_reconciles_total")
        assert passes <= len(RECONCILERS) * MODELS
        assert calls(second, "get", "modeldeployments") <= passes
        # Children whose names follow are listed before the start, to see whether they may be, and by sweeps alone.
        sweeps = second.total("viridian_sweeps_total")
        for resource in BY_NAME:
            assert calls(second, "list", resource) <= 1 + sweeps + 1


def test_what_was_changed_meanwhile_is_mended_after_a_restart(
    kube: Kube, kubelet: Kubelet, namespace: str, operator: Operator
) -> None:
    models = [LiveModel(kube, kubelet, namespace, name) for name in ("changed", "untouched")]
    come_to_rest(models, kube, namespace, operator)
    kube.delete({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "changed", "namespace": namespace}})
    with operator("--resync=10s") as second:
        eventually(lambda: kube.get("v1", "Service", "changed", namespace), what="the Service", timeout=60)
        eventually(lambda: second.total("viridian_sweeps_total") >= 2, what="two sweeps", timeout=60)
        # As above: what has its first event while its page is read has a pass without a look.
        assert looks(second, "rollout", "pass") <= 1
        assert looks(second, "rollout", "at_rest") >= 2


def come_to_rest(models: Sequence[LiveModel], kube: Kube, namespace: str, operator: Operator) -> None:
    """All models serve, nobody writes any more, and the operator has ended."""
    with operator() as first:
        for model in models:
            model.apply("1")
        for model in models:
            model.until_serves("1")
        eventually(lambda: all(settled(model) for model in models), what="rest", timeout=120)
        eventually(lambda: changes(kube, namespace, CALM) == [], what="calm", timeout=60)
        assert first.stop() == 0


def settled(model: LiveModel) -> bool:
    """Whether it is served and out of probation."""
    ready = model.condition("Ready")
    return bool(ready["status"] == "True" and ready["reason"] != "Probation")


def looks(process: OperatorProcess, reconciler: str, result: str) -> float:
    return process.total("viridian_sweep_looks_total", reconciler=reconciler, result=result)


def calls(process: OperatorProcess, verb: str, resource: str) -> float:
    return process.total("viridian_api_requests_total", verb=verb, resource=resource)
