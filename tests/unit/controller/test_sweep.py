"""Sweeps: what is at rest gets no pass, and whatever is not as it should be gets one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.memory_cluster import Call, Fault, MemoryCluster
from tests.support.memory_collector import MemoryBundles
from tests.support.virtual_time import run_virtually
from tests.unit.controller.world import ToldPods, model_deployment
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.controller import sweep
from viridian.controller.environment import Environment
from viridian.controller.keys import Key
from viridian.controller.loop import Loop, assemble
from viridian.controller.telemetry import Telemetry
from viridian.core.urgency import Urgency
from viridian.ports.cluster import Object
from viridian.rollout.input import OperatorSettings

CHURN, OTHER = (Key(MODEL_DEPLOYMENT, "default", name) for name in ("churn", "other"))
POLICY = Key(RETRAIN_POLICY, "default", "weekly")
LONG = 30.0
"""Seconds after which everything has come to rest."""


def retrain_policy() -> Object:
    training = {"template": {"spec": {"containers": [{"name": "t", "image": "t:1"}]}}}
    return {
        "apiVersion": API_VERSION,
        "kind": RETRAIN_POLICY,
        "metadata": {"name": POLICY.name, "namespace": POLICY.namespace},
        "spec": {"modelDeployment": "churn", "stages": {"training": training}},
    }


class Installation:
    """A cluster in which everything is at rest, and the loop of one operator process after the other."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        self.pods = ToldPods()
        self.telemetry = Telemetry()
        self.told: Callable[[str, Object], None] = lambda *_: None
        self.cluster.on_change.append(lambda type_, object_: self.told(type_, object_))

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[Loop]:
        """One process; its watches begin with what is there."""
        loop = self.assembled()
        loop.start(workers=2)
        try:
            yield loop
        finally:
            await loop.stop()

    def assembled(self) -> Loop:
        environment = Environment(
            cluster=self.cluster,
            registry=None,
            pods=self.pods,
            bundles=MemoryBundles(),
            feedback=None,
            clock=self.cluster.clock,
            random=lambda: 1.0,
        )
        self.telemetry = Telemetry()
        loop = assemble(environment, OperatorSettings(server_image="server:1"), self.telemetry)

        def hear(type_: str, object_: Object) -> None:
            if object_["kind"] in (MODEL_DEPLOYMENT, RETRAIN_POLICY):
                loop.wakes.own(object_["kind"], object_, deleted=type_ == "DELETED")
            else:
                loop.wakes.child(object_["kind"], object_, deleted=type_ == "DELETED")

        self.told = hear
        for _, found in self.cluster.store.objects():
            hear("ADDED", found)
        return loop

    def looks(self, result: str) -> dict[str, int]:
        """How often sweeps have found this, by reconciler."""
        samples = [one for metric in self.telemetry.registry.collect() for one in metric.samples]
        return {
            one.labels["reconciler"]: int(one.value)
            for one in samples
            if one.name == "viridian_sweep_looks_total" and one.labels["result"] == result
        }

    def passes(self) -> set[Key]:
        """Of which objects there were passes."""
        gets = [
            call
            for call in self.cluster.calls
            if call.verb == "get" and call.kind in (MODEL_DEPLOYMENT, RETRAIN_POLICY)
        ]
        return {Key(call.kind, call.namespace, call.name) for call in gets}

    def lists(self, kind: str) -> int:
        return sum(1 for call in self.cluster.calls if (call.verb, call.kind) == ("list", kind))


async def settled(cluster: MemoryCluster) -> None:
    """Time for the workers, in turn with the cluster's own controllers."""
    for _ in range(20):
        await asyncio.sleep(0.5)
        cluster.run_controllers()


async def at_rest(*models: str) -> Installation:
    """An installation with these models, all of them served, and no operator."""
    installation = Installation()
    async with installation.operator():
        for name in models:
            installation.cluster.create(model_deployment(name))
        await settled(installation.cluster)
    installation.cluster.forget_calls()
    return installation


def test_after_a_restart_what_is_at_rest_has_no_pass() -> None:
    async def main() -> None:
        installation = await at_rest("churn", "other", "third")
        installation.cluster.create(retrain_policy())
        async with installation.operator():
            await settled(installation.cluster)
        installation.cluster.forget_calls()
        async with installation.operator() as loop:
            await asyncio.sleep(LONG)
            assert installation.cluster.writes == []
            # A look at a policy reads its model by name.
            assert installation.passes() == {CHURN}
            assert len(installation.cluster.calls) == 1 + 2 + 7 + 4 + 1 + 1
            assert set(installation.looks("pass").values()) == {0}
            looks = {"rollout": 3, "monitoring": 3, "registry-sync": 3, "retraining": 1}
            assert installation.looks("at_rest") == {**looks, "trail": 3, "trail-of-policies": 1}
            assert loop.sweeps.known() == {CHURN, OTHER, Key(MODEL_DEPLOYMENT, "default", "third"), POLICY}

    run_virtually(main())


