"""The assembled loop on the cluster in memory, whose changes reach it as a watch would tell them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.memory_cluster import MemoryCluster
from tests.support.memory_collector import MemoryBundles
from tests.support.memory_registry import MemoryRegistry
from tests.support.virtual_time import run_virtually
from tests.unit.controller.world import KEY, ToldPods, model_deployment
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.controller.environment import Environment
from viridian.controller.keys import Key
from viridian.controller.loop import Loop, assemble
from viridian.controller.telemetry import Telemetry
from viridian.ports.cluster import Object
from viridian.rollout.input import OperatorSettings

RESYNC = 1200.0
"""Seconds within which every object is looked at."""


class Stage:
    """A cluster, and a loop that hears of its changes unless `deaf`."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        self.deaf = False
        environment = Environment(
            cluster=self.cluster,
            registry=MemoryRegistry(),
            pods=ToldPods(),
            bundles=MemoryBundles(),
            feedback=None,
            clock=self.cluster.clock,
            random=lambda: 0.5,
        )
        self.loop: Loop = assemble(environment, OperatorSettings(server_image="server:1"), Telemetry())
        self.cluster.on_change.append(self._hear)

    def passes(self) -> int:
        return sum(1 for call in self.cluster.calls if (call.verb, call.kind) == ("get", MODEL_DEPLOYMENT))

    def _hear(self, type_: str, object_: Object) -> None:
        if self.deaf:
            return
        if object_["kind"] in (MODEL_DEPLOYMENT, RETRAIN_POLICY):
            self.loop.wakes.own(object_["kind"], object_, deleted=type_ == "DELETED")
        else:
            self.loop.wakes.child(object_["kind"], object_)


@asynccontextmanager
async def running() -> AsyncIterator[Stage]:
    stage = Stage()
    stage.loop.start(workers=2)
    try:
        yield stage
    finally:
        await stage.loop.stop()


def condition(stage: Stage, type_: str) -> Any:
    found = stage.cluster.find(MODEL_DEPLOYMENT, "churn") or {}
    conditions = (found.get("status") or {}).get("conditions") or []
    return next((c["status"] for c in conditions if c["type"] == type_), None)


async def settle(stage: Stage) -> None:
    """Time for the workers, in turn with the cluster's own controllers."""
    for _ in range(20):
        await asyncio.sleep(0.5)
        stage.cluster.run_controllers()


def test_from_the_manifest_to_serving_without_a_single_timer_of_kopf() -> None:
    async def main() -> None:
        async with running() as stage:
            stage.cluster.create(model_deployment())
            await settle(stage)
            assert condition(stage, "Ready") == "True"
            assert stage.cluster.find("Service", "churn")

    run_virtually(main())


def test_a_child_that_someone_deletes_is_made_again_at_once() -> None:
    async def main() -> None:
        async with running() as stage:
            stage.cluster.create(model_deployment())
            await settle(stage)
            stage.cluster.remove("Service", "churn")
            await asyncio.sleep(1)
            assert stage.cluster.find("Service", "churn")

    run_virtually(main())


def test_a_child_wakes_no_monitoring_of_a_model_that_is_not_monitored() -> None:
    async def main() -> None:
        async with running() as stage:
            stage.cluster.create(model_deployment())
            await settle(stage)
            stage.cluster.forget_calls()
            stage.cluster.edit("Service", "churn", lambda live: live["metadata"]["labels"].update(team="risk"))
            await asyncio.sleep(1)
            assert stage.passes() == 2, "rollout and registry-sync read the Service, monitoring has no use for it"

    run_virtually(main())


def test_at_rest_nothing_is_written_over_many_resyncs() -> None:
    async def main() -> None:
        async with running() as stage:
            stage.cluster.create(model_deployment())
            await settle(stage)
            await asyncio.sleep(600)
            stage.cluster.forget_calls()
            await asyncio.sleep(6 * 3 * 3600)
            assert [str(call) for call in stage.cluster.writes] == []
            assert stage.passes() == 0, "a sweep sees that there is nothing to do"
            sweeps = sum(1 for call in stage.cluster.calls if (call.verb, call.kind) == ("list", MODEL_DEPLOYMENT))
            assert 6 * 3 * 3600 / RESYNC <= sweeps <= 2 * 6 * 3 * 3600 / RESYNC

    run_virtually(main())


