"""The assembled loop with its real queue, on the cluster in memory, in virtual time: a RetrainPolicy and its model.

The cluster's controllers, the trainer and the users act twice a second; changes reach the loop as a watch would
tell them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.access import ACCESS
from tests.support.memory_cluster import MemoryCluster, Outcome
from tests.support.memory_collector import MemoryBundles, MemoryCollector
from tests.support.memory_pods import MemoryPods
from tests.support.memory_prometheus import MemoryPrometheus
from tests.support.memory_registry import MemoryRegistry
from tests.support.memory_streams import MemoryStreams
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, RETRAIN_POLICY, RUN_ANNOTATION
from viridian.api.registry import TAG_HOLDOUT
from viridian.controller.environment import Environment
from viridian.controller.loop import Loop, assemble
from viridian.controller.telemetry import Telemetry
from viridian.ports.cluster import Object
from viridian.rollout.input import OperatorSettings

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
TICK = 0.5
SETTINGS = OperatorSettings(server_image="server:1", mlflow_uri="http://mlflow:5000", access=ACCESS)


class LoopAtWork:
    """Needs a running event loop in virtual time."""

    def __init__(
        self, *, settings: OperatorSettings = SETTINGS, own_registries: Mapping[str, MemoryRegistry] | None = None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.cluster = MemoryCluster(lambda: START + timedelta(seconds=loop.time()))
        self.registry, self.collector = MemoryRegistry(), MemoryCollector()
        self.prometheus = MemoryPrometheus()
        self.pods = MemoryPods(self.cluster)
        self.streams = MemoryStreams(self.pods)
        said = json.dumps({"metrics": {"auc": 0.9}, "holdout": "sha256:h"})
        self.cluster.outcomes["*"] = Outcome(0, said, after=5, effect=self._train)
        self._environment = Environment(
            cluster=self.cluster,
            registry=self.registry,
            own_registries=own_registries or {},
            pods=self.pods,
            streams=self.streams,
            bundles=MemoryBundles(),
            feedback=self.collector,
            prometheus=self.prometheus,
            clock=self.cluster.clock,
            random=lambda: 0.5,
        )
        self._settings = settings
        self.loop: Loop = assemble(self._environment, settings, Telemetry())
        self.cluster.on_change.append(self._hear)

    async def restart(self, workers: int = 4) -> None:
        """The process ends, and another one begins with what its watches list."""
        await self.loop.stop()
        self.loop = assemble(self._environment, self._settings, Telemetry())
        for kind in (MODEL_DEPLOYMENT, RETRAIN_POLICY):
            for found in self.cluster.all(kind):
                self.loop.wakes.own(kind, found, deleted=False)
        self.loop.start(workers)

    # ---- what people do

    def deploy(self, name: str = "churn", **spec: Any) -> None:
        """A ModelDeployment that follows the alias `candidate` of the model of its name."""
        model = {"registry": {"name": name, "alias": "candidate"}}
        self.cluster.create(_object(MODEL_DEPLOYMENT, name, {"model": model, **spec}))

    def policy(self, name: str = "churn", **spec: Any) -> None:
        """A RetrainPolicy for the ModelDeployment of its name."""
        container = {"name": "train", "image": "ghcr.io/acme/churn-train:1.4"}
        training = {"template": {"spec": {"containers": [container]}}}
        whole = {"modelDeployment": name, "stages": {"training": training}, **spec}
        self.cluster.create(_object(RETRAIN_POLICY, name, whole))

    def ask(self, value: str, name: str = "churn") -> None:
        """Somebody asks for a run."""
        self.cluster.annotate(RETRAIN_POLICY, name, **{RUN_ANNOTATION: value})

    # ---- what can be seen

    def status(self, kind: str, name: str = "churn") -> Mapping[str, Any]:
        found = self.cluster.find(kind, name) or {}
        return found.get("status") or {}

    def condition(self, kind: str, type_: str, name: str = "churn") -> Mapping[str, Any]:
        conditions = self.status(kind, name).get("conditions", ())
        return next((c for c in conditions if c["type"] == type_), {})

    async def until(self, condition: Callable[[], bool], *, most: float) -> None:
        """Wait for the condition; after `most` seconds the test has failed."""
        async with asyncio.timeout(most):
            while not condition():  # noqa: ASYNC110 - it happens in tasks of the code under test
                await asyncio.sleep(TICK)

    # ---- the cluster and the trainer

    async def live(self) -> None:
        """The cluster's controllers and the users, until cancelled."""
        while True:
            self.cluster.run_controllers()
            self.pods.pass_time(TICK)
            await self.streams.tell()
            await asyncio.sleep(TICK)

    def _train(self, job: Object) -> None:
        variables = {v["name"]: v.get("value") for v in job["spec"]["template"]["spec"]["containers"][0]["env"]}
        run = str(variables["MLFLOW_RUN_ID"])
        self.registry.log(run, metrics={"auc": 0.9}, tags={TAG_HOLDOUT: "sha256:h"}, model_uri=f"models:/m-{run}")

    def _hear(self, type_: str, object_: Object) -> None:
        if object_["kind"] in (MODEL_DEPLOYMENT, RETRAIN_POLICY):
            self.loop.wakes.own(object_["kind"], object_, deleted=type_ == "DELETED")
        else:
            self.loop.wakes.child(object_["kind"], object_)


@asynccontextmanager
async def at_work(
    *,
    workers: int = 4,
    settings: OperatorSettings = SETTINGS,
    own_registries: Mapping[str, MemoryRegistry] | None = None,
) -> AsyncIterator[LoopAtWork]:
    """The loop, working."""
    world = LoopAtWork(settings=settings, own_registries=own_registries)
    world.loop.start(workers)
    living = asyncio.create_task(world.live())
    try:
        yield world
    finally:
        living.cancel()
        await asyncio.wait([living])
        await world.loop.stop()


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": dict(spec),
    }
