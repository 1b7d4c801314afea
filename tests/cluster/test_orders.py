"""Who may give orders to a model server on a real node: the operator, and nobody from another namespace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from demo.kubectl import Kubectl
from tests.cluster.conftest import SYSTEM, restricted_namespace
from tests.support.kube import Kube, Object, eventually
from tests.support.node.deployment import LOOK, Deployed
from viridian.api.orders import KEY_VARIABLE
from viridian.controller.own_names import ORDERS_SECRET

UNANSWERED = 0
"""Where the network enforces the ModelDeployment's NetworkPolicy."""
ATTACK = """
import http.client, json, os
SHADOW = {"target": "http://10.0.0.1:9000", "revision": "x", "share": 100, "seconds": 600}
FORGED = {"x-viridian-order": "9999999999." + "0" * 32 + "." + "A" * 86}
statuses = []
for method, path, body in (
    ("POST", "/shadow", SHADOW), ("DELETE", "/shadow", None),
    ("POST", "/connections/close", {"forSeconds": 600}), ("POST", "/forward", {"forSeconds": 600}),
    ("GET", "/profile", None), ("GET", "/bundle/viridian/profile.json", None),
):
    for headers in ({}, FORGED):
        connection = http.client.HTTPConnection(os.environ["VICTIM"], 8081, timeout=3)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            statuses.append(connection.getresponse().status)
        except OSError:
            statuses.append(0)
print(json.dumps(statuses))
"""


def attacker(namespace: str, image: str, victim: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "attacker", "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "attacker",
                    "image": image,
                    "command": ["python3", "-c", ATTACK],
                    "env": [{"name": "VICTIM", "value": victim}],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


@pytest.fixture
def elsewhere(kube: Kube) -> Iterator[str]:
    with restricted_namespace(kube, "elsewhere") as name:
        yield name


def test_a_pod_of_another_namespace_gives_no_orders(
    served: Deployed, kube: Kube, cluster: Kubectl, elsewhere: str
) -> None:
    pod = served.pods()[0]
    server = next(container for container in pod["spec"]["containers"] if container["name"] == "server")
    assert KEY_VARIABLE in {entry["name"] for entry in server["env"]}
    assert kube.get("v1", "Secret", ORDERS_SECRET, SYSTEM) is not None
    kube.create(attacker(elsewhere, server["image"], pod["status"]["podIP"]))

    def ended() -> bool:
        found = kube.get("v1", "Pod", "attacker", elsewhere) or {}
        return found.get("status", {}).get("phase") in ("Succeeded", "Failed")

    eventually(ended, what="the end of the attack", timeout=90, every=LOOK)
    statuses = json.loads(replace(cluster, namespace=elsewhere)("logs", "attacker"))
    assert len(statuses) == 12
    assert set(statuses) <= {401, UNANSWERED}