class SkewedPods(ToldPods):
    """Pods that were started with another definition of features than any version."""

    async def served_features(self, targets: Any) -> dict[str, str]:
        return {target.uid: f"sha256:{'f' * 64}" for target in targets}


def test_a_sweep_asks_no_pod_and_keeps_what_pods_have_shown() -> None:
    async def main() -> None:
        installation = await at_rest("churn")
        (record,) = (one for one in installation.cluster.all("ControllerRevision") if "model" in one.get("data", {}))
        made_with = {**record["data"]["model"], "features": f"sha256:{'0' * 64}"}
        installation.cluster.remove("ControllerRevision", record["metadata"]["name"])
        kept = {
            key: record["metadata"][key] for key in ("name", "namespace", "labels", "annotations", "ownerReferences")
        }
        installation.cluster.create({**record, "metadata": kept, "data": {**record["data"], "model": made_with}})
        installation.pods = SkewedPods()
        async with installation.operator():
            installation.cluster.annotate(MODEL_DEPLOYMENT, "churn", looked="1")
            await settled(installation.cluster)
        shown = installation.cluster.find(MODEL_DEPLOYMENT, "churn")
        assert shown is not None
        assert "FeatureSkew" in [one["reason"] for one in shown["status"]["conditions"]]
        installation.cluster.forget_calls()
        async with installation.operator():
            await asyncio.sleep(LONG)
            assert installation.cluster.writes == []
            assert set(installation.looks("pass").values()) == {0}
        assert installation.cluster.find(MODEL_DEPLOYMENT, "churn") == shown

    run_virtually(main())


def test_the_sweep_notes_what_a_pass_would_have_noted() -> None:
    async def main() -> None:
        installation = await at_rest("churn")
        async with installation.operator() as loop:
            await asyncio.sleep(LONG)
            metrics = b"".join(loop.telemetry.exposition())
            loop.sweeps.request_pass(CHURN)
            await asyncio.sleep(LONG)
            after = b"".join(loop.telemetry.exposition())
            figures = [line for line in metrics.splitlines() if line.startswith(b"viridian_model")]
            assert figures
            assert figures == [line for line in after.splitlines() if line.startswith(b"viridian_model")]
            installation.cluster.forget_calls()
            found = installation.cluster.find(MODEL_DEPLOYMENT, "churn") or {}
            installation.told("MODIFIED", found)
            await asyncio.sleep(1)
            assert installation.passes() == set(), "the status is as this process knows it"

    run_virtually(main())


def without(kind: str, name: str) -> Callable[[MemoryCluster], None]:
    return lambda cluster: cluster.remove(kind, name)


def edited(kind: str, name: str, change: Callable[[Object], Any]) -> Callable[[MemoryCluster], None]:
    def edit(found: Object) -> None:
        change(found)

    return lambda cluster: (cluster.edit(kind, name, edit), None)[1]


def taken_by_a_stranger(cluster: MemoryCluster) -> None:
    cluster.remove("PodDisruptionBudget", "churn-blue")
    stranger = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "churn-blue", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "theirs"}}},
    }
    cluster.create(stranger)


def without_records(cluster: MemoryCluster) -> None:
    for record in cluster.all("ControllerRevision"):
        if record["metadata"]["labels"]["viridian.dev/model-deployment"] == "churn":
            cluster.remove("ControllerRevision", record["metadata"]["name"])


def without_pods(cluster: MemoryCluster) -> None:
    for pod in cluster.all("Pod", {"viridian.dev/model-deployment": "churn"}):
        cluster.remove("Pod", pod["metadata"]["name"])


DIFFERENCES = {
    "Service gone": without("Service", "churn"),
    "Deployment gone": without("Deployment", "churn-blue"),
    "Deployment scaled": edited("Deployment", "churn-blue", lambda found: found["spec"].update(replicas=7)),
    "Service points elsewhere": edited("Service", "churn", lambda found: found["spec"].update(selector={"app": "x"})),
    "owner's label gone": edited("Service", "churn", lambda found: found["metadata"].pop("labels")),
    "records gone": without_records,
    "stranger with the name of a child": taken_by_a_stranger,
    "pods gone": without_pods,
    "spec": edited(MODEL_DEPLOYMENT, "churn", lambda found: found["spec"].update(server={"replicas": 3})),
    "status gone": edited(MODEL_DEPLOYMENT, "churn", lambda found: found.update(status={})),
    "status tampered": edited(MODEL_DEPLOYMENT, "churn", lambda found: found["status"]["champion"].update(uri="x")),
    "deletion": edited(MODEL_DEPLOYMENT, "churn", lambda found: found["metadata"].update(finalizers=["x/y"])),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_difference_is_looked_at_by_a_pass(name: str) -> None:
    async def main() -> None:
        installation = await at_rest("churn", "other")
        DIFFERENCES[name](installation.cluster)
        if name == "deletion":
            installation.cluster.remove(MODEL_DEPLOYMENT, "churn")
        async with installation.operator():
            await asyncio.sleep(LONG)
            assert installation.passes() == {CHURN}

    run_virtually(main())


def test_pages_of_lists_hold_every_object_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "PAGE_SIZE", 2)

    async def main() -> None:
        installation = await at_rest("a", "b", "c", "d", "e")
        async with installation.operator():
            await asyncio.sleep(LONG)
            assert installation.passes() == set()
            assert installation.looks("at_rest")["rollout"] == 5
            assert installation.lists(MODEL_DEPLOYMENT) == 2 * 3, "first all models are seen, for the registry's sake"
            assert installation.lists("Service") == 3

    run_virtually(main())


