"""Server-side apply on a real API server and in memory alike: the same tests run against both."""

from __future__ import annotations

from typing import Any

import pytest

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
from tests.contract.cluster.world import World, read, ref, version
from viridian.ports.cluster import ClusterConflict, ClusterRefused, Object

NOBODY = "00000000-0000-4000-8000-ffffffffffff"


def first_container(found: Object) -> Object:
    return dict(found["spec"]["template"]["spec"]["containers"][0])


class TestApplying:
    async def test_makes_the_object(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="v")
        assert made["metadata"]["uid"]
        assert made["metadata"]["generation"] == 1
        assert made["metadata"]["creationTimestamp"].endswith("Z")
        assert version(await read(world, made)) == version(made)

    @pytest.mark.parametrize("build", [config, network_policy, record, service])
    async def test_the_same_again_changes_nothing(self, world: World, build: Any) -> None:
        manifest = build(world.namespace)
        before = await world.cluster.apply(manifest, manager="v")
        assert await world.cluster.apply(manifest, manager="v") == before

    async def test_the_same_again_changes_nothing_once_a_status_is_stored(self, world: World) -> None:
        """Until then the server stores the default of the status with the first write after the creation."""
        manifest = model_deployment(world.namespace)
        made = await world.cluster.apply(manifest, manager="v")
        identity = {key: made[key] for key in ("apiVersion", "kind")} | {"metadata": manifest["metadata"]}
        await world.cluster.apply_status({**identity, "status": {"replicas": 1}}, manager="s")
        before = await read(world, manifest)
        assert await world.cluster.apply(manifest, manager="v") == before

    @pytest.mark.parametrize("build", [budget, deployment, job])
    async def test_the_same_again_changes_nothing_once_the_controller_has_spoken(
        self, world: World, build: Any
    ) -> None:
        manifest = build(world.namespace)
        await world.cluster.apply(manifest, manager="v")

        async def unmoved() -> bool:
            before = await read(world, manifest)
            return "status" in before and version(await world.cluster.apply(manifest, manager="v")) == version(before)

        await world.until(unmoved)

    async def test_ownership_alone_is_a_change(self, world: World) -> None:
        before = await world.cluster.apply(config(world.namespace), manager="one")
        after = await world.cluster.apply(config(world.namespace), manager="two")
        assert version(after) != version(before)
        assert after["data"] == before["data"]

    async def test_a_field_left_out_is_given_up(self, world: World) -> None:
        await world.cluster.apply(config(world.namespace, data={"a": "1", "b": "2"}), manager="v")
        after = await world.cluster.apply(config(world.namespace, data={"b": "3"}), manager="v")
        assert after["data"] == {"b": "3"}

    async def test_a_field_that_someone_else_owns_too_stays(self, world: World) -> None:
        await world.cluster.apply(config(world.namespace, data={"a": "1", "b": "2"}), manager="one")
        await world.cluster.apply(config(world.namespace, data={"a": "1"}), manager="two")
        after = await world.cluster.apply(config(world.namespace, data={"b": "2"}), manager="one")
        assert after["data"] == {"a": "1", "b": "2"}

    @pytest.mark.parametrize("build", [budget, deployment, network_policy, service])
    async def test_without_force_somebody_elses_object_is_left_alone(self, world: World, build: Any) -> None:
        theirs = build(world.namespace)
        before = await world.cluster.apply(theirs, manager="them")
        ours = build(world.namespace)
        ours["spec"]["podSelector" if "podSelector" in ours["spec"] else "selector"] = {"matchLabels": {"a": "ours"}}
        if ours["kind"] == "Service":
            ours["spec"]["selector"] = {"a": "ours"}
        with pytest.raises(ClusterRefused, match="somebody else has made it"):
            await world.cluster.apply(ours, manager="v", force=False)
        assert (await read(world, theirs))["spec"] == before["spec"]

    async def test_without_force_an_object_is_made_and_ones_own_is_changed(self, world: World) -> None:
        await world.cluster.apply(service(world.namespace), manager="v", force=False)
        changed = service(world.namespace, {"a": "b"})
        assert (await world.cluster.apply(changed, manager="v", force=False))["spec"]["selector"] == {"a": "b"}

    async def test_a_foreign_field_stays(self, world: World) -> None:
        made = await world.cluster.apply(config(world.namespace), manager="v")
        await world.edit(made, {"data": {"theirs": "1"}, "metadata": {"labels": {"team": "x"}}})
        after = await world.cluster.apply(config(world.namespace, data={"a": "2"}), manager="v")
        assert after["data"] == {"a": "2", "theirs": "1"}
        assert after["metadata"]["labels"] == {"team": "x"}

    async def test_an_edit_of_our_field_is_taken_back(self, world: World) -> None:
        made = await world.cluster.apply(config(world.namespace), manager="v")
        await world.edit(made, {"data": {"a": "theirs"}})
        after = await world.cluster.apply(config(world.namespace), manager="v")
        assert after["data"] == {"a": "1"}

    async def test_a_selector_is_replaced_as_a_whole(self, world: World) -> None:
        await world.cluster.apply(service(world.namespace, {"app": "churn", "slot": "blue"}), manager="v")
        after = await world.cluster.apply(service(world.namespace, {"app": "churn"}), manager="v")
        assert after["spec"]["selector"] == {"app": "churn"}

    async def test_a_service_keeps_its_address(self, world: World) -> None:
        made = await world.cluster.apply(service(world.namespace), manager="v")
        after = await world.cluster.apply(service(world.namespace, {"app": "other"}), manager="v")
        assert made["spec"]["clusterIP"]
        assert after["spec"]["clusterIP"] == made["spec"]["clusterIP"]

    async def test_variables_are_told_apart_by_name(self, world: World) -> None:
        one = pod_spec(containers=[container(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])])
        two = pod_spec(containers=[container(env=[{"name": "B", "value": "3"}])])
        made = await world.cluster.apply(deployment(world.namespace, pod=one), manager="v")
        await world.edit(made, {"metadata": {"annotations": {"x": "y"}}})
        after = await world.cluster.apply(deployment(world.namespace, pod=two), manager="v")
        assert first_container(after)["env"] == [{"name": "B", "value": "3"}]

    async def test_a_container_of_someone_else_stays(self, world: World) -> None:
        await world.cluster.apply(deployment(world.namespace), manager="v")
        sidecar = pod_spec(containers=[{"name": "sidecar", "image": "envoy:1"}])
        await world.cluster.apply(deployment(world.namespace, pod=sidecar), manager="mesh")
        after = await world.cluster.apply(deployment(world.namespace), manager="v")
        assert {item["name"] for item in after["spec"]["template"]["spec"]["containers"]} == {"server", "sidecar"}

    async def test_records_are_added_to_a_job_and_its_maker_keeps_the_rest(self, world: World) -> None:
        made = await world.cluster.apply(job(world.namespace), manager="viridian")
        identity = {key: made["metadata"][key] for key in ("name", "namespace", "uid")}
        note = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {**identity, "annotations": {"outcome": "Passed"}}}
        noted = await world.cluster.apply(note, manager="viridian-records")
        assert noted["metadata"]["annotations"]["outcome"] == "Passed"
        assert noted["spec"] == made["spec"]
        again = await world.cluster.apply(job(world.namespace), manager="viridian")
        assert again["metadata"]["annotations"]["outcome"] == "Passed"
        assert again["metadata"]["labels"] == made["metadata"]["labels"]

    async def test_defaults_of_the_schema_are_shown(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="v")
        assert made["spec"]["server"]["replicas"] == 2
        assert made["spec"]["rollout"]["progressDeadline"]


