"""The same writes give the same objects, defaults and field owners included, in memory and on a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.cluster.comparison import compared
from tests.contract.cluster.manifests import (
    budget,
    config,
    container,
    deployment,
    job,
    model_deployment,
    network_policy,
    pod_spec,
    record,
    service,
)
from tests.contract.cluster.world import MemoryWorld, ServerWorld

SIDECAR = {"name": "sidecar", "image": "envoy:latest", "args": ["--quiet"]}
LIVENESS = {"tcpSocket": {"port": 8081}, "failureThreshold": 5}
MANIFESTS = [
    budget,
    config,
    deployment,
    job,
    model_deployment,
    network_policy,
    record,
    service,
    pytest.param(lambda namespace: deployment(namespace, replicas=0, strategy={"type": "Recreate"}), id="recreate"),
    pytest.param(lambda namespace: deployment(namespace, minReadySeconds=5, revisionHistoryLimit=1), id="more-fields"),
    pytest.param(
        lambda namespace: deployment(namespace, pod=pod_spec(containers=[container(livenessProbe=LIVENESS), SIDECAR])),
        id="sidecar",
    ),
    pytest.param(
        lambda namespace: deployment(
            namespace,
            strategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "100%"}},
            pod=pod_spec(
                serviceAccountName="default",
                terminationGracePeriodSeconds=60,
                nodeSelector={"gpu": "yes"},
                tolerations=[{"key": "gpu", "operator": "Exists"}],
                volumes=[
                    {"name": "model", "emptyDir": {"sizeLimit": "1Gi"}},
                    {"name": "settings", "configMap": {"name": "settings"}},
                    {"name": "keys", "secret": {"secretName": "keys"}},
                ],
            ),
        ),
        id="rich-pod",
    ),
    pytest.param(
        lambda namespace: deployment(
            namespace,
            pod=pod_spec(
                containers=[
                    container(
                        env=[
                            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}},
                        ],
                        envFrom=[{"configMapRef": {"name": "settings"}}],
                        securityContext={"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                        lifecycle={"preStop": {"exec": {"command": ["sleep", "1"]}}},
                    )
                ]
            ),
        ),
        id="rich-container",
    ),
    pytest.param(lambda namespace: job(namespace, ttlSecondsAfterFinished=60, activeDeadlineSeconds=9), id="timed-job"),
    pytest.param(lambda namespace: service(namespace, name="churn-preview", labels={"a": "b"}), id="preview"),
]


@pytest.mark.parametrize("build", MANIFESTS)
async def test_of_one_apply(memory: MemoryWorld, server: ServerWorld, build: Any) -> None:
    for world in (memory, server):
        await world.cluster.apply(build(world.namespace), manager="viridian")
    await compared(memory, server, build(memory.namespace))
