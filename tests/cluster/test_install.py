"""Both ways to install: what `kubectl apply -k` made has every right it needs, and a Helm release comes and goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.kubectl import Kubectl
from tests.cluster.conftest import Operator, restricted_namespace
from tests.support.kube import Kube
from tests.support.node.deployment import Deployed
from tests.support.node.helm import Helm, settings
from tests.support.node.registry import ClusterRegistry
from viridian.api.crd import UNSEEN

CHART = Path(__file__).parents[2] / "charts" / "viridian"
CRDS = ("modeldeployments.viridian.dev", "retrainpolicies.viridian.dev")
RELEASE = "team-a"


def values(namespace: str, **more: str) -> list[str]:
    """The chart's settings for this namespace alone."""
    mlflow = {"mlflow.uri": "http://mlflow.viridian-demo:5000"}
    return settings({"namespaces": f"{{{namespace}}}", **mlflow, **more})


def refusals(log: str) -> list[str]:
    """Lines of an operator's log in which the API server says no, or something went wrong.

    It says no to everybody in a namespace that is going, as that of another test.
    """
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert lines, log
    return [
        json.dumps(line)
        for line in lines
        if line["level"] in ("error", "critical")
        or ("forbidden" in json.dumps(line).lower() and "because it is being terminated" not in line["message"])
    ]


def test_the_operator_of_kubectl_apply_serves_with_the_rights_it_has(served: Deployed, operator: Operator) -> None:
    assert served.condition("Ready")["status"] == "True"
    assert refusals(operator.log()) == []


def test_a_helm_release_for_one_namespace_comes_and_goes_and_what_serves_stays(
    cluster: Kubectl, kube: Kube, kubectl: Kubectl, namespace: str, operator: Operator, registry: ClusterRegistry
) -> None:
    """Installed, upgraded, uninstalled, while the operator of the whole cluster is away; that takes over at the end."""
    helm = Helm(kubectl)
    mine = Deployed(kube, namespace, "by-uri")
    version = registry.publish(mine.registered)
    with operator.away(), restricted_namespace(kube, "not-mine") as elsewhere, crds_given_back(cluster):
        # The kinds are there already, from `kubectl apply -k`: the release takes them over.
        helm("install", RELEASE, str(CHART), *values(namespace), "--take-ownership", "--force-conflicts", "--wait")
        foreign = Deployed(kube, elsewhere, "by-uri")
        for one in (foreign, mine):
            one.apply(model=registry.place(mine.registered, version))
        mine.until_condition("Ready", "True")
        assert foreign.status == {"observedGeneration": UNSEEN}, "nobody has looked at it"
        pods = mine.pod_uids()
        name = f"{RELEASE}-viridian-operator"
        assert refusals(kubectl("logs", "-l", f"app.kubernetes.io/instance={RELEASE}", "--tail=-1")) == []

        helm("upgrade", RELEASE, str(CHART), *values(namespace, workers="2"), "--force-conflicts", "--wait")
        environment = kubectl("get", "deployment", name, "-o", "jsonpath={.spec.template.spec.containers[0].env}")
        assert {"name": "VIRIDIAN_WORKERS", "value": "2"} in json.loads(environment)
        # The upgraded operator works, and the pod from before is still among those that serve.
        mine.apply(model=registry.place(mine.registered, version), server={"replicas": 2})
        mine.until_pods(2)
        assert pods < mine.pod_uids()
        assert refusals(kubectl("logs", "-l", f"app.kubernetes.io/instance={RELEASE}", "--tail=-1")) == []

        pods = mine.pod_uids()
        helm("uninstall", RELEASE, "--wait")
        assert RELEASE not in kubectl("get", "deployment,role,rolebinding,serviceaccount", "-o", "name")
        cluster("get", "crd", *CRDS)
        assert mine.pod_uids() == pods
        assert "name" in mine.ask("v2")
    # The operator that takes over has a key of its own: with the pod that is added the others get it, one by one.
    mine.apply(model=registry.place(mine.registered, version), server={"replicas": 3})
    mine.until_pods(3)
    mine.until_condition("Ready", "True")
    assert "name" in mine.ask("v2")


@contextmanager
def crds_given_back(cluster: Kubectl) -> Iterator[None]:
    """The kinds belong to no release afterwards."""
    try:
        yield
    finally:
        for crd in CRDS:
            cluster("annotate", "crd", crd, "meta.helm.sh/release-name-", "meta.helm.sh/release-namespace-")