class TestPreconditions:
    async def test_a_uid_that_is_not_there_any_more(self, world: World) -> None:
        made = await world.cluster.apply(config(world.namespace), manager="v")
        await world.replace(made, config(world.namespace))
        with pytest.raises(ClusterConflict):
            await world.cluster.apply(config(world.namespace, uid=made["metadata"]["uid"]), manager="v")

    async def test_a_uid_of_nothing(self, world: World) -> None:
        with pytest.raises(ClusterConflict):
            await world.cluster.apply(config(world.namespace, uid=NOBODY), manager="v")
        assert await world.cluster.get(ref(config(world.namespace))) is None

    async def test_the_right_uid(self, world: World) -> None:
        made = await world.cluster.apply(config(world.namespace), manager="v")
        changed = config(world.namespace, data={"a": "2"}, uid=made["metadata"]["uid"])
        assert (await world.cluster.apply(changed, manager="v"))["data"] == {"a": "2"}

    async def test_a_version_that_is_not_the_latest(self, world: World) -> None:
        made = await world.cluster.apply(config(world.namespace), manager="v")
        await world.edit(made, {"data": {"theirs": "1"}})
        changed = config(world.namespace, data={"a": "2"}, resourceVersion=version(made))
        with pytest.raises(ClusterConflict):
            await world.cluster.apply(changed, manager="v")
        assert (await read(world, made))["data"]["a"] == "1"


class TestGeneration:
    async def test_a_label_does_not_raise_it(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="v")
        await world.edit(made, {"metadata": {"labels": {"a": "b"}, "annotations": {"viridian.dev/restart": "x"}}})
        assert (await read(world, made))["metadata"]["generation"] == 1

    async def test_a_deployments_spec_raises_it(self, world: World) -> None:
        await world.cluster.apply(deployment(world.namespace), manager="v")
        changed = deployment(world.namespace, pod=pod_spec(terminationGracePeriodSeconds=60))
        assert (await world.cluster.apply(changed, manager="v"))["metadata"]["generation"] == 2