def test_children_that_cannot_be_listed_leave_the_page_to_passes() -> None:
    async def main() -> None:
        installation = await at_rest("churn", "other")
        installation.cluster.faults.on(lambda call: (call.verb, call.kind) == ("list", "Service"), Fault.REFUSED)
        async with installation.operator():
            await asyncio.sleep(LONG)
            assert installation.passes() == {CHURN, OTHER}
            assert installation.cluster.writes == []

    run_virtually(main())


def test_kinds_that_may_not_be_listed_leave_what_is_known_to_passes() -> None:
    async def main() -> None:
        installation = await at_rest("churn")
        refused = Fault.REFUSED
        installation.cluster.faults.on(lambda call: call.verb == "list" and call.kind == MODEL_DEPLOYMENT, refused, 2)
        async with installation.operator():
            await asyncio.sleep(LONG)
            assert installation.passes() == {CHURN}

    run_virtually(main())


def test_an_outage_delays_the_first_sweep_and_no_more() -> None:
    async def main() -> None:
        installation = await at_rest("churn")
        installation.cluster.faults.outage = True
        async with installation.operator():
            await asyncio.sleep(LONG)
            installation.cluster.faults.outage = False
            await asyncio.sleep(2 * sweep.RETRY_SECONDS)
            assert installation.looks("at_rest")["rollout"] == 1
            assert installation.passes() == set()

    run_virtually(main())


def test_what_concerns_users_waits_for_no_sweep() -> None:
    async def main() -> None:
        installation = await at_rest("churn", "other")
        conditions = [
            {"type": "Ready", "status": "True", "reason": "Probation", "message": "", "lastTransitionTime": ""}
        ]
        installation.cluster.edit(
            MODEL_DEPLOYMENT, "churn", lambda found: found["status"].update(conditions=conditions)
        )
        loop = installation.assembled()
        waiting = {one.name: one.queue.depth_of(Urgency.AT_STAKE) for one in loop.controllers}
        of_models = {"rollout": 1, "monitoring": 1, "registry-sync": 1, "trail": 1}
        assert waiting == {**of_models, "retraining": 0, "trail-of-policies": 0}
        assert sum(one.queue.depth for one in loop.controllers) == 4

    run_virtually(main())


def during(cluster: MemoryCluster, kind: str, act: Callable[[], None]) -> None:
    """Do this while the first list of that kind is on its way."""

    def before(call: Call) -> None:
        if (call.verb, call.kind) == ("list", kind):
            cluster.before_call = None
            act()

    cluster.before_call = before


@pytest.mark.parametrize("while_reading", [MODEL_DEPLOYMENT, "Service"])
def test_what_happens_while_a_page_is_read_gets_a_pass(while_reading: str) -> None:
    """The page may be older."""

    async def main() -> None:
        installation = await at_rest("churn", "other")
        service = installation.cluster.find("Service", "churn") or {}
        async with installation.operator():
            during(installation.cluster, while_reading, lambda: installation.told("MODIFIED", service))
            await asyncio.sleep(LONG)
            assert installation.passes() == {CHURN}

    run_virtually(main())


def test_an_object_that_appears_behind_the_sweep_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        installation = await at_rest("other", "churn")
        found = installation.cluster.find(MODEL_DEPLOYMENT, "churn") or {}
        early = {**found, "metadata": {**found["metadata"], "name": "a-first"}}
        async with installation.operator():
            during(installation.cluster, "Service", lambda: installation.told("ADDED", early))
            await asyncio.sleep(LONG)
            assert installation.passes() == {Key(MODEL_DEPLOYMENT, "default", "a-first")}

    run_virtually(main())


def test_a_sweep_that_was_cut_is_made_again_by_the_next_leader() -> None:
    async def main() -> None:
        installation = await at_rest("churn", "other")
        loop = installation.assembled()
        reached = asyncio.Event()
        during(installation.cluster, "Service", reached.set)
        loop.start(workers=2)
        await reached.wait()
        await loop.stop()
        assert set(installation.looks("at_rest").values()) == {0}
        installation.cluster.remove("Service", "churn")
        installation.cluster.forget_calls()
        loop.start(workers=2)
        await asyncio.sleep(LONG)
        assert installation.passes() == {CHURN}
        assert installation.cluster.find("Service", "churn") is not None
        assert installation.looks("at_rest")["rollout"] == 1
        await loop.stop()

    run_virtually(main())


def test_only_a_leader_sweeps() -> None:
    async def main() -> None:
        installation = await at_rest("churn")
        installation.assembled()
        await asyncio.sleep(LONG)
        assert installation.cluster.calls == []

    run_virtually(main())
