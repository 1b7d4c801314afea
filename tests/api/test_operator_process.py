"""The operator's process on a real API server: start, rights, faults of the API, Kopf's traps, end.

A proxy stands between the two, so that requests and watches can go wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from localcluster.controlplane import ControlPlane
from tests.support import kube as support
from tests.support.faulty_proxy import FaultyProxy
from tests.support.kube import Kube, Kubectl, Object, condition
from tests.support.operator_process import OperatorProcess
from viridian.api.crd import UNSEEN
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, REVISION_LABEL

ROOT = Path(__file__).resolve().parents[2]
# A process has to start and to be heard of, on a computer that may be busy.
eventually = partial(support.eventually, timeout=120.0)


@pytest.fixture
def proxy(control_plane: ControlPlane, kube: Kube) -> Iterator[FaultyProxy]:
    """Both kinds are installed behind it."""
    with FaultyProxy(control_plane.kubeconfig) as proxy:
        yield proxy


class Stage:
    """An operator for one namespace, behind the proxy."""

    def __init__(self, kube: Kube, namespace: str, proxy: FaultyProxy, folder: Path) -> None:
        self.kube, self.namespace, self.proxy, self.folder = kube, namespace, proxy, folder

    def operator(self, *flags: str) -> OperatorProcess:
        return OperatorProcess(self.proxy.kubeconfig(self.folder), self.folder, f"--namespace={self.namespace}", *flags)

    def model(self, **spec: Any) -> Object:
        return model(self.namespace, **spec)

    def status_of(self, target: Object) -> Object:
        """What the operator has written; empty until then."""
        status: Object = self.kube.read(target).get("status") or {}
        return status if status.get("observedGeneration") != UNSEEN else {}

    def deployed(self, target: Object) -> Object | None:
        """The first slot's Deployment, once the status speaks of it too."""
        if not self.status_of(target):
            return None
        return self.kube.get("apps/v1", "Deployment", f"{target['metadata']['name']}-blue", self.namespace)


@pytest.fixture
def stage(kube: Kube, namespace: str, proxy: FaultyProxy, tmp_path: Path) -> Stage:
    return Stage(kube, namespace, proxy, tmp_path)


def model(namespace: str, name: str = "churn", **spec: Any) -> Object:
    source = {"uri": "https://models.example/churn.tar.gz", "digest": f"sha256:{'a' * 64}"}
    return {
        "apiVersion": API_VERSION,
        "kind": MODEL_DEPLOYMENT,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": source, **spec},
    }


def _status_writes(method: str, path: str) -> bool:
    return method == "PATCH" and path.endswith("/status")


def _everything(method: str, path: str) -> bool:
    return True


# ---- start and end


def test_it_starts_serves_and_ends_when_told(stage: Stage) -> None:
    with stage.operator() as operator:
        operator.until_ready()
        assert operator.health()[0] == 200
        target = stage.model()
        stage.kube.apply(target)
        eventually(lambda: stage.deployed(target), what="a Deployment and a status that tells of it")
        events = stage.kube.list("events.k8s.io/v1", "Event", stage.namespace)
        assert "RolloutStarted" in {event["reason"] for event in events}
        assert operator.total("workqueue_adds_total") >= 1
        assert operator.stop() == 0
        keys = {entry.get("key") for entry in operator.entries()}
        assert f"ModelDeployment {stage.namespace}/churn" in keys


def test_it_can_be_told_to_end_before_it_has_started(stage: Stage) -> None:
    stage.proxy.fail(_everything, 503, times=float("inf"))
    with stage.operator() as operator:
        eventually(lambda: "waiting for the API server" in operator.log(), what="the wait for the API server")
        assert operator.stop() == 0


def test_without_the_crds_it_says_so_in_one_sentence_and_ends(stage: Stage) -> None:
    stage.proxy.fail(lambda _, path: "viridian.dev" in path, 404, times=float("inf"))
    with stage.operator() as operator:
        assert operator.ended() == 1
        last = operator.entries()[-1]
        assert (last["level"], "install the CRDs first" in last["message"]) == ("critical", True)
        assert "exception" not in last


def test_its_own_writes_never_touch_a_spec(stage: Stage) -> None:
    target = stage.model()
    stage.kube.apply(target)
    with stage.operator() as operator:
        eventually(lambda: stage.deployed(target), what=f"a Deployment; the log:\n{operator.log()}")
    managed = stage.kube.read(target)["metadata"]["managedFields"]
    ours = [entry for entry in managed if entry["manager"].startswith("viridian")]
    owners = {(entry["manager"], entry["subresource"]) for entry in ours}
    assert {("viridian-rollout", "status")} <= owners <= {("viridian-rollout", "status"), ("viridian-trail", "status")}
    assert all(set(entry["fieldsV1"]) == {"f:status"} for entry in ours)


