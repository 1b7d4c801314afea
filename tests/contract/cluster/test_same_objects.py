"""The same writes give the same objects, defaults and field owners included, in memory and on a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.cluster.manifests import (
    budget,
    config,
    container,
    deployment,
    job,
    model_deployment,
    pod_spec,
    record,
    service,
)
from tests.contract.cluster.world import MemoryWorld, ServerWorld, World, read, ref
from viridian.ports.cluster import Object

OURS = ("v", "one", "two", "records", "someone")

SIDECAR = {"name": "sidecar", "image": "envoy:latest", "args": ["--quiet"]}
LIVENESS = {"tcpSocket": {"port": 8081}, "failureThreshold": 5}
MANIFESTS = [
    budget,
    config,
    deployment,
    job,
    model_deployment,
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


async def compared(memory: World, server: World, manifest: Object) -> None:
    """Differences by path: what is in memory, what is on the server."""
    there = {**manifest, "metadata": {**manifest["metadata"], "namespace": server.namespace}}
    one, other = comparable(await read(memory, manifest)), comparable(await read(server, there))
    assert list(differences(one, other)) == []


def differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from differences(one.get(key), other.get(key), f"{path}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}/{index}")
    elif one != other:
        yield path, one, other


def comparable(found: Object) -> Object:
    """Without what differs from cluster to cluster, and without what controllers write."""
    metadata = found["metadata"]
    text = json.dumps({key: value for key, value in found.items() if key not in ("metadata", "status")})
    result: Object = json.loads(text.replace(metadata["uid"], "UID"))
    if found["kind"] == "Service":
        result["spec"] = {k: v for k, v in result["spec"].items() if k not in ("clusterIP", "clusterIPs")}
    annotations = {k: v for k, v in metadata.get("annotations", {}).items() if "kubernetes.io" not in k}
    kept = {key: metadata.get(key) for key in ("name", "labels", "generation", "finalizers")}
    return {**result, "metadata": {**kept, "annotations": annotations}, "owners": owners(found)}


def owners(found: Object) -> dict[str, Any]:
    """Who applied what. What others own by ordinary updates is compared by what an apply makes of it."""
    entries = [entry for entry in found["metadata"]["managedFields"] if entry["operation"] == "Apply"]
    return {f"{entry['manager']}/{entry.get('subresource', '')}": entry["fieldsV1"] for entry in entries}


@pytest.mark.parametrize("build", MANIFESTS)
async def test_of_one_apply(memory: MemoryWorld, server: ServerWorld, build: Any) -> None:
    for world in (memory, server):
        await world.cluster.apply(build(world.namespace), manager="viridian")
    await compared(memory, server, build(memory.namespace))


# ---- any sequence of writes by three managers and by someone with an editor

NAMES = st.sampled_from(["A", "B", "C"])
VALUES = st.sampled_from(["1", "2", ""])
MAPS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)
VARIABLES = st.dictionaries(NAMES, VALUES, max_size=3).map(
    lambda found: [{"name": name, "value": value} for name, value in found.items()]
)
PORTS = st.lists(st.sampled_from([8080, 8081, 8082]), unique=True, max_size=2).map(
    lambda found: [{"containerPort": port} for port in found]
)
SELECTORS = st.sampled_from([{"app": "a"}, {"app": "a", "slot": "blue"}, {"slot": "green"}])


@st.composite
def containers(draw: st.DrawFn) -> list[Object]:
    names = draw(st.lists(st.sampled_from(["server", "sidecar"]), min_size=1, unique=True))
    found = []
    for name in names:
        parts: Object = {"name": name, "image": draw(st.sampled_from(["x:1", "x:2"]))}
        parts |= draw(st.fixed_dictionaries({}, optional={"env": VARIABLES, "ports": PORTS}))
        parts |= draw(st.fixed_dictionaries({}, optional={"args": st.sampled_from([["a"], ["b", "c"]])}))
        found.append(parts)
    return found


@st.composite
def deployments(draw: st.DrawFn) -> Object:
    manifest = deployment("", pod={"containers": draw(containers())})
    manifest["metadata"] |= draw(st.fixed_dictionaries({}, optional={"labels": MAPS, "annotations": MAPS}))
    manifest["spec"] |= draw(st.fixed_dictionaries({}, optional={"minReadySeconds": st.integers(0, 3)}))
    return manifest


@st.composite
def services(draw: st.DrawFn) -> Object:
    manifest = service("", draw(SELECTORS))
    manifest["metadata"] |= draw(st.fixed_dictionaries({}, optional={"labels": MAPS, "annotations": MAPS}))
    return manifest


@st.composite
def records(draw: st.DrawFn) -> Object:
    """Annotations alone, as they are recorded on objects of another maker."""
    manifest = deployment("")
    annotations = draw(st.fixed_dictionaries({}, optional={"annotations": MAPS}))
    return {**manifest, "metadata": {"name": manifest["metadata"]["name"], **annotations}, "spec": None}


MANAGERS = st.sampled_from(["one", "two"])
APPLIES = st.tuples(MANAGERS, deployments()) | st.tuples(st.just("records"), records())
EDITS = st.tuples(st.just("someone"), st.fixed_dictionaries({"metadata": st.fixed_dictionaries({"annotations": MAPS})}))


async def written(world: World, name: str, manager: str, part: Object) -> None:
    """One step; a record needs an object to stand on, an edit too."""
    target = {**deployment(world.namespace, name=name)}
    found = await world.cluster.get(ref(target))
    if manager == "someone":
        if found is not None:
            await world.edit(target, part)
        return
    manifest = {key: value for key, value in part.items() if value is not None}
    manifest["metadata"] = {**part["metadata"], "name": name, "namespace": world.namespace}
    if "spec" in manifest or found is not None:
        await world.cluster.apply(manifest, manager=manager)


@settings(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(APPLIES | EDITS, min_size=1, max_size=6))
async def test_of_any_writes_to_a_deployment(
    memory: MemoryWorld, server: ServerWorld, steps: list[tuple[str, Object]]
) -> None:
    name = f"d{len(await server.cluster.list('apps/v1', 'Deployment', server.namespace))}"
    for manager, part in steps:
        for world in (memory, server):
            await written(world, name, manager, part)
        if await server.cluster.get(ref(deployment(server.namespace, name=name))) is not None:
            await compared(memory, server, deployment(memory.namespace, name=name))


@settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.tuples(MANAGERS, services()), min_size=1, max_size=5))
async def test_of_any_applies_to_a_service(
    memory: MemoryWorld, server: ServerWorld, steps: list[tuple[str, Object]]
) -> None:
    name = f"s{len(await server.cluster.list('v1', 'Service', server.namespace))}"
    for manager, part in steps:
        for world in (memory, server):
            placed = {**part["metadata"], "name": name, "namespace": world.namespace}
            await world.cluster.apply({**part, "metadata": placed}, manager=manager)
        await compared(memory, server, service(memory.namespace, name=name))
