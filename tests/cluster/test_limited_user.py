"""A user who holds only `viridian-edit` in one namespace, on a cluster where Viridian is installed as it is shipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.conftest import Operator, restricted_namespace
from tests.support.kube import Kube, Object, Refused, condition, eventually
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


@pytest.fixture(scope="module")
def bank(operator: Operator, kube: Kube, registry: ClusterRegistry) -> Iterator[Deployed]:
    """What another team serves from its own namespace, with a second version that it has not chosen yet."""
    with restricted_namespace(kube, "bank") as name:
        bank = Deployed(kube, name, "bank")
        version = registry.publish(bank.registered)
        bank.apply()
        bank.until_serves(version)
        eventually(lambda: "champion" in registry.aliases(bank.registered), what="the champion's alias", every=LOOK)
        registry.publish(bank.registered, alias="not-yet")
        yield bank


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


def test_a_version_of_another_team_that_is_pinned_changes_nothing_of_its_model(
    mlops: Kube, kube: Kube, registry: ClusterRegistry, bank: Deployed, namespace: str
) -> None:
    before = registry.state(bank.registered)
    version = before["aliases"]["not-yet"]
    Deployed(mlops, namespace, "thief").apply(model={"registry": {"name": bank.registered, "version": version}})
    thief = Deployed(kube, namespace, "thief")
    thief.until_serves(version)
    thief.until(lambda _: thief.condition("RegistrySynced").get("reason") == "NotYours", "RegistrySynced: NotYours")
    assert f"belongs to the namespace {bank.namespace}" in thief.condition("RegistrySynced")["message"]
    assert registry.state(bank.registered) == before
    assert bank.champion["version"] == before["aliases"]["champion"]


def test_nobody_trains_for_the_model_of_another_team(
    kube: Kube, registry: ClusterRegistry, bank: Deployed, namespace: str
) -> None:
    """Not even who may create pods."""
    editor = bound(kube, namespace, "editor", "edit")
    follower = Deployed(editor, namespace, "follower")
    eventually(lambda: refusal(editor, retrain_policy(namespace)) == "", what="the rights of editor", every=LOOK)
    follower.apply(model={"registry": {"name": bank.registered, "alias": "candidate"}})
    before = registry.state(bank.registered)
    policy = retrain_policy(namespace, "follower", modelDeployment="follower")
    policy["metadata"]["annotations"] = {"viridian.dev/run": f"now#{editor.user}"}
    editor.create(policy)

    def stalled() -> Object:
        return condition(kube.read(policy), "Stalled")

    eventually(lambda: stalled().get("reason") == "NotYours", what="Stalled: NotYours", every=LOOK)
    assert f"belongs to the namespace {bank.namespace}" in stalled()["message"]
    assert kube.list("batch/v1", "Job", namespace) == []
    assert registry.state(bank.registered) == before


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
