"""Argo Rollouts, where the numbers of pods behind a Service make the weight, with a background analysis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.rollback.application import PORT, Model, pod_template
from benchmarks.rollback.figures import BOUND
from benchmarks.rollback.prometheus import Source, error_share, prometheus
from benchmarks.rollback.tool import (
    NAME,
    REPLICAS,
    TRIAL_SECONDS,
    WEIGHT,
    Decision,
    Serving,
    World,
    await_kind,
    running,
    service_address,
)
from benchmarks.rollback.traffic import Target
from demo.kubectl import wait_for
from localcluster.binaries import program
from localcluster.builder import ensure
from localcluster.gomodules import downloaded
from localcluster.ports import free_ports
from localcluster.processes import Process
from tests.support.kube import Object

API_VERSION = "argoproj.io/v1alpha1"
MODULE = "github.com/argoproj/argo-rollouts"
VERSION = "v1.10.1"
LABELS = {"app": NAME}
WINDOW_SECONDS = 60
# A pod that was asked nothing yet gives no number, and a condition about none is an error.
SUCCESS = f"len(result) == 0 || isNaN(result[0]) || result[0] <= {BOUND}"


@dataclass
class ArgoApplication:
    """A Rollout."""

    world: World
    controller: Process
    source: Source
    _now: tuple[Model, str] | None = None
    _stable: tuple[Model, str] | None = None

    def target(self) -> Target:
        return Target(service_address(self.world), PORT)

    def ship(self, model: Model, revision: str) -> None:
        self._stable = self._now
        self._apply(model, revision)

    def give_up(self) -> None:
        if self._stable is not None and self.decision() is not Decision.PROMOTED:
            self._apply(*self._stable)

    def decision(self) -> Decision:
        rollout = self._rollout()
        status = rollout.get("status") or {}
        if str(status.get("observedGeneration", "")) != str(rollout["metadata"]["generation"]):
            return Decision.NONE
        if status.get("abort"):
            return Decision.REJECTED
        is_stable = status.get("stableRS") and status.get("stableRS") == status.get("currentPodHash")
        return Decision.PROMOTED if is_stable else Decision.NONE

    def at_rest(self) -> bool:
        status = self._rollout().get("status") or {}
        pods = self.world.kube.list("v1", "Pod", self.world.namespace)
        leaving = any(pod["metadata"].get("deletionTimestamp") for pod in pods)
        return status.get("phase") == "Healthy" and status.get("replicas") == REPLICAS and not leaving

    def processes(self) -> Mapping[str, list[int]]:
        return {"controller": [self.controller.pid], "prometheus": [self.source.pid]}

    def _rollout(self) -> Object:
        return self.world.read(API_VERSION, "Rollout")

    def _apply(self, model: Model, revision: str) -> None:
        self._now = (model, revision)
        spec = {
            "replicas": REPLICAS,
            "selector": {"matchLabels": LABELS},
            "template": pod_template(model, revision, LABELS),
            "strategy": {"canary": _canary()},
        }
        self.world.apply(self.world.object(API_VERSION, "Rollout", spec))


def _canary() -> dict[str, Any]:
    newest = {"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}
    return {
        "maxSurge": 1,
        "maxUnavailable": 0,
        "steps": [{"setWeight": WEIGHT}, {"pause": {"duration": f"{TRIAL_SECONDS}s"}}],
        "analysis": {"templates": [{"templateName": "errors"}], "args": [newest]},
    }


@dataclass(frozen=True)
class ArgoRollouts:
    """Its controller runs as a program beside the cluster, with the rights of an administrator."""

    failure_limit: int

    @property
    def name(self) -> str:
        return f"argo-limit-{self.failure_limit}"

    @contextmanager
    def serving(self, world: World, first: Model) -> Iterator[Serving]:
        ensure(["rollouts-controller"])
        crds = downloaded("argo-rollouts", MODULE, VERSION) / "manifests" / "crds"
        world.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(crds))
        for kind in ("rollouts", "analysistemplates", "analysisruns"):
            await_kind(world, f"{kind}.argoproj.io")
        with (
            prometheus(world) as source,
            running("rollouts-controller", self._command(world), world.folder / f"{self.name}.log") as controller,
        ):
            world.apply(self._analysis(world, source))
            world.apply(
                world.object("v1", "Service", {"selector": LABELS, "ports": [{"port": PORT, "targetPort": PORT}]})
            )
            application = ArgoApplication(world, controller, source)
            application.ship(first, "first")
            try:
                wait_for(application.at_rest, "the first version", timeout=180)
                yield application
            finally:
                gone = [f"rollout/{NAME}", "analysistemplate/errors", f"service/{NAME}"]
                world.kubectl("delete", *gone, "--ignore-not-found", "--wait=true")

    def _command(self, world: World) -> list[str]:
        metrics, health = free_ports(2)
        return [
            program("rollouts-controller"),
            f"--kubeconfig={world.kubectl.kubeconfig}",
            f"--namespace={world.namespace}",
            "--namespaced",
            "--leader-elect=false",
            f"--metricsPort={metrics}",
            f"--healthzPort={health}",
        ]

    def _analysis(self, world: World, source: Source) -> Object:
        query = error_share('pod_template_hash="{{args.hash}}"', WINDOW_SECONDS)
        metric = {
            "name": "errors",
            "interval": "1s",
            "failureLimit": self.failure_limit,
            "successCondition": SUCCESS,
            "provider": {"prometheus": {"address": source.url, "query": query}},
        }
        return world.object(
            API_VERSION, "AnalysisTemplate", {"args": [{"name": "hash"}], "metrics": [metric]}, "errors"
        )
