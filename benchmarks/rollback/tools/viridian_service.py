"""Viridian, where the numbers of pods behind a Service make the weight."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.rollback.application import PORT, Model
from benchmarks.rollback.figures import BOUND
from benchmarks.rollback.tool import NAME, REPLICAS, TRIAL_SECONDS, WEIGHT, Decision, Serving, World, service_address
from benchmarks.rollback.traffic import Target
from demo import stage
from demo.kubectl import wait_for
from localcluster.residue import pod_cgroups
from tests.support.kube import Object, condition
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT


@dataclass
class ViridianApplication:
    """A ModelDeployment. Each version that is shipped is a revision of its own, also with the files of another one."""

    world: World
    traffic: Object = field(default_factory=dict)
    """`spec.traffic`."""
    gateway: Target | None = None
    """Whom users ask, where that is not the live Service."""
    trial_seconds: int = TRIAL_SECONDS
    _now: tuple[Model, str] | None = None
    _champion: tuple[Model, str] | None = None
    _before: str = ""
    """The champion's revision before the newest version was shipped."""

    def target(self) -> Target:
        return self.gateway or Target(service_address(self.world), PORT)

    def ship(self, model: Model, revision: str) -> None:
        self._champion = self._now
        self._before = str((self._status().get("champion") or {}).get("revision", ""))
        self._apply(model, revision)

    def give_up(self) -> None:
        if self._champion is not None and self.decision() is not Decision.PROMOTED:
            self._apply(*self._champion)

    def decision(self) -> Decision:
        status = self._status()
        if (status.get("champion") or {}).get("revision", "") != self._before:
            return Decision.PROMOTED
        stalled = condition({"status": status}, "Stalled")
        is_new = status.get("observedGeneration") == self._generation()
        return Decision.REJECTED if is_new and stalled.get("reason") == "RevisionRejected" else Decision.NONE

    def at_rest(self) -> bool:
        ready = condition({"status": self._status()}, "Ready")
        pods = self.world.kube.list("v1", "Pod", self.world.namespace, f"viridian.dev/model-deployment={NAME}")
        settled = condition({"status": self._status()}, "Reconciling").get("status") != "True"
        leaving = any(pod["metadata"].get("deletionTimestamp") for pod in pods)
        return ready.get("status") == "True" and settled and not leaving

    def processes(self) -> Mapping[str, list[int]]:
        pods = self.world.kube.list("v1", "Pod", "viridian-system", "app.kubernetes.io/component=operator")
        return {"operator": [pid for pod in pods for pid in pids_of(pod["metadata"]["uid"])]}

    def _apply(self, model: Model, revision: str) -> None:
        self._now = (model, revision)
        self.world.apply(self.world.object(API_VERSION, MODEL_DEPLOYMENT, self._spec(model, revision)))

    def _spec(self, model: Model, revision: str) -> dict[str, Any]:
        # Six applications at once do not fit two cores by the default request; pods of the other tools ask for none.
        resources = {"requests": {"cpu": "10m"}}
        server = {"name": "server", "env": [{"name": "TRIAL", "value": revision}], "resources": resources}
        return {
            "model": {"uri": model.uri, "digest": model.digest},
            "server": {"replicas": REPLICAS - 1, "template": {"spec": {"containers": [server]}}},
            "rollout": {
                "steps": [{"name": "trial", "weight": WEIGHT, "duration": f"{self.trial_seconds}s"}],
                "maxSurge": 1,
                "probation": "1s",
                "analysis": {"interval": "1s", "metrics": [{"name": "error-rate", "max": BOUND}]},
            },
            **({"traffic": self.traffic} if self.traffic else {}),
        }

    def _status(self) -> Object:
        return self.world.read(API_VERSION, MODEL_DEPLOYMENT).get("status") or {}

    def _generation(self) -> int:
        return int(self.world.read(API_VERSION, MODEL_DEPLOYMENT)["metadata"]["generation"])


@dataclass(frozen=True)
class ViridianService:
    """The operator as users install it, in its own pods."""

    name: str = "viridian-service"

    def serving(self, world: World, first: Model) -> AbstractContextManager[Serving]:
        return self.application(world, first)

    @contextmanager
    def application(
        self, world: World, first: Model, trial_seconds: int = TRIAL_SECONDS
    ) -> Iterator[ViridianApplication]:
        """With trials of this length."""
        stage.install_operator(world.kubectl)
        with served(ViridianApplication(world, trial_seconds=trial_seconds), first) as application:
            yield application


@contextmanager
def served(application: ViridianApplication, first: Model) -> Iterator[ViridianApplication]:
    """With a first version that serves; the ModelDeployment is gone afterwards."""
    application.ship(first, "first")
    try:
        wait_for(application.at_rest, "the first version", timeout=180)
        yield application
    finally:
        application.world.kubectl("delete", f"modeldeployment/{NAME}", "--ignore-not-found", "--wait=true")


def pids_of(pod_uid: str) -> list[int]:
    """The processes of a pod's containers, from its control groups."""
    marks = (pod_uid, pod_uid.replace("-", "_"))
    pids: set[int] = set()
    # Pods of other applications end meanwhile, and their folders with them: `walk` goes on.
    for folder, _, files in (found for top in pod_cgroups() for found in os.walk(top)):
        if "cgroup.procs" in files and any(mark in folder for mark in marks):
            pids |= {int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split()}
    return sorted(pids)
