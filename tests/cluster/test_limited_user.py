"""A user who holds only `viridian-edit` in one namespace, on a cluster where Viridian is installed as it is shipped."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import Operator
from tests.support.kube import Kube, Object, Refused, eventually
from tests.support.manifests import model_deployment, retrain_policy
from tests.support.node.deployment import LOOK, Deployed
from tests.support.node.registry import ClusterRegistry
from tests.support.shipped import OPERATOR, bound, refusal

PRIVILEGED: Object = {
    "serviceAccountName": "powerful",
    "hostNetwork": True,
    "hostPID": True,
    "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
    "initContainers": [{"name": "fetch", "$patch": "delete"}],
}
CONTAINER: Object = {
    "image": "busybox",
    "command": ["cat", "/host/etc/shadow"],
    "securityContext": {"privileged": True, "runAsUser": 0},
    "env": [{"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "bank-secret", "key": "password"}}}],
    "volumeMounts": [{"name": "host", "mountPath": "/host"}],
}


@pytest.fixture(scope="module")
def mlops(operator: Operator, kube: Kube, namespace: str) -> Kube:
    """The server as seen by a data scientist."""
    user = bound(kube, namespace, "mlops", "viridian-edit")
    eventually(lambda: refusal(user, model_deployment(namespace)) == "", what="the rights of mlops", every=LOOK)
    return user


def test_a_privileged_pod_comes_by_neither_kind(mlops: Kube, namespace: str) -> None:
    server = {"template": {"spec": {**PRIVILEGED, "containers": [{"name": "server", **CONTAINER}]}}}
    stage = {key: part for key, part in PRIVILEGED.items() if key != "initContainers"}
    training = {"template": {"spec": {**stage, "containers": [{"name": "train", **CONTAINER}]}}}
    for manifest in (
        model_deployment(namespace, "thief", server=server),
        retrain_policy(namespace, "thief", stages={"training": training}),
    ):
        with pytest.raises(Refused, match="needs the right to create pods") as refused:
            mlops.create(manifest)
        assert f"in {namespace}, which {mlops.user} does not have" in str(refused.value)


def test_a_plain_model_is_served_and_approved_by_who_may(
    mlops: Kube, kube: Kube, registry: ClusterRegistry, namespace: str
) -> None:
    plain = Deployed(mlops, namespace)
    version = registry.publish(plain.registered)
    plain.apply()
    Deployed(kube, namespace).until_serves(version)
    ready = Deployed(kube, namespace).condition("Ready")
    assert ready["status"] == "True"
    revision = plain.champion["revision"]
    with pytest.raises(Refused, match="needs the right to approve"):
        plain.annotate("approve", f"{revision}#{mlops.user}")
    admin = Deployed(kube, namespace)
    with pytest.raises(Refused, match=f"you are {kube.whoami()}"):
        admin.annotate("approve", f"{revision}#head-of-risk")
    admin.annotate("approve", f"{revision}#{kube.whoami()}")


def test_the_operators_own_user_is_bounded(operator: Operator, kube: Kube) -> None:
    """What somebody with its token could try: any service account of a system namespace."""
    labels = {"app": "stolen"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    stolen = kube.impersonating(OPERATOR)
    for place, said in (("kube-system", "makes nothing in kube-system"), ("default", "no such object controls this")):
        owner = {"apiVersion": "viridian.dev/v1alpha1", "kind": "ModelDeployment", "name": "x", "uid": "x"}
        owners = [{**owner, "controller": True}] if place == "kube-system" else []
        crafted = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "stolen", "namespace": place, "ownerReferences": owners},
            "spec": {"selector": {"matchLabels": labels}, "template": pod},
        }
        assert said in refusal(stolen, crafted)