# ---- rights


def _kubeconfig_of_the_service_account(
    stage: Stage, kubectl: Kubectl, namespace: str, *, account: str = "viridian-operator"
) -> Path:
    token = kubectl("create", "token", account, "-n", namespace).strip()
    return stage.proxy.kubeconfig(stage.folder, token)


def _all_active(kube: Kube) -> bool:
    return all(one["status"]["phase"] == "Active" for one in kube.list("v1", "Namespace"))


def test_the_rights_of_the_cluster_wide_install_are_enough(stage: Stage, kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "manifests"))
    kubeconfig = _kubeconfig_of_the_service_account(stage, kubectl, "viridian-system")
    target = stage.model()
    # What is made in a namespace that is being deleted is answered with 403 as well, whatever the rights.
    eventually(lambda: _all_active(stage.kube), what="the end of other tests' namespaces", timeout=120)
    with OperatorProcess(kubeconfig, stage.folder) as operator:
        operator.until_ready()
        stage.kube.apply(target)
        eventually(lambda: stage.deployed(target), what="a Deployment")
        stage.kube.delete(target)
        eventually(
            lambda: stage.kube.get("apps/v1", "Deployment", "churn-blue", stage.namespace) is None, what="its end"
        )
        assert operator.total("viridian_api_requests_total", code="403") == 0
        assert operator.total("viridian_api_requests_total", code="401") == 0
        assert "Not enough permissions" not in operator.log()


def test_the_rights_of_the_namespaced_install_are_enough_and_no_more(stage: Stage, kubectl: Kubectl) -> None:
    overlay = stage.folder / "overlay"
    overlay.mkdir()
    base = Path("../" * len(overlay.parts[1:])) / (ROOT / "manifests/overlays/namespaced").relative_to("/")
    overlay.joinpath("kustomization.yaml").write_text(f"namespace: {stage.namespace}\nresources:\n- {base}\n")
    kubectl("apply", "--server-side", "-k", str(overlay))
    kubeconfig = _kubeconfig_of_the_service_account(stage, kubectl, stage.namespace)
    target = stage.model()
    with OperatorProcess(kubeconfig, stage.folder, f"--namespace={stage.namespace}") as operator:
        operator.until_ready()
        stage.kube.apply(target)
        eventually(lambda: stage.deployed(target), what="a Deployment")
        assert operator.total("viridian_api_requests_total", code="403") == 0
    with OperatorProcess(kubeconfig, stage.folder) as operator:
        assert operator.ended() == 1
        assert re.search("may not list modeldeployments in all namespaces", operator.entries()[-1]["message"])


# ---- faults of the API, and Kopf's traps


def test_trap_b_three_failed_status_writes_heal_without_any_new_event(stage: Stage) -> None:
    rule = stage.proxy.fail(_status_writes, 500, times=3)
    target = stage.model()
    with stage.operator() as operator:
        operator.until_ready()
        stage.kube.apply(target)
        eventually(lambda: stage.status_of(target) or None, what="the status")
        assert rule.times == 0
        assert operator.total("viridian_reconciles_total", outcome="unavailable") >= 3


def test_trap_f_an_error_in_a_watch_ends_the_process_and_the_next_one_goes_on(stage: Stage) -> None:
    error = {"kind": "Status", "apiVersion": "v1", "code": 500, "message": "on purpose", "status": "Failure"}
    target = stage.model()
    with stage.operator() as operator:
        operator.until_ready()
        assert stage.proxy.inject("modeldeployments", {"type": "ERROR", "object": error}) == 1
        assert operator.ended() == 1, "a deaf operator must not live on"
    stage.kube.apply(target)
    with stage.operator():
        eventually(lambda: stage.deployed(target), what="a Deployment")


