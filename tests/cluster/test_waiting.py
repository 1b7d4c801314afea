"""Why a model is not served yet, in the words of a real scheduler and a real kubelet."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import Operator
from tests.support.kube import Kube, Object
from tests.support.node.deployment import Deployed
from tests.support.node.registry import ClusterRegistry

MOUNTS = [{"name": "settings", "mountPath": "/settings"}]
CAUSES: dict[str, tuple[Object, str]] = {
    "no node": ({"nodeSelector": {"disk": "nowhere"}}, "it is not scheduled: 0/1 nodes are available"),
    "no volume claim": (
        {
            "volumes": [{"name": "settings", "persistentVolumeClaim": {"claimName": "missing"}}],
            "containers": [{"name": "server", "volumeMounts": MOUNTS}],
        },
        'persistentvolumeclaim "missing" not found',
    ),
    "no ConfigMap": (
        {
            "volumes": [{"name": "settings", "configMap": {"name": "missing"}}],
            "containers": [{"name": "server", "volumeMounts": MOUNTS}],
        },
        "its volumes (ConfigMap missing) and network are being set up",
    ),
    "no image": (
        {"initContainers": [{"name": "fetch", "image": "none.example/none:0", "imagePullPolicy": "Never"}]},
        "ErrImageNeverPull",
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_ready_names_what_is_waited_for(
    operator: Operator, kube: Kube, registry: ClusterRegistry, namespace: str, cause: str
) -> None:
    deployment = Deployed(kube, namespace, cause.replace(" ", "-").lower())
    registry.publish(deployment.registered)
    template, words = CAUSES[cause]
    deployment.apply(server={"template": {"spec": template}})
    deployment.until(lambda _: words in deployment.condition("Ready").get("message", ""), words)
    assert words in deployment.condition("Reconciling")["message"]
