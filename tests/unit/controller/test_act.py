"""Act: in order; what is not taken stops only what presumes it; the registry and connections are best effort."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.support.memory_cluster import Fault, MemoryCluster
from tests.support.memory_registry import MemoryRegistry
from tests.support.virtual_time import run_virtually
from tests.unit.controller.world import KEY, ToldPods, config_map
from viridian.api.registry import RunStatus
from viridian.api.samples import Identity, Idle, PodTarget
from viridian.controller.act import Actor
from viridian.controller.registries import ByNamespace
from viridian.controller.registry_writes import LONGEST
from viridian.core.obstacles import from_registry
from viridian.core.plan import (
    Annotate,
    Apply,
    CloseConnections,
    CreateRun,
    Delete,
    FinishRun,
    RegisterVersion,
    SetAlias,
    TagVersion,
)
from viridian.ports.cluster import ClusterConflict

POD = PodTarget(uid="1", ip="10.0.0.1", identity=Identity())


class Stage:
    def __init__(self) -> None:
        self.cluster, self.registry, self.pods = MemoryCluster(), MemoryRegistry(), ToldPods()
        self.actor = Actor(self.cluster, ByNamespace(self.registry), self.pods)


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_actions_are_performed_in_their_order(stage: Stage) -> None:
    old = stage.cluster.create(config_map("old"))
    await stage.actor.perform(
        KEY,
        (
            Apply(config_map("first")),
            Annotate("v1", "ConfigMap", "first", {"viridian.dev/outcome": "[]"}),
            Delete("v1", "ConfigMap", "old", old["metadata"]["uid"]),
            Apply(config_map("last")),
        ),
    )
    assert [str(call) for call in stage.cluster.writes] == [
        "apply ConfigMap first",
        "apply ConfigMap first",
        "delete ConfigMap old",
        "apply ConfigMap last",
    ]


NAMES = ("a", "b", "c")


def there(stage: Stage) -> list[str]:
    return [name for name in NAMES if stage.cluster.find("ConfigMap", name)]


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.SERVER_ERROR, Fault.THROTTLED, Fault.LOSE_REQUEST])
async def test_what_is_not_taken_stops_nothing_behind_it(stage: Stage, fault: Fault) -> None:
    stage.cluster.faults.on_write(2, fault)
    done = await stage.actor.perform(KEY, tuple(Apply(config_map(name)) for name in NAMES))
    assert there(stage) == ["a", "c"]
    assert (done.written, done.void) == (True, False)
    (obstacle,) = done.obstacles.values()
    assert (obstacle.kind, obstacle.name, obstacle.refused) == ("ConfigMap", "b", fault is Fault.REFUSED)
    assert obstacle.message == fault.value


async def test_a_conflict_ends_it(stage: Stage) -> None:
    stage.cluster.faults.on_write(2, Fault.CONFLICT)
    with pytest.raises(ClusterConflict):
        await stage.actor.perform(KEY, tuple(Apply(config_map(name)) for name in NAMES))
    assert there(stage) == ["a"]


@pytest.mark.parametrize(("presumed", "taken"), [(True, False), (False, True)])
async def test_what_turns_out_otherwise_than_the_rest_presumes_ends_it(
    stage: Stage, presumed: bool, taken: bool
) -> None:
    if not taken:
        stage.cluster.faults.on_write(1, Fault.REFUSED)
    actions = (Apply(config_map("a"), presumed=presumed), Apply(config_map("b")))
    assert (await stage.actor.perform(KEY, actions)).void
    assert there(stage) == (["a"] if taken else [])


@pytest.mark.parametrize(("presumed", "taken"), [(True, True), (False, False), (None, True), (None, False)])
async def test_what_turns_out_as_presumed_ends_nothing(stage: Stage, presumed: bool | None, taken: bool) -> None:
    if not taken:
        stage.cluster.faults.on_write(1, Fault.REFUSED)
    actions = (Apply(config_map("a"), presumed=presumed), Apply(config_map("b")))
    assert not (await stage.actor.perform(KEY, actions)).void
    assert there(stage) == (["a", "b"] if taken else ["b"])


async def test_only_the_object_that_was_read_is_deleted(stage: Stage) -> None:
    stage.cluster.create(config_map("child"))
    await stage.actor.perform(KEY, (Delete("v1", "ConfigMap", "child", "the-uid-of-another"),))
    assert stage.cluster.find("ConfigMap", "child")


async def test_facts_are_recorded_beside_what_others_wrote(stage: Stage) -> None:
    child = config_map("child", a="b")
    child["metadata"]["annotations"] = {"viridian.dev/intent": "abc"}
    await stage.actor.perform(
        KEY, (Apply(child), Annotate("v1", "ConfigMap", "child", {"viridian.dev/outcome": "Promoted"}), Apply(child))
    )
    stored = stage.cluster.find("ConfigMap", "child")
    assert stored is not None
    assert stored["metadata"]["annotations"] == {"viridian.dev/intent": "abc", "viridian.dev/outcome": "Promoted"}
    assert stored["data"] == {"a": "b"}


async def test_recording_on_a_missing_object_makes_no_hollow_one(stage: Stage) -> None:
    with pytest.raises(ClusterConflict):
        await stage.actor.perform(KEY, (Annotate("v1", "ConfigMap", "gone", {"viridian.dev/outcome": "x"}),))
    assert stage.cluster.find("ConfigMap", "gone") is None


async def test_a_registry_that_is_down_stops_nothing_and_is_asked_once(stage: Stage) -> None:
    stage.registry.unavailable = True
    done = await stage.actor.perform(
        KEY,
        (
            SetAlias("churn", "champion", "2"),
            Apply(config_map("after")),
            TagVersion("churn", "2", {"a": "b"}),
            CloseConnections((POD,), 10, Idle.CLOSE, forward=True),
        ),
    )
    assert stage.cluster.find("ConfigMap", "after")
    assert (stage.pods.closed, stage.pods.forwarding) == ([(POD, 10, Idle.CLOSE)], [POD])
    (obstacle,) = done.obstacles.values()  # the second one is left for the next pass
    assert obstacle is from_registry(done.obstacles)
    assert "alias champion of churn to version 2" in obstacle.message
    assert not obstacle.refused
    assert stage.registry.calls.total() == 1


async def test_what_the_registry_refuses_does_not_keep_it_from_the_rest(stage: Stage) -> None:
    stage.registry.add_version("churn")
    done = await stage.actor.perform(
        KEY, (SetAlias("churn", "champion", "7"), TagVersion("churn", "1", {"viridian.outcome": "Promoted"}))
    )
    assert list(done.obstacles) == [("ModelAlias", "churn/champion")]
    assert stage.registry.versions("churn")["1"].tags == {"viridian.outcome": "Promoted"}


def test_a_registry_that_hangs_is_given_up_and_the_rest_is_done() -> None:
    async def main() -> None:
        stage = Stage()
        stage.registry.add_version("churn")
        stage.registry.latency = lambda: 1e9
        done = await stage.actor.perform(KEY, (SetAlias("churn", "champion", "1"), Apply(config_map())))
        assert asyncio.get_running_loop().time() == LONGEST
        assert from_registry(done.obstacles) is not None
        assert done.models == {"churn"}, "it may have been written"
        assert stage.cluster.find("ConfigMap", "child")

    run_virtually(main())


@pytest.mark.parametrize(
    ("trouble", "marked"),
    [
        (lambda _: None, True),
        (lambda stage: stage.registry.refusals.update(tag_version="no"), False),
        (lambda stage: setattr(stage.registry, "unavailable", True), False),
        (lambda stage: stage.registry.delete_version("churn", "1"), True),
    ],
    ids=["taken", "refused", "silent", "gone for good"],
)
async def test_what_the_registry_has_not_taken_is_not_recorded_as_done(
    stage: Stage, trouble: Callable[[Stage], None], marked: bool
) -> None:
    stage.registry.add_version("churn")
    stage.cluster.create(config_map("child"))
    trouble(stage)
    tags = TagVersion("churn", "1", {"a": "b"})
    mark = Annotate("v1", "ConfigMap", "child", {"viridian.dev/done": "yes"}, confirms=(tags.target,))
    await stage.actor.perform(KEY, (tags, mark))
    found = stage.cluster.find("ConfigMap", "child")
    assert found is not None
    assert bool(found["metadata"].get("annotations")) is marked


@pytest.mark.parametrize("unavailable", [True, False], ids=["silent", "refused"])
async def test_of_two_writes_to_one_place_both_must_be_taken(stage: Stage, unavailable: bool) -> None:
    stage.registry.add_version("churn")
    stage.cluster.create(config_map("child"))

    def fail_from_now_on(_: str) -> None:
        stage.registry.unavailable = unavailable
        stage.registry.refusals.update({} if unavailable else {"tag_version": "no"})

    stage.registry.after_write = fail_from_now_on
    first, second = TagVersion("churn", "1", {"a": "b"}), TagVersion("churn", "1", {"a": "c"})
    mark = Annotate("v1", "ConfigMap", "child", {"viridian.dev/done": "yes"}, confirms=(second.target,))
    done = await stage.actor.perform(KEY, (first, second, mark))
    assert (done.written, len(done.obstacles)) == (False, 1)


async def test_what_is_not_written_in_the_same_plan_is_not_recorded_as_done(stage: Stage) -> None:
    stage.cluster.create(config_map("child"))
    mark = Annotate("v1", "ConfigMap", "child", {"viridian.dev/done": "yes"}, confirms=(("ModelVersion", "churn/1"),))
    done = await stage.actor.perform(KEY, (mark,))
    assert (done.written, done.obstacles) == (False, {})


async def test_a_run_from_its_creation_to_its_version(stage: Stage) -> None:
    for _ in range(2):
        await stage.actor.perform(KEY, (CreateRun("churn", "abc", {}),))
    (run,) = stage.registry.runs()
    await stage.actor.perform(
        KEY,
        (FinishRun(run.run_id, "FINISHED"), RegisterVersion("churn", run.run_id, "models:/m-1", {"a": "b"})),
    )
    assert stage.registry.runs()[0].status is RunStatus.FINISHED
    assert stage.registry.versions("churn")["1"].tags == {"a": "b"}
