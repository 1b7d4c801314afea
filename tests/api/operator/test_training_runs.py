"""RetrainPolicies with a real MLflow server: from the annotation to the champion. The Job's pod is scripted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kube import Kube, eventually
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, environment, train
from tests.support.live_registry import LiveRegistry
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess
from viridian.api.registry import TAG_GATE, TAG_RUN

pytestmark = pytest.mark.usefixtures("shared_operator")


@pytest.fixture
def policy(kube: Kube, kubelet: Kubelet, churn: LiveModel, namespace: str) -> LivePolicy:
    """It retrains the model that `churn` follows; the registry knows no such model yet."""
    churn.apply({"registry": {"name": namespace, "alias": "candidate"}})
    made = LivePolicy(kube, kubelet, namespace)
    made.apply(gate={"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.5}]})
    return made


def test_a_run_makes_the_first_champion_and_the_next_one_replaces_it(
    policy: LivePolicy,
    churn: LiveModel,
    namespace: str,
    mlflow: MlflowServer,
    shared_operator: OperatorProcess,
    tmp_path: Path,
) -> None:
    registry = LiveRegistry(mlflow.url)
    policy.ask_for_a_run("first")
    job = policy.running()
    told = environment(job)
    assert told["MLFLOW_TRACKING_URI"] == mlflow.url
    assert registry.run(told["MLFLOW_RUN_ID"])["info"]["status"] == "RUNNING"

    policy.ends(job, train(job, tmp_path))
    run = policy.finished()
    assert (run["outcome"], run["version"]) == ("HandedOver", "1")
    assert registry.run(told["MLFLOW_RUN_ID"])["info"]["status"] == "FINISHED"
    assert registry.tags(namespace, "1")[TAG_RUN] == told["VIRIDIAN_RUN_ID"]
    churn.until_serves("1")

    policy.ask_for_a_run("first")  # said again, it starts nothing
    policy.ask_for_a_run("second")
    job = policy.running(2)
    assert environment(job)["VIRIDIAN_CHAMPION_URI"]
    policy.ends(job, train(job, tmp_path, trees=20, depth=6))
    assert policy.finished(2)["outcome"] == "HandedOver"
    churn.until_serves("2")
    eventually(
        lambda: registry.aliases(namespace) == {"candidate": "2", "champion": "2", "previous": "1"},
        what="the aliases, after the traffic",
    )
    assert len(policy.jobs()) == 2
    assert shared_operator.total("viridian_reconciles_total", outcome="error") == 0


@pytest.mark.parametrize(
    ("end", "outcome", "says"),
    [
        (JobEnd(64, "half of the rows have no label"), "DataQualityFailed", "half of the rows have no label"),
        (JobEnd(66, "no new data"), "Skipped", "no new data"),
        (JobEnd(0, '{"metrics": {"auc": 0.9}}'), "Failed", "made no model"),
    ],
    ids=["bad data", "nothing to do", "no model"],
)
def test_a_run_that_makes_nothing_says_why(
    policy: LivePolicy, namespace: str, mlflow: MlflowServer, end: JobEnd, outcome: str, says: str
) -> None:
    policy.ask_for_a_run("once")
    policy.ends(policy.running(), end)
    run = policy.finished()
    assert run["outcome"] == outcome
    assert says in run["message"]
    paused = policy.condition("DataQuality")["status"] == "False"
    assert paused == (end.exit_code == 64)
    assert len(policy.jobs()) == 1


def test_what_misses_the_gate_is_registered_with_the_reason_and_serves_nobody(
    policy: LivePolicy, churn: LiveModel, namespace: str, mlflow: MlflowServer, tmp_path: Path
) -> None:
    policy.apply(gate={"rule": "Thresholds", "metrics": [{"name": "auc", "min": 1.5}]})
    policy.ask_for_a_run("too strict")
    job = policy.running()
    policy.ends(job, train(job, tmp_path))
    run = policy.finished()
    assert (run["outcome"], run["version"]) == ("Rejected", "1")
    registry = LiveRegistry(mlflow.url)
    assert registry.tags(namespace, "1")[TAG_GATE].startswith("Rejected: ")
    assert "candidate" not in registry.aliases(namespace)
    assert churn.champion is None


def test_deleted_in_mid_run_a_policy_takes_its_job_along(kube: Kube, policy: LivePolicy, namespace: str) -> None:
    policy.ask_for_a_run("cut short")
    policy.running()
    kube.delete(policy.identity)
    eventually(lambda: not policy.jobs() and not kube.list("v1", "Pod", namespace), what="the end of Job and pod")
