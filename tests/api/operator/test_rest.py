"""P2: with nothing to do, the operator writes nothing."""

from __future__ import annotations

from pathlib import Path

from tests.api.operator.conftest import Operator
from tests.support.kube import Kube, eventually
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy
from tests.support.live_registry import LiveRegistry
from tests.support.memory_pods import BROKEN
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess
from tests.support.recorder import changes

REST = 120
"""Seconds."""
DRAINED = 15
"""Seconds after which nothing follows from a revert any more."""
RESYNCS = 3
MUTATING = ("apply", "create", "update", "delete")
SIGN_OFF = {"steps": [{"name": "sign-off", "approval": {}}]}


class Cast:
    """ModelDeployments and a RetrainPolicy in every state in which nothing is to be done."""

    def __init__(self, kube: Kube, kubelet: Kubelet, namespace: str, registry: LiveRegistry) -> None:
        names = ("promoted", "rejected", "paused", "asking", "empty", "following")
        self.models = {name: LiveModel(kube, kubelet, namespace, name) for name in names}
        self.policy = LivePolicy(kube, kubelet, namespace, model="following")
        self.registered, self._registry = namespace, registry
        self._begin()
        self._go_on()

    def _begin(self) -> None:
        version = self._registry.publish(self.registered)
        for name, model in self.models.items():
            if name == "empty":
                model.apply("1", server={"replicas": 0}, fallback={"replicas": 0})
            elif name == "following":
                model.apply({"registry": {"name": self.registered, "alias": "candidate"}})
            else:
                model.apply("1")
        for name, model in self.models.items():
            model.until_serves(version if name == "following" else "1")

    def _go_on(self) -> None:
        models = self.models
        models["promoted"].apply("2")
        models["rejected"].behave("bad", BROKEN)
        models["rejected"].apply("bad")
        models["paused"].apply("2", rollout={"paused": True})
        models["asking"].apply("2", rollout=SIGN_OFF)
        self.policy.apply()
        self.policy.ask_for_a_run("once")
        self.policy.ends(self.policy.running(), JobEnd(66, "no new data"))
        models["promoted"].until_serves("2")
        models["rejected"].until_rejected("bad")
        models["paused"].until(lambda model: model.condition("Ready")["status"] == "True", "the pause")
        models["asking"].until(lambda model: model.step == 0, "the question")
        assert self.policy.finished()["outcome"] == "Skipped"


def test_two_minutes_of_rest(
    kube: Kube, kubelet: Kubelet, namespace: str, operator: Operator, mlflow: MlflowServer, tmp_path: Path
) -> None:
    with operator(f"--mlflow-uri={mlflow.url}", "--resync=10s") as process:
        cast = Cast(kube, kubelet, namespace, LiveRegistry(mlflow.url))
        eventually(lambda: calm(kube, namespace), what="calm", timeout=120)
        writes, looks = mutating(process), process.total("viridian_sweep_looks_total", reconciler="rollout")
        assert changes(kube, namespace, REST) == []
        assert mutating(process) == writes, "a request without effect is still a request"
        resynced = process.total("viridian_sweep_looks_total", reconciler="rollout") - looks
        assert resynced >= RESYNCS * len(cast.models)
        assert process.health()[0] == 200


def calm(kube: Kube, namespace: str) -> bool:
    written = changes(kube, namespace, DRAINED)
    assert written == []
    return True


def mutating(process: OperatorProcess) -> float:
    """Requests that change something, Events included."""
    return sum(process.total("viridian_api_requests_total", verb=verb) for verb in MUTATING)