def test_trap_c_an_object_deleted_behind_our_back_is_not_brought_back() -> None:
    async def main() -> None:
        async with running() as stage:
            stage.cluster.create(model_deployment())
            await settle(stage)
            stage.deaf = True
            stage.cluster.remove(MODEL_DEPLOYMENT, "churn")
            stage.cluster.collect_garbage()
            stage.loop.sweeps.request_pass(KEY)
            await asyncio.sleep(1)
            assert stage.cluster.find("Deployment", "churn-blue") is None
            assert stage.loop.sweeps.known() == frozenset()

    run_virtually(main())


def test_trap_d_a_lost_deletion_leaves_no_ghost_and_a_lost_creation_no_orphan() -> None:
    async def main() -> None:
        async with running() as stage:
            stage.cluster.create(model_deployment("ghost"))
            await settle(stage)
            stage.deaf = True
            stage.cluster.remove(MODEL_DEPLOYMENT, "ghost")
            stage.cluster.collect_garbage()
            stage.cluster.create(model_deployment())
            await asyncio.sleep(RESYNC)
            assert stage.loop.sweeps.known() == {KEY}
            assert condition(stage, "Reconciling") == "True"
            assert b"ghost" not in b"".join(stage.loop.telemetry.exposition())

    run_virtually(main())


def test_trap_e_a_burst_of_twenty_edits_is_at_most_one_pass_of_each_reconciler() -> None:
    async def main() -> None:
        async with running() as stage:
            stage.cluster.create(model_deployment())
            await settle(stage)
            stage.cluster.forget_calls()
            for number in range(20):
                stage.cluster.annotate(MODEL_DEPLOYMENT, "churn", **{"example.com/edit": str(number)})
            await asyncio.sleep(5)
            assert 1 <= stage.passes() <= 4

    run_virtually(main())


def test_an_unreachable_api_server_during_a_sweep_ends_nothing() -> None:
    async def main() -> None:
        async with running() as stage:
            stage.cluster.faults.outage = True
            await asyncio.sleep(3 * RESYNC)
            assert stage.loop.health.check_tasks() == "5 running"
            stage.cluster.faults.outage = False
            stage.deaf = True
            stage.cluster.create(model_deployment())
            await asyncio.sleep(RESYNC)
            assert stage.loop.sweeps.known() == {KEY}

    run_virtually(main())


def test_a_policy_hears_of_its_model() -> None:
    async def main() -> None:
        async with running() as stage:
            policy = {
                "apiVersion": "viridian.dev/v1alpha1",
                "kind": RETRAIN_POLICY,
                "metadata": {"name": "weekly", "namespace": "default"},
                "spec": {
                    "modelDeployment": "churn",
                    "stages": {"training": {"template": {"spec": {"containers": [{"name": "t", "image": "t:1"}]}}}},
                },
            }
            stage.cluster.create(policy)
            await asyncio.sleep(1)
            key = Key(RETRAIN_POLICY, "default", "weekly")
            stage.cluster.forget_calls()
            stage.cluster.create(model_deployment())
            await asyncio.sleep(1)
            assert [call for call in stage.cluster.calls if (call.verb, call.kind) == ("get", RETRAIN_POLICY)]
            assert key in stage.loop.sweeps.known()

    run_virtually(main())


def test_after_a_gap_in_a_watch_all_objects_are_looked_at() -> None:
    """What was deleted in the gap is in no list, and no event tells of it."""

    async def main() -> None:
        async with running() as stage:
            stage.cluster.create(model_deployment())
            stage.loop.listed("services")
            stage.loop.health.watches.add("services")
            await settle(stage)
            stage.deaf = True
            stage.cluster.remove("Service", "churn")
            stage.deaf = False
            await settle(stage)
            assert stage.cluster.find("Service", "churn") is None
            for _ in range(3):
                stage.loop.listed("services")
            before = stage.passes()
            await asyncio.sleep(10)
            assert stage.cluster.find("Service", "churn") is not None
            assert stage.passes() - before < 10

    run_virtually(main())
