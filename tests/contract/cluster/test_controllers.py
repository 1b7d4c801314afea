"""Deployments and Jobs as their real controllers report them; the kubelet's part is played by the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.contract.cluster.manifests import LABELS, deployment, job, pod_spec
from tests.contract.cluster.world import World, read
from viridian.ports.cluster import Object

BLUE = "churn-blue"
TRAINING = "churn-1-training"


def conditions(found: Object) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in found.get("status", {}).get("conditions", [])}


def counts(found: Object, *names: str) -> list[int]:
    return [found.get("status", {}).get(name, 0) for name in names]


async def pods(world: World, labels: Mapping[str, str] | None = None) -> Sequence[Object]:
    return await world.cluster.list("v1", "Pod", world.namespace, labels)


async def until_status(world: World, manifest: Object, expected: Mapping[str, Any]) -> Object:
    """Until the object has these conditions and numbers; numbers that are absent are zero."""

    async def reached() -> bool:
        found = await read(world, manifest)
        status = {**found.get("status", {}), **conditions(found)}
        return all(status.get(key, 0) == value for key, value in expected.items())

    await world.until(reached)
    return await read(world, manifest)


async def start(world: World, manifest: Object) -> None:
    """Once all pods have been made."""
    await until_status(world, manifest, {"updatedReplicas": manifest["spec"]["replicas"]})
    await world.start_pods(manifest["metadata"]["name"])


class TestDeployments:
    COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")

    async def test_of_no_replicas(self, world: World) -> None:
        manifest = deployment(world.namespace)
        await world.cluster.apply(manifest, manager="v")
        available = {"Available": ("True", "MinimumReplicasAvailable")}
        found = await until_status(world, manifest, {"observedGeneration": 1, **available})
        assert counts(found, *self.COUNTS) == [0, 0, 0, 0, 0]
        assert conditions(found)["Progressing"] == ("True", "NewReplicaSetAvailable")

    async def test_whose_pods_are_not_ready_yet(self, world: World) -> None:
        await world.keep_pods_from_starting(BLUE)
        manifest = deployment(world.namespace, replicas=2)
        await world.cluster.apply(manifest, manager="v")
        found = await until_status(world, manifest, {"observedGeneration": 1, "updatedReplicas": 2})
        assert counts(found, *self.COUNTS) == [2, 2, 0, 0, 2]
        assert conditions(found)["Available"] == ("False", "MinimumReplicasUnavailable")
        assert conditions(found)["Progressing"] == ("True", "ReplicaSetUpdated")

    async def test_whose_pods_are_ready(self, world: World) -> None:
        manifest = deployment(world.namespace, replicas=2)
        await world.cluster.apply(manifest, manager="v")
        await start(world, manifest)
        found = await until_status(world, manifest, {"availableReplicas": 2})
        assert counts(found, *self.COUNTS) == [2, 2, 2, 2, 0]
        assert conditions(found)["Available"] == ("True", "MinimumReplicasAvailable")
        await until_status(world, manifest, {"Progressing": ("True", "NewReplicaSetAvailable")})

    async def test_that_exceed_their_deadline(self, world: World) -> None:
        await world.keep_pods_from_starting(BLUE)
        manifest = deployment(world.namespace, replicas=1, progressDeadlineSeconds=1)
        await world.cluster.apply(manifest, manager="v")
        await until_status(world, manifest, {"updatedReplicas": 1})
        await world.pass_time(2)
        await until_status(world, manifest, {"Progressing": ("False", "ProgressDeadlineExceeded")})

    async def test_that_get_there_after_their_deadline(self, world: World) -> None:
        await world.keep_pods_from_starting(BLUE)
        manifest = deployment(world.namespace, replicas=1, progressDeadlineSeconds=1)
        await world.cluster.apply(manifest, manager="v")
        await until_status(world, manifest, {"updatedReplicas": 1})
        await world.pass_time(2)
        await until_status(world, manifest, {"Progressing": ("False", "ProgressDeadlineExceeded")})
        await start(world, manifest)
        await until_status(world, manifest, {"Progressing": ("True", "NewReplicaSetAvailable"), "readyReplicas": 1})

    async def test_pods_carry_the_labels_of_the_template(self, world: World) -> None:
        manifest = deployment(world.namespace, replicas=1)
        await world.cluster.apply(manifest, manager="v")
        await start(world, manifest)
        await until_status(world, manifest, {"availableReplicas": 1})
        [pod] = await pods(world, LABELS)
        assert pod["metadata"]["labels"].keys() == {*LABELS, "pod-template-hash"}
        assert pod["metadata"]["ownerReferences"][0]["controller"] is True
        assert {c["type"]: c["status"] for c in pod["status"]["conditions"]}["Ready"] == "True"
        assert pod["status"]["podIP"]

    async def test_the_old_pod_stays_until_the_new_one_is_ready(self, world: World) -> None:
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
        before = deployment(world.namespace, replicas=1, strategy=rolling)
        await world.cluster.apply(before, manager="v")
        await start(world, before)
        await until_status(world, before, {"availableReplicas": 1})
        manifest = deployment(world.namespace, replicas=1, strategy=rolling, pod=pod_spec(hostname="other"))
        [old] = await pods(world)
        await world.keep_pods_from_starting(BLUE)
        await world.cluster.apply(manifest, manager="v")
        found = await until_status(world, manifest, {"observedGeneration": 2, "updatedReplicas": 1, "replicas": 2})
        assert counts(found, "readyReplicas", "availableReplicas") == [1, 1]
        await start(world, manifest)
        await until_status(world, manifest, {"replicas": 1, "availableReplicas": 1, "updatedReplicas": 1})
        [new] = await pods(world)
        assert new["metadata"]["uid"] != old["metadata"]["uid"]

    async def test_scaled_to_nothing_they_have_no_pods(self, world: World) -> None:
        manifest = deployment(world.namespace, replicas=2)
        await world.cluster.apply(manifest, manager="v")
        await start(world, manifest)
        await until_status(world, manifest, {"availableReplicas": 2})
        await world.cluster.apply(deployment(world.namespace, replicas=0), manager="v")

        async def empty() -> bool:
            return await pods(world) == []

        await world.until(empty)


class TestJobs:
    async def test_at_work(self, world: World) -> None:
        manifest = job(world.namespace, suspend=False)
        await world.cluster.apply(manifest, manager="v")
        found = await until_status(world, manifest, {"active": 1})
        assert counts(found, "succeeded", "failed", "ready", "terminating")[:2] == [0, 0]
        assert found["status"]["startTime"].endswith("Z")
        [pod] = await pods(world, {"job-name": TRAINING})
        assert pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == TRAINING
        assert pod["metadata"]["labels"]["viridian.dev/run"] == "1"

    async def test_suspended(self, world: World) -> None:
        manifest = job(world.namespace)
        await world.cluster.apply(manifest, manager="v")
        found = await until_status(world, manifest, {"Suspended": ("True", "JobSuspended")})
        assert counts(found, "active") == [0]

    async def test_done(self, world: World) -> None:
        manifest = job(world.namespace, suspend=False)
        await world.cluster.apply(manifest, manager="v")
        await until_status(world, manifest, {"active": 1})
        await world.end_pod(TRAINING, 0)
        found = await until_status(world, manifest, {"Complete": ("True", "CompletionsReached")})
        assert counts(found, "active", "succeeded", "failed") == [0, 1, 0]
        assert found["status"]["completionTime"].endswith("Z")
        assert conditions(found)["SuccessCriteriaMet"] == ("True", "CompletionsReached")

    async def test_refused_by_an_exit_code(self, world: World) -> None:
        manifest = job(world.namespace, suspend=False, backoffLimit=3)
        await world.cluster.apply(manifest, manager="v")
        await until_status(world, manifest, {"active": 1})
        await world.end_pod(TRAINING, 64)
        found = await until_status(world, manifest, {"Failed": ("True", "PodFailurePolicy")})
        assert counts(found, "active", "succeeded", "failed") == [0, 0, 1]
        assert "completionTime" not in found["status"]
        assert conditions(found)["FailureTarget"] == ("True", "PodFailurePolicy")

    async def test_out_of_attempts(self, world: World) -> None:
        manifest = job(world.namespace, suspend=False, backoffLimit=0)
        await world.cluster.apply(manifest, manager="v")
        await until_status(world, manifest, {"active": 1})
        await world.end_pod(TRAINING, 1)
        found = await until_status(world, manifest, {"Failed": ("True", "BackoffLimitExceeded")})
        assert counts(found, "active", "failed") == [0, 1]

    async def test_pods_stay_to_be_read(self, world: World) -> None:
        manifest = job(world.namespace, suspend=False, backoffLimit=0)
        await world.cluster.apply(manifest, manager="v")
        await until_status(world, manifest, {"active": 1})
        await world.end_pod(TRAINING, 1)
        await until_status(world, manifest, {"Failed": ("True", "BackoffLimitExceeded")})
        [pod] = await pods(world, {"job-name": TRAINING})
        assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 1
