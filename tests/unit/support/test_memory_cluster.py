"""What the in-memory cluster does beyond the port: its controllers, and the faults that a test asks for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cluster.deployments import NEVER_READY, condition, fetch_fails, is_ready, slow
from tests.support.memory_cluster import Fault, Killed, ManualClock, MemoryCluster, Outcome
from viridian.ports.cluster import ClusterConflict, ClusterUnavailable, Object, ObjectRef

LABELS = {"app": "churn"}


def deployment(replicas: int = 2, image: str = "server:1", **spec: Any) -> Object:
    container = {"name": "server", "image": image}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "churn-blue", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def job(**spec: Any) -> Object:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "train", "image": "trainer:1"}]}}
    metadata = {"name": "weekly-1", "namespace": "default", "labels": {"stage": "training"}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template, **spec}}


def config_map(name: str) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cluster(clock: ManualClock) -> MemoryCluster:
    return MemoryCluster(clock)


def status(cluster: MemoryCluster, kind: str = "Deployment", name: str = "churn-blue") -> Object:
    found = cluster.find(kind, name)
    assert found is not None
    return dict(found.get("status", {}))


class TestDeployments:
    def test_pods_become_ready_and_are_counted(self, cluster: MemoryCluster) -> None:
        cluster.create(deployment(3))
        cluster.run_controllers()
        assert status(cluster)["availableReplicas"] == 3
        assert status(cluster)["observedGeneration"] == 1
        pods = cluster.ready_pods(LABELS)
        assert len({pod["status"]["podIP"] for pod in pods}) == 3

    def test_at_rest_nothing_moves(self, cluster: MemoryCluster, clock: ManualClock) -> None:
        cluster.create(deployment())
        cluster.run_controllers()
        before = cluster.present().version
        clock.advance(3600)
        cluster.run_controllers()
        assert cluster.present().version == before

    def test_slow_pods_take_their_time(self, cluster: MemoryCluster, clock: ManualClock) -> None:
        cluster.readiness["churn-blue"] = slow(30)
        cluster.create(deployment())
        cluster.run_controllers()
        assert "readyReplicas" not in status(cluster)
        clock.advance(30)
        cluster.run_controllers()
        assert status(cluster)["readyReplicas"] == 2

    def test_pods_that_never_become_ready_exceed_the_deadline(self, cluster: MemoryCluster, clock: ManualClock) -> None:
        cluster.readiness["churn-blue"] = NEVER_READY
        cluster.create(deployment(progressDeadlineSeconds=60))
        cluster.run_controllers()
        assert condition({"status": status(cluster)}, "Progressing")["status"] == "True"
        clock.advance(61)
        cluster.run_controllers()
        assert condition({"status": status(cluster)}, "Progressing")["reason"] == "ProgressDeadlineExceeded"

    def test_a_failing_init_container_says_why(self, cluster: MemoryCluster) -> None:
        cluster.readiness["churn-blue"] = fetch_fails("the digest differs")
        manifest = deployment()
        manifest["spec"]["template"]["spec"]["initContainers"] = [{"name": "fetch", "image": "server:1"}]
        cluster.create(manifest)
        cluster.run_controllers()
        [init] = cluster.all("Pod")[0]["status"]["initContainerStatuses"]
        assert init["lastState"]["terminated"]["message"] == "the digest differs"

    def test_another_template_replaces_pods_without_ever_having_too_few(self, cluster: MemoryCluster) -> None:
        cluster.create(deployment(3))
        cluster.run_controllers()
        start = len(cluster.worlds)
        cluster.create(deployment(3, image="server:2"))
        cluster.run_controllers()
        assert {pod["spec"]["containers"][0]["image"] for pod in cluster.all("Pod")} == {"server:2"}
        for world in cluster.worlds[start:]:
            pods = [o for r, o in world.objects.items() if r.kind == "Pod"]
            assert sum(map(is_ready, pods)) >= 3, world.cause

    def test_scaling_down_keeps_ready_pods(self, cluster: MemoryCluster) -> None:
        cluster.create(deployment(3))
        cluster.run_controllers()
        sick = cluster.all("Pod")[0]["metadata"]["name"]
        cluster.readiness[sick] = NEVER_READY
        cluster.run_controllers()
        assert status(cluster)["readyReplicas"] == 2
        cluster.create(deployment(2))
        cluster.run_controllers()
        assert sick not in {pod["metadata"]["name"] for pod in cluster.all("Pod")}

    def test_pods_go_with_their_deployment(self, cluster: MemoryCluster) -> None:
        cluster.create(deployment())
        cluster.run_controllers()
        cluster.remove("Deployment", "churn-blue")
        cluster.run_controllers()
        assert cluster.all("Pod") == []


class TestJobs:
    def test_success_carries_the_message(self, cluster: MemoryCluster) -> None:
        cluster.outcomes["training"] = Outcome(message='{"metrics": {}}')
        cluster.create(job())
        cluster.run_controllers()
        assert status(cluster, "Job", "weekly-1")["succeeded"] == 1
        assert condition({"status": status(cluster, "Job", "weekly-1")}, "Complete")["status"] == "True"
        [pod] = cluster.all("Pod", {"job-name": "weekly-1"})
        assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] == '{"metrics": {}}'

    def test_runs_on_until_the_test_decides(self, cluster: MemoryCluster) -> None:
        cluster.create(job())
        cluster.run_controllers()
        assert status(cluster, "Job", "weekly-1")["active"] == 1

    def test_retries_up_to_the_backoff_limit(self, cluster: MemoryCluster) -> None:
        cluster.outcomes["*"] = [Outcome(exit_code=1), Outcome(exit_code=1), Outcome()]
        cluster.create(job(backoffLimit=2))
        cluster.run_controllers()
        assert status(cluster, "Job", "weekly-1")["failed"] == 2
        assert status(cluster, "Job", "weekly-1")["succeeded"] == 1

    def test_fails_beyond_the_backoff_limit(self, cluster: MemoryCluster) -> None:
        cluster.outcomes["*"] = Outcome(exit_code=1)
        cluster.create(job(backoffLimit=1))
        cluster.run_controllers()
        assert condition({"status": status(cluster, "Job", "weekly-1")}, "Failed")["reason"] == "BackoffLimitExceeded"

    def test_exit_codes_of_the_policy_fail_it_at_once(self, cluster: MemoryCluster) -> None:
        rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [64, 65]}}
        cluster.outcomes["*"] = Outcome(exit_code=64)
        cluster.create(job(podFailurePolicy={"rules": [rule]}))
        cluster.run_controllers()
        assert condition({"status": status(cluster, "Job", "weekly-1")}, "Failed")["reason"] == "PodFailurePolicy"
        assert status(cluster, "Job", "weekly-1")["failed"] == 1

    def test_the_container_acts_once(self, cluster: MemoryCluster) -> None:
        acted: list[str] = []
        cluster.outcomes["*"] = Outcome(effect=lambda found: acted.append(found["metadata"]["name"]))
        cluster.create(job())
        cluster.run_controllers()
        cluster.run_controllers()
        assert acted == ["weekly-1"]


class TestFaults:
    async def test_killed_after_a_write_it_has_happened(self, cluster: MemoryCluster) -> None:
        cluster.faults.on_write(2, Fault.KILL_AFTER)
        await cluster.apply(config_map("one"), manager="viridian")
        with pytest.raises(Killed):
            await cluster.apply(config_map("two"), manager="viridian")
        assert cluster.find("ConfigMap", "two") is not None

    async def test_killed_before_a_write_it_has_not(self, cluster: MemoryCluster) -> None:
        cluster.faults.on_write(1, Fault.KILL_BEFORE)
        with pytest.raises(Killed):
            await cluster.apply(config_map("one"), manager="viridian")
        assert cluster.find("ConfigMap", "one") is None

    async def test_an_answer_is_lost_after_the_write(self, cluster: MemoryCluster) -> None:
        cluster.faults.on_write(1, Fault.LOSE_ANSWER)
        with pytest.raises(ClusterUnavailable):
            await cluster.apply(config_map("one"), manager="viridian")
        assert cluster.find("ConfigMap", "one") is not None

    async def test_rules_by_kind_fire_as_often_as_told(self, cluster: MemoryCluster) -> None:
        cluster.faults.on(lambda call: call.kind == "ConfigMap", Fault.CONFLICT, times=2)
        for _ in range(2):
            with pytest.raises(ClusterConflict):
                await cluster.apply(config_map("one"), manager="viridian")
        await cluster.apply(config_map("one"), manager="viridian")
        assert [str(call) for call in cluster.writes] == ["apply ConfigMap one"] * 3

    async def test_reads_from_an_older_world(self, cluster: MemoryCluster) -> None:
        old = cluster.present()
        cluster.create(config_map("one"))
        reference = ObjectRef("v1", "ConfigMap", "default", "one")
        cluster.reads_from = old
        assert await cluster.get(reference) is None
        cluster.reads_from = None
        assert await cluster.get(reference) is not None

    async def test_the_same_events_are_told_once_per_call(self, cluster: MemoryCluster) -> None:
        await cluster.record_event(cluster.create(config_map("one")), kind="Normal", reason="Made", message="It is.")
        assert cluster.events() == [("Normal", "Made", "It is.")]