def test_an_error_in_the_watch_of_children_is_survived_and_what_it_missed_is_found(stage: Stage) -> None:
    error = {"kind": "Status", "apiVersion": "v1", "code": 500, "message": "on purpose", "status": "Failure"}
    target = stage.model()
    with stage.operator() as operator:
        operator.until_ready()
        stage.kube.apply(target)
        first = eventually(lambda: stage.deployed(target), what="a Deployment")
        assert stage.proxy.inject("deployments", {"type": "ERROR", "object": error}) == 1
        stage.kube.delete(first)

        def made_again() -> bool:
            found = stage.deployed(target)
            return found is not None and found["metadata"]["uid"] != first["metadata"]["uid"]

        eventually(made_again, what="a Deployment in the place of the one that was deleted")
        assert operator.running
        assert "the watch of" in operator.log()


def test_watches_that_break_are_taken_up_again(stage: Stage) -> None:
    target = stage.model()
    with stage.operator() as operator:
        operator.until_ready()
        stage.proxy.cut()
        stage.kube.apply(target)
        eventually(lambda: stage.deployed(target), what="a Deployment")
        assert operator.running


def test_a_watch_that_is_too_old_is_listed_anew(stage: Stage) -> None:
    gone = {"kind": "Status", "apiVersion": "v1", "code": 410, "reason": "Expired", "message": "too old"}
    target = stage.model()
    with stage.operator() as operator:
        operator.until_ready()
        for plural in ("modeldeployments", "deployments"):
            assert stage.proxy.inject(plural, {"type": "ERROR", "object": gone}) == 1
        stage.kube.apply(target)
        eventually(lambda: stage.deployed(target), what="a Deployment")
        assert operator.running


def test_an_upgrade_of_the_kinds_is_survived(stage: Stage) -> None:
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    target = stage.model()
    kubeconfig = stage.proxy.kubeconfig(stage.folder)
    with OperatorProcess(kubeconfig, stage.folder) as operator:
        operator.until_ready()
        for plural in ("modeldeployments", "retrainpolicies"):
            upgraded = {**crd, "metadata": {"name": f"{plural}.viridian.dev"}}
            stage.kube.merge(upgraded, {"metadata": {"annotations": {"example.com/touched": stage.namespace}}})
        stage.kube.apply(target)
        eventually(lambda: stage.deployed(target), what="a Deployment")
        assert operator.running
        assert "CRITICAL" not in operator.log().upper()


def test_an_outage_of_the_api_server_is_survived(stage: Stage) -> None:
    target = stage.model()
    with stage.operator() as operator:
        operator.until_ready()
        stage.proxy.fail(_everything, 503, times=float("inf"))
        stage.proxy.cut()
        stage.kube.apply(target)
        eventually(lambda: operator.total("viridian_api_requests_total", code="503") >= 3, what="failed attempts")
        assert operator.health()[0] == 200, "a restart would not cure it"
        stage.proxy.heal()
        eventually(lambda: stage.deployed(target), what="a Deployment")
        assert operator.running


def test_a_busy_api_server_is_asked_again(stage: Stage) -> None:
    rule = stage.proxy.fail(_status_writes, 429, times=2, Retry_After="1")
    target = stage.model()
    with stage.operator() as operator:
        operator.until_ready()
        stage.kube.apply(target)
        eventually(lambda: stage.status_of(target) or None, what="the status")
        assert rule.times == 0


def test_a_write_whose_answer_was_lost_is_not_done_twice(stage: Stage) -> None:
    stage.proxy.fail(lambda method, path: method == "PATCH" and "controllerrevisions" in path, None, times=2)
    target = stage.model()
    with stage.operator() as operator:
        operator.until_ready()
        stage.kube.apply(target)
        eventually(lambda: stage.deployed(target), what="a Deployment, which does not wait for its record")
        eventually(
            lambda: stage.kube.list("apps/v1", "ControllerRevision", stage.namespace, REVISION_LABEL) or None,
            what="its record",
        )
        assert len(stage.kube.list("apps/v1", "ControllerRevision", stage.namespace, REVISION_LABEL)) == 1


def test_a_refused_child_is_told_in_the_status(stage: Stage) -> None:
    container = {"name": "server", "resources": {"limits": {"cpu": "much"}}}
    target = stage.model(server={"template": {"spec": {"containers": [container]}}})
    with stage.operator() as operator:
        operator.until_ready()
        stage.kube.apply(target)
        stalled = eventually(
            lambda: condition(stage.kube.read(target), "Stalled") or None, what=f"Stalled; the log:\n{operator.log()}"
        )
        assert (stalled["status"], stalled["reason"]) == ("True", "ApplyRefused")
        assert "quantities must match" in stalled["message"]
        del target["spec"]["server"]
        stage.kube.apply(target)
        eventually(lambda: stage.deployed(target), what="recovery once the spec is good")
