"""Data on the real control plane with a real MLflow: polled, resolved, checked, and on the version. Pods are scripted,
but what resolves, checks and trains is what runs in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kube import Kube, Object, eventually
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, environment, in_the_container, train
from viridian.training import check_data, resolve_data
from viridian.training.resolvers.plain_files import resolve_path

pytestmark = pytest.mark.usefixtures("shared_operator")

GATE = {"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.5}]}
COMMIT = "4f2c1e0b9a7d5c3e1f00112233445566778899aa"
GOOD, BAD = "age,churned\n31,1\n45,0\n", "years,churned\n31,1\n45,0\n"


def template(image: str) -> Object:
    """No scheduler looks at its pods."""
    return {
        "metadata": {"annotations": {"org.opencontainers.image.revision": COMMIT}},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "main", "image": image}]},
    }


@pytest.fixture
def policy(kube: Kube, kubelet: Kubelet, churn: LiveModel, namespace: str) -> LivePolicy:
    churn.apply({"registry": {"name": namespace, "alias": "candidate"}})
    return LivePolicy(kube, kubelet, namespace)


def kind_of(job: Object) -> str:
    return str(job["metadata"]["name"]).rpartition("-")[2]


def next_job(policy: LivePolicy, kind: str) -> Object:
    """The Job of that kind, once it is at work."""

    def found() -> Object | None:
        jobs = [job for job in policy.jobs() if kind_of(job) == kind and job.get("status", {}).get("active") == 1]
        return jobs[0] if jobs else None

    return eventually(found, what=f"a Job {kind} at work; status: {policy.status}", timeout=60)


def test_new_data_is_resolved_checked_and_recorded_with_the_version(
    policy: LivePolicy, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(BAD)
    validation = {
        "checks": [{"schema": {"columns": [{"name": "age", "type": "Number"}]}}],
        "template": template("check:1"),
    }
    manifest = policy.identity
    manifest["spec"] = {
        "modelDeployment": policy.model,
        "gate": GATE,
        "audit": "Strict",
        "data": {"uri": str(rows), "resolver": {"template": template("resolve:1")}},
        "triggers": [{"name": "fresh", "newData": {"poll": "5m"}}],
        "stages": {"dataValidation": validation, "training": {"template": template("train:1")}},
    }
    kube.apply(manifest)

    def resolves(job: Object) -> JobEnd:
        return in_the_container(job, tmp_path, resolve_data.main)

    poll = next_job(policy, "poll")
    policy.ends(poll, resolves(poll))
    resolver = next_job(policy, "data")
    assert [kind_of(job) for job in policy.jobs()] == ["data"]
    policy.ends(resolver, resolves(resolver))
    checks = next_job(policy, "validation")
    assert environment(checks)["VIRIDIAN_DATA_DIGEST"] == resolve_path(str(rows), "").digest
    policy.ends(checks, in_the_container(checks, tmp_path, lambda: check_data.main([])))
    run = policy.finished(1)
    assert run["reasons"] == [f"newData:fresh:{resolve_path(str(rows), '').digest}"]
    assert "schema, column age: there is no such column" in run["message"]
    assert policy.condition("DataQuality")["reason"] == "DataQualityFailed"

    rows.write_text(GOOD)
    policy.ask_for_a_run("the column is back")
    resolver = next_job(policy, "data")
    policy.ends(resolver, resolves(resolver))
    checks = next_job(policy, "validation")
    policy.ends(checks, in_the_container(checks, tmp_path, lambda: check_data.main([])))
    training = next_job(policy, "training")
    policy.ends(training, train(training, tmp_path))
    run = policy.finished(2)
    assert (run["outcome"], run["lineage"]["codeRevision"]) == ("HandedOver", COMMIT)
    assert run["lineage"]["dataDigest"] == resolve_path(str(rows), "").digest
    assert run["lineage"]["imageDigest"].startswith("sha256:")
    assert set(run["changed"]) == {"data", "code", "image", "parameters", "model"}
    trigger = policy.status["triggers"][0]
    assert trigger["name"] == "fresh"
    assert kube.list("apps/v1", "ControllerRevision", namespace, "viridian.dev/retrain-policy=churn")
