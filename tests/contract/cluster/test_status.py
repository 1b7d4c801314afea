"""The status subresource on a real API server and in memory alike: the same tests run against both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.cluster.manifests import (
    model_deployment,
)
from tests.contract.cluster.world import World, read, version
from viridian.ports.cluster import ClusterConflict, ClusterRefused, Object

UNSEEN = {"observedGeneration": -1}
"""The default of the kind."""


class TestStatus:
    async def test_is_written_apart_from_the_spec(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="kubectl")
        after = await world.cluster.apply_status(self.status(made, observedGeneration=1), manager="viridian-rollout")
        assert after["status"]["observedGeneration"] == 1
        assert after["spec"] == made["spec"]
        assert after["metadata"]["generation"] == 1

    async def test_the_same_again_changes_nothing(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="kubectl")
        status = self.status(made, observedGeneration=1, conditions=[self.condition("Ready", "True")])
        before = await world.cluster.apply_status(status, manager="viridian-rollout")
        assert await world.cluster.apply_status(status, manager="viridian-rollout") == before

    async def test_a_spec_sent_along_is_not_taken(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="kubectl")
        sent = {
            **self.status(made, observedGeneration=1),
            "spec": model_deployment("x", server={"replicas": 9})["spec"],
        }
        after = await world.cluster.apply_status(sent, manager="viridian-rollout")
        assert after["spec"] == made["spec"]

    async def test_a_status_sent_with_the_spec_is_not_taken(self, world: World) -> None:
        sent = {**model_deployment(world.namespace), "status": {"observedGeneration": 7}}
        assert (await world.cluster.apply(sent, manager="kubectl"))["status"] == UNSEEN

    async def test_what_is_left_out_goes(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="kubectl")
        both = [self.condition("Ready", "True"), self.condition("Stalled", "False")]
        await world.cluster.apply_status(self.status(made, conditions=both, observedGeneration=1), manager="s")
        after = await world.cluster.apply_status(self.status(made, conditions=both[:1]), manager="s")
        assert [found["type"] for found in after["status"]["conditions"]] == ["Ready"]
        assert after["status"]["observedGeneration"] == -1

    async def test_managers_share_the_conditions_and_each_gives_up_its_own(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="kubectl")
        ready, synced = self.condition("Ready", "True"), self.condition("RegistrySynced", "False")
        await world.cluster.apply_status(self.status(made, conditions=[ready], replicas=1), manager="one")
        both = await world.cluster.apply_status(self.status(made, conditions=[synced]), manager="other")
        assert {found["type"] for found in both["status"]["conditions"]} == {"Ready", "RegistrySynced"}
        nothing = {name: value for name, value in self.status(made).items() if name != "status"}
        after = await world.cluster.apply_status(nothing, manager="other")
        assert (after["status"]["conditions"], after["status"]["replicas"]) == ([ready], 1)
        assert [entry for entry in after["metadata"]["managedFields"] if entry["manager"] == "other"] == []

    async def test_what_another_manager_owns_as_well_stays(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="kubectl")
        status = self.status(made, conditions=[self.condition("Ready", "True")], replicas=1)
        await world.cluster.apply_status(status, manager="former")
        await world.cluster.apply_status(self.status(made, replicas=1), manager="one")
        nothing = {name: value for name, value in self.status(made).items() if name != "status"}
        assert (await world.cluster.apply_status(nothing, manager="former"))["status"] == {**UNSEEN, "replicas": 1}

    async def test_the_spec_leaves_it_alone(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="kubectl")
        await world.cluster.apply_status(self.status(made, observedGeneration=1), manager="viridian-rollout")
        changed = model_deployment(world.namespace, server={"replicas": 5})
        after = await world.cluster.apply(changed, manager="kubectl")
        assert after["metadata"]["generation"] == 2
        assert after["status"]["observedGeneration"] == 1

    async def test_of_what_does_not_exist(self, world: World) -> None:
        with pytest.raises(ClusterConflict):
            await world.cluster.apply_status(self.status(model_deployment(world.namespace)), manager="s")

    async def test_a_version_guards_it(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="kubectl")
        await world.edit(made, {"metadata": {"labels": {"a": "b"}}})
        status = self.status(made, observedGeneration=1)
        status["metadata"]["resourceVersion"] = version(made)
        with pytest.raises(ClusterConflict):
            await world.cluster.apply_status(status, manager="s")
        assert (await read(world, made))["status"] == UNSEEN

    async def test_a_uid_does_not_guard_it(self, world: World) -> None:
        """The server overlooks the metadata of a status; whoever wants to be sure sends the resourceVersion."""
        made = await world.cluster.apply(model_deployment(world.namespace), manager="kubectl")
        other = await world.replace(made, model_deployment(world.namespace))
        status = self.status(made, observedGeneration=1)
        status["metadata"]["uid"] = made["metadata"]["uid"]
        after = await world.cluster.apply_status(status, manager="s")
        assert after["metadata"]["uid"] == other["metadata"]["uid"]

    async def test_unknown_fields_are_dropped_or_refused_but_never_kept(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="kubectl")
        with pytest.raises(ClusterRefused, match="nonsense"):
            await world.cluster.apply_status(self.status(made, nonsense=1), manager="s")

    @staticmethod
    def status(made: Object, **fields: Any) -> Object:
        identity = {key: made["metadata"][key] for key in ("name", "namespace")}
        return {"apiVersion": made["apiVersion"], "kind": made["kind"], "metadata": identity, "status": fields}

    @staticmethod
    def condition(kind: str, status: str) -> Object:
        times = {"lastTransitionTime": "2026-01-05T12:00:00Z", "observedGeneration": 1}
        return {"type": kind, "status": status, "reason": "AsExpected", "message": "", **times}
