"""The first day, on the real control plane with a real MLflow and a real collector: everything is applied at once.

A model with feedback and monitoring, and the policy that trains its very first version. Only the pods are scripted.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.api.operator.conftest import Operator
from tests.support.collector_process import launched, reviewing
from tests.support.kube import Kube, condition
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, environment, train
from tests.support.mlflow_server import MlflowServer
from tests.support.recorder import Recorder
from viridian.api.names import MODEL_DEPLOYMENT


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[str]:
    """Address of a collector that has never received anything and knows the operator's token."""
    address: Future[str] = Future()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def live() -> None:
        owners = {"operator": "system:serviceaccount:viridian-system:viridian-operator"}
        async with reviewing(owners) as api_server, launched(api_server, tmp_path / "collector") as process:
            address.set_result(process.url)
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),), name="collector")
    thread.start()
    try:
        yield address.result(timeout=60)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.mark.parametrize("policy_first", [False, True], ids=["the model first", "the policy first"])
def test_a_policy_trains_the_very_first_version_and_nothing_looks_like_a_failure(
    kube: Kube,
    kubelet: Kubelet,
    churn: LiveModel,
    namespace: str,
    operator: Operator,
    mlflow: MlflowServer,
    collector: str,
    recorder: Recorder,
    tmp_path: Path,
    policy_first: bool,
) -> None:
    token = tmp_path / "operator-token"
    token.write_text("operator")
    flags = (f"--mlflow-uri={mlflow.url}", f"--collector-url={collector}", f"--collector-token-file={token}")
    policy = LivePolicy(kube, kubelet, namespace)
    with operator(*flags) as running:
        running.until_ready()

        def apply_the_model() -> None:
            churn.apply({"registry": {"name": namespace, "alias": "candidate"}}, feedback={}, monitoring={})

        if not policy_first:
            apply_the_model()
        policy.apply(gate={"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.5}]})
        policy.ask_for_a_run("the-first")
        if policy_first:
            apply_the_model()
        job = policy.running()
        assert environment(job)["VIRIDIAN_FEEDBACK_URI"] == ""
        policy.ends(job, train(job, tmp_path))
        assert policy.finished()["outcome"] == "HandedOver"
        churn.until_serves("1")
        churn.until(lambda model: model.condition("Monitored"), "the first word of the monitors")
        assert running.total("viridian_reconciles_total", outcome="error") == 0
        assert '"level": "error"' not in running.log()

    told = kube.list("events.k8s.io/v1", "Event", namespace)
    # The endpoint controller complains that the scripted kubelet's node does not exist.
    events = [event for event in told if "viridian" in event.get("reportingController", "")]
    assert {"RunStarted", "HandedOver", "Promoted"} <= {event["reason"] for event in events}
    assert [(event["reason"], event["note"]) for event in events if event["type"] == "Warning"] == []
    assert stalled(recorder, namespace) == []


def stalled(recorder: Recorder, namespace: str) -> list[object]:
    """Every word of the ModelDeployment that kstatus takes for a failure."""
    seen = [
        condition(object_, "Stalled")
        for world in recorder.worlds(namespace)
        for reference, object_ in world.objects.items()
        if reference.kind == MODEL_DEPLOYMENT
    ]
    return [found for found in seen if found.get("status") == "True"]
