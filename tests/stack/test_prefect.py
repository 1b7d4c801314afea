"""Prefect's own server and flow, against a real API server, the operator and MLflow. The Job's pod is scripted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from localcluster.ports import free_port
from tests.support import shipped
from tests.support.kube import Kube, Kubectl
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, environment, train
from tests.support.live_registry import LiveRegistry
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess
from tests.support.stack import environment as stack
from tests.support.stack.server import served
from tests.support.stack.systems import named

pytestmark = pytest.mark.needs_programs
SYSTEM = named("prefect")
FLOW_SECONDS = 300


@pytest.fixture(scope="module")
def kubelet(
    kube: Kube, kubectl: Kubectl, mlflow: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubelet]:
    """The operator is at work as well, with the roles that are shipped."""
    folder = tmp_path_factory.mktemp("operator")
    shipped.install(kubectl, kube)
    account = shipped.kubeconfig_of_the_operator(kubectl, folder)
    flags = (f"--mlflow-uri={mlflow.url}", "--orders-secret=viridian-system/viridian-orders")
    with Kubelet(kube) as kubelet, OperatorProcess(account, folder, *flags) as operator:
        operator.until_ready()
        yield kubelet


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables with which flows find Prefect's server."""
    folder, port = tmp_path_factory.mktemp("prefect"), free_port()
    settings = {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    command = [str(stack.environment(SYSTEM) / "prefect"), "server", "start", "--host", "127.0.0.1"]
    with served([*command, "--port", str(port)], folder, f"http://127.0.0.1:{port}/api", settings=settings) as address:
        yield {**settings, "PREFECT_API_URL": address}


@pytest.fixture
def policy(kube: Kube, kubelet: Kubelet, namespace: str) -> LivePolicy:
    """The example's policy, the account of the flow, and the model that both are about."""
    LiveModel(kube, kubelet, namespace).apply({"registry": {"name": namespace, "alias": "candidate"}})
    rights = (SYSTEM.folder / "rbac.yaml").read_text().replace("namespace: ml", f"namespace: {namespace}")
    for part in yaml.safe_load_all(rights):
        kube.apply(part)
    spec = yaml.safe_load((SYSTEM.folder / "policy.yaml").read_text())["spec"]
    made = LivePolicy(kube, kubelet, namespace, spec.pop("modelDeployment"))
    made.apply(**spec)
    return made


@pytest.fixture
def flow(
    policy: LivePolicy, kubectl: Kubectl, namespace: str, mlflow: MlflowServer, prefect: dict[str, str], tmp_path: Path
) -> Iterator[subprocess.Popen[str]]:
    """The flow as the account of the example, with the request `nightly`."""
    config: dict[str, Any] = yaml.safe_load(kubectl.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": kubectl("create", "token", "prefect", "-n", namespace).strip()}
    kubeconfig = tmp_path / "flow.kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(yaml.safe_dump(config))
    given = {**os.environ, **prefect, "KUBECONFIG": str(kubeconfig), "MLFLOW_TRACKING_URI": mlflow.url}
    command = [str(stack.environment(SYSTEM) / "python"), "flow.py", namespace, "churn", "nightly"]
    with subprocess.Popen(
        command, cwd=SYSTEM.folder, env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        yield process
        process.kill()


def newest(prefect: dict[str, str]) -> dict[str, Any]:
    """The newest flow run."""
    asked = {"sort": "START_TIME_DESC", "limit": 1}
    (found,) = httpx.post(f"{prefect['PREFECT_API_URL']}/flow_runs/filter", json=asked).json()
    return dict(found)


def test_the_flow_starts_a_run_waits_for_it_and_notes_itself_in_its_mlflow_run(
    policy: LivePolicy, flow: subprocess.Popen[str], prefect: dict[str, str], mlflow: MlflowServer, tmp_path: Path
) -> None:
    job = policy.running()
    policy.ends(job, train(job, tmp_path))
    output, _ = flow.communicate(timeout=FLOW_SECONDS)
    assert flow.returncode == 0, output
    assert policy.finished()["outcome"] == "HandedOver"
    shown = newest(prefect)
    assert shown["state_type"] == "COMPLETED"
    tags = LiveRegistry(mlflow.url).run(environment(job)["MLFLOW_RUN_ID"])["data"]["tags"]
    assert {"key": "prefect.flow_run", "value": shown["id"]} in tags


def test_a_candidate_that_is_rejected_fails_the_flow_with_its_sentence(
    policy: LivePolicy, flow: subprocess.Popen[str], prefect: dict[str, str]
) -> None:
    policy.ends(policy.running(), JobEnd(65, '{"failures": ["worse in the north"]}'))
    output, _ = flow.communicate(timeout=FLOW_SECONDS)
    assert flow.returncode != 0
    shown = newest(prefect)
    assert shown["state_type"] == "FAILED"
    assert "worse in the north" in shown["state_name"] + output
