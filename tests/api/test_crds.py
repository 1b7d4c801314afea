"""The two kinds on a real API server: what is stored, what stays the same, what kubectl shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.control_plane import of_newest
from tests.support.kube import Kube, Kubectl, Refused
from tests.support.manifests import Manifest, model_deployment, retrain_policy
from viridian.api import crd
from viridian.api.names import ROLLOUT_MANAGER

BUILDERS = [model_deployment, retrain_policy]


@pytest.mark.parametrize("build", BUILDERS)
def test_applying_the_same_manifest_again_changes_nothing(kube: Kube, namespace: str, build: Any) -> None:
    """The first write after the creation stores the default of the status; from then on there is nothing to write."""
    created, first = (kube.apply(build(namespace)) for _ in range(2))
    assert first["metadata"]["generation"] == created["metadata"]["generation"]
    assert kube.apply(build(namespace)) == first


@pytest.mark.parametrize("build", BUILDERS)
def test_kubectl_finds_no_difference_to_what_it_applied(kubectl: Kubectl, namespace: str, build: Any) -> None:
    manifest = json.dumps(build(namespace))
    kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
    assert kubectl("diff", "--server-side", "-f", "-", stdin=manifest) == ""


def test_a_stored_model_deployment_shows_what_is_in_force(kube: Kube, namespace: str) -> None:
    sparse = model_deployment(namespace)
    sparse["spec"] = {"model": sparse["spec"]["model"]}
    spec = kube.apply(sparse)["spec"]
    assert spec["server"] == {"runtime": "Builtin", "replicas": 2, "port": 8080, "template": {}}
    assert spec["fallback"] == {"replicas": 1}
    rollout = spec["rollout"]
    assert rollout["steps"] == []
    assert rollout["probation"] == "5m"
    assert rollout["analysis"]["judge"] == {"rollbackEvidence": 100, "promoteEvidence": 20}
    assert rollout["analysis"]["onBreach"] == "Rollback"


def test_a_partly_written_section_gets_the_rest_of_its_defaults(kube: Kube, namespace: str) -> None:
    spec = kube.apply(model_deployment(namespace, server={"replicas": 5}))["spec"]
    assert spec["server"] == {"runtime": "Builtin", "replicas": 5, "port": 8080, "template": {}}
    assert spec["rollout"]["steps"][0] == {"weight": 10, "duration": "5m", "minRequests": 0}


def test_a_stored_retrain_policy_shows_what_is_in_force(kube: Kube, namespace: str) -> None:
    spec = kube.apply(retrain_policy(namespace))["spec"]
    gate = {"rule": "NonInferior", "margin": 0.005, "confidence": 0.975, "minRows": 0}
    assert spec["gate"] == {**gate, "metrics": [], "guardRails": [], "slices": []}
    assert spec["suspend"] is False
    # What a workflow may set is not written into the object: `status.workflow` shows it.
    assert spec["budget"] == {"period": "30d"}
    assert "mode" not in spec
    assert spec["triggers"][0]["schedule"]["timeZone"] == "UTC"
    assert spec["stages"]["training"]["timeout"] == "6h"


def test_a_pod_template_is_kept_as_it_is_written(kube: Kube, namespace: str) -> None:
    template = {
        "metadata": {"labels": {"team": "ml"}, "annotations": {"acme.io/cost": "42"}},
        "spec": {
            "nodeSelector": {"gpu": "true"},
            "containers": [
                {"name": "server", "resources": {"limits": {"memory": "2Gi"}}, "env": [{"name": "A", "value": "b"}]},
                {"name": "proxy", "image": "ghcr.io/acme/proxy:2", "ports": [{"containerPort": 9000}]},
            ],
        },
    }
    stored = kube.apply(model_deployment(namespace, server={"template": template}))
    assert stored["spec"]["server"]["template"] == template


def test_the_containers_of_a_template_are_merged_by_name(kube: Kube, namespace: str) -> None:
    """Two people may look after two containers, as they may in a Deployment."""

    def with_container(container: Manifest) -> Manifest:
        manifest = model_deployment(namespace)
        return {**manifest, "spec": {"server": {"template": {"spec": {"containers": [container]}}}}}

    kube.apply(model_deployment(namespace))
    kube.apply(with_container({"name": "server", "resources": {"limits": {"cpu": "1"}}}), manager="one")
    stored = kube.apply(with_container({"name": "proxy", "image": "proxy:2"}), manager="two")
    containers = stored["spec"]["server"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["server", "proxy"]


def test_scale_writes_replicas_and_reads_them_from_the_status(kube: Kube, kubectl: Kubectl, namespace: str) -> None:
    stored = kube.apply(model_deployment(namespace))
    status = {"status": {"replicas": 2, "selector": "viridian.dev/slot=blue"}}
    kube.merge(stored, status, subresource="status")
    kubectl("scale", "md/churn", "--replicas=3", f"--namespace={namespace}")
    path = kube.path(stored["apiVersion"], stored["kind"], namespace, "churn", "scale")
    scale = kube.request("GET", path)
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": "viridian.dev/slot=blue"}
    assert kube.read(stored)["spec"]["server"]["replicas"] == 3


@pytest.mark.parametrize("build", BUILDERS)
def test_a_new_object_is_none_that_is_as_it_should_be(kube: Kube, namespace: str, build: Any) -> None:
    """By the rules of kstatus, as Flux has them: the generation that was looked at is another one."""
    assert kube.apply(build(namespace))["status"] == {"observedGeneration": -1}
    stored = kube.read(build(namespace))
    assert stored["status"]["observedGeneration"] < stored["metadata"]["generation"]


def test_a_status_is_stored_as_it_is_written(kube: Kube, namespace: str) -> None:
    """Nothing is added and nothing is dropped: otherwise the operator would write it again and again."""
    stored = kube.apply(model_deployment(namespace))
    identity = {"apiVersion": stored["apiVersion"], "kind": stored["kind"]}
    manifest = {**identity, "metadata": {"name": "churn", "namespace": namespace}, "status": FULL_STATUS}
    first = kube.apply(manifest, manager=ROLLOUT_MANAGER, subresource="status")
    assert first["status"] == FULL_STATUS
    assert first["metadata"]["generation"] == stored["metadata"]["generation"]
    assert kube.apply(manifest, manager=ROLLOUT_MANAGER, subresource="status") == first


def test_a_spec_cannot_be_changed_through_the_status(kube: Kube, namespace: str) -> None:
    stored = kube.apply(model_deployment(namespace))
    kube.merge(stored, {"spec": {"server": {"replicas": 9}}}, subresource="status")
    assert kube.read(stored)["spec"] == stored["spec"]


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_the_columns_are_shown_in_their_order(
    kube: Kube, kubectl: Kubectl, namespace: str, kind: crd.CustomKind
) -> None:
    for build in BUILDERS:
        kube.apply(build(namespace))
    wide = kubectl("get", kind.short_name, "-o", "wide", f"--namespace={namespace}").splitlines()[0]
    narrow = kubectl("get", kind.short_name, f"--namespace={namespace}").splitlines()[0]
    expected = [column.name.upper() for column in kind.columns]
    assert _headings(wide) == ["NAME", *expected]
    assert _headings(narrow) == ["NAME", *(column.name.upper() for column in kind.columns if not column.wide)]


def test_one_category_lists_both_kinds(kube: Kube, kubectl: Kubectl, namespace: str) -> None:
    for build in BUILDERS:
        kube.apply(build(namespace))
    listed = kubectl("get", "viridian", "-o", "name", f"--namespace={namespace}").split()
    assert listed == ["modeldeployment.viridian.dev/churn", "retrainpolicy.viridian.dev/churn"]
    assert "viridian" not in kubectl("get", "all", "-o", "name", f"--namespace={namespace}")


@of_newest
def test_policies_are_found_by_their_model_deployment(kube: Kube, kubectl: Kubectl, namespace: str) -> None:
    kube.apply(retrain_policy(namespace, "weekly"))
    kube.apply(retrain_policy(namespace, "other", modelDeployment="another"))
    selector = "--field-selector=spec.modelDeployment=churn"
    assert kubectl("get", "rp", selector, "-o", "name", f"--namespace={namespace}").split() == [
        "retrainpolicy.viridian.dev/weekly"
    ]


def test_explain_tells_each_field_and_its_default(kubectl: Kubectl) -> None:
    told = " ".join(kubectl("explain", "modeldeployment.spec.rollout").split())
    assert "How a challenger becomes the champion." in told
    assert "How long a challenger may take to become ready before it is rejected. Default: 15m." in told


def test_model_deployment_of_a_policy_cannot_be_changed(kube: Kube, namespace: str) -> None:
    kube.apply(retrain_policy(namespace))
    with pytest.raises(Refused, match="create another RetrainPolicy"):
        kube.apply(retrain_policy(namespace, modelDeployment="other"))


def _headings(line: str) -> list[str]:
    return [heading.strip() for heading in line.split("  ") if heading.strip()]


_TIME = "2026-11-23T08:00:00Z"
FULL_STATUS: dict[str, Any] = {
    "observedGeneration": 1,
    "replicas": 2,
    "selector": "viridian.dev/model-deployment=churn,viridian.dev/slot=blue",
    "champion": {"slot": "blue", "revision": "7f3c91d2", "version": "6", "uri": "m-1", "digest": "d", "since": _TIME},
    "challenger": {
        "slot": "green",
        "revision": "9a1b02ee",
        "version": "7",
        "weight": 25,
        "step": {"name": "few", "index": 0, "startedAt": _TIME},
        "waitingFor": "412 of 500 requests",
        "metrics": [
            {"name": "error-rate", "verdict": "Pass", "value": 0.004, "samples": 412, "evidence": 0.3, "message": "ok"}
        ],
    },
    "fallback": {"slot": "blue", "revision": "7f3c91d2", "ready": True, "version": "6"},
    "rejected": [{"revision": "5", "reason": "Breached", "at": _TIME, "version": "5", "message": "error-rate 0.3"}],
    "history": [{"revision": "7f3c91d2", "outcome": "Promoted", "at": _TIME, "version": "6", "by": "Viridian"}],
    "lastRollback": {
        "from": "5", "to": "7f3c91d2", "reason": "Breached", "breachAt": _TIME, "revertedAt": _TIME, "seconds": 0.8,
    },
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "Serving", "message": "", "observedGeneration": 1,
         "lastTransitionTime": _TIME},
    ],
}  # fmt: skip
