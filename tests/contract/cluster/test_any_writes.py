"""Any sequence of writes by several managers, and by someone with an editor, gives the same objects and field owners.

In memory and on a real API server, compared after every single write.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.cluster.comparison import compared
from tests.contract.cluster.manifests import deployment, model_deployment, service
from tests.contract.cluster.world import MemoryWorld, ServerWorld, World, ref
from tests.support.kube import Refused
from viridian.ports.cluster import ClusterRefused, Object

# The same sequences in every run: what is found here is found before a change is made, not after.
USUAL = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

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


@settings(USUAL, max_examples=40)
@given(steps=st.lists(APPLIES | EDITS, min_size=1, max_size=6))
async def test_to_a_deployment(memory: MemoryWorld, server: ServerWorld, steps: list[tuple[str, Object]]) -> None:
    name = f"d{len(await server.cluster.list('apps/v1', 'Deployment', server.namespace))}"
    for manager, part in steps:
        for world in (memory, server):
            await written(world, name, manager, part)
        if await server.cluster.get(ref(deployment(server.namespace, name=name))) is not None:
            await compared(memory, server, deployment(memory.namespace, name=name))


@settings(USUAL, max_examples=25)
@given(steps=st.lists(st.tuples(MANAGERS, services()), min_size=1, max_size=5))
async def test_to_a_service(memory: MemoryWorld, server: ServerWorld, steps: list[tuple[str, Object]]) -> None:
    name = f"s{len(await server.cluster.list('v1', 'Service', server.namespace))}"
    for manager, part in steps:
        for world in (memory, server):
            placed = {**part["metadata"], "name": name, "namespace": world.namespace}
            await world.cluster.apply({**part, "metadata": placed}, manager=manager)
        await compared(memory, server, service(memory.namespace, name=name))


# ---- a custom kind, its spec by two managers and its status by two more
#
# No empty maps and no empty named lists: the operator sends none, and the rules for who owns those are not modelled.

METRICS = st.lists(st.sampled_from(["error-rate", "latency-p95"]), unique=True, min_size=1, max_size=2).map(
    lambda found: [{"name": name, "max": 0.5} for name in found]
)
STEPS = st.sampled_from([[], [{"weight": 10}], [{"weight": 10}, {"weight": 50, "duration": "5m"}]])
ANALYSES = st.fixed_dictionaries({"interval": st.sampled_from(["1s", "2s"])}, optional={"metrics": METRICS})
ROLLOUTS = st.fixed_dictionaries({"paused": st.booleans()}, optional={"steps": STEPS, "analysis": ANALYSES})
TEMPLATES = containers().map(lambda found: {"spec": {"containers": found, "terminationGracePeriodSeconds": 9}})
SERVERS = st.fixed_dictionaries({"replicas": st.integers(0, 3)}, optional={"template": TEMPLATES})
SPECS = st.fixed_dictionaries({}, optional={"server": SERVERS, "rollout": ROLLOUTS})

KINDS_OF_CONDITIONS = st.sampled_from(["Ready", "Promoted", "Stalled"])
CONDITIONS = st.dictionaries(KINDS_OF_CONDITIONS, st.sampled_from(["True", "False"]), min_size=1).map(
    lambda found: [
        {"type": kind, "status": status, "reason": "AsExpected", "lastTransitionTime": "2026-01-05T12:00:00Z"}
        for kind, status in found.items()
    ]
)
CHAMPIONS = st.fixed_dictionaries(
    {"slot": st.just("blue"), "revision": VALUES}, optional={"version": VALUES, "digest": VALUES}
)
HISTORIES = st.sampled_from([[], [{"revision": "a", "outcome": "Promoted", "at": "2026-01-05T12:00:00Z"}]])
# An operator's status is never empty; the server refuses to give up its last field.
STATUSES = st.fixed_dictionaries(
    {"observedGeneration": st.integers(0, 3)},
    optional={
        "conditions": CONDITIONS,
        "champion": CHAMPIONS,
        "history": HISTORIES,
        "replicas": st.integers(0, 3),
    },
)
SPEC_STEPS = st.tuples(MANAGERS, SPECS.map(lambda spec: {"spec": spec}))
STATUS_STEPS = st.tuples(MANAGERS, STATUSES.map(lambda status: {"status": status}))
STATUS_EDITS = st.tuples(st.just("someone"), STATUSES.map(lambda status: {"status": status}))


async def write_custom(world: World, name: str, manager: str, part: Object) -> str:
    """Says whether it was taken or refused."""
    manifest = model_deployment(world.namespace, name=name, **part.get("spec", {}))
    bare = {key: value for key, value in manifest.items() if key != "spec"}
    try:
        if manager == "someone":
            await world.edit(manifest, part, subresource="status")
        elif "status" in part:
            await world.cluster.apply_status({**bare, **part}, manager=f"{manager}-status")
        else:
            await world.cluster.apply(manifest, manager=manager)
    except (ClusterRefused, Refused):
        return "refused"
    return "taken"


@settings(USUAL, max_examples=25)
@given(steps=st.lists(SPEC_STEPS | STATUS_STEPS | STATUS_EDITS, min_size=1, max_size=6))
async def test_to_a_custom_kind(memory: MemoryWorld, server: ServerWorld, steps: list[tuple[str, Object]]) -> None:
    made = await server.cluster.list("viridian.dev/v1alpha1", "ModelDeployment", server.namespace)
    name = f"m{len(made)}"
    for manager, part in [("one", {"spec": {}}), *steps]:
        there = await write_custom(server, name, manager, part)
        assert await write_custom(memory, name, manager, part) == there
        await compared(memory, server, model_deployment(memory.namespace, name=name))
