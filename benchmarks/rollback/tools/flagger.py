"""Flagger, where a route of the Gateway API makes the weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.rollback.application import PORT, Model, pod_template
from benchmarks.rollback.figures import BOUND
from benchmarks.rollback.prometheus import Source, error_share, prometheus
from benchmarks.rollback.tool import NAME, REPLICAS, WEIGHT, Decision, Serving, World, await_kind, running
from benchmarks.rollback.tools.envoy import GATEWAY, HOST, gateway
from benchmarks.rollback.traffic import Target
from demo.kubectl import wait_for
from localcluster.binaries import program
from localcluster.builder import ensure
from localcluster.gomodules import downloaded
from localcluster.ports import free_port
from localcluster.processes import Process
from tests.support.kube import Object

API_VERSION = "flagger.app/v1beta1"
MODULE = "github.com/fluxcd/flagger"
VERSION = "v1.36.1"
LABELS = {"app": NAME}
KINDS = ("canaries", "metrictemplates", "alertproviders")
WINDOW_SECONDS = 60
INTERVAL_SECONDS = 10
"""Flagger takes a shorter one for this."""
AT_REST = ("Initialized", "Succeeded", "Failed")


@dataclass
class FlaggerApplication:
    """A Canary and the Deployment that it is about."""

    world: World
    gateway: Target
    controller: Process
    source: Source
    _begun: bool = False
    """Whether Flagger has begun with the version that was shipped last."""

    def target(self) -> Target:
        return self.gateway

    def ship(self, model: Model, revision: str) -> None:
        self._begun = False
        template = pod_template(model, revision, LABELS)
        spec = {"selector": {"matchLabels": LABELS}, "template": template}
        self.world.apply(self.world.object("apps/v1", "Deployment", spec))

    def give_up(self) -> None:
        """Nothing: Flagger would roll a former version out as another new one."""

    def decision(self) -> Decision:
        phase = str(self._status().get("phase", ""))
        # The phase of the version before stays until an analysis begins, which then lasts for an interval at least.
        self._begun = self._begun or phase not in AT_REST
        if not self._begun:
            return Decision.NONE
        return {"Failed": Decision.REJECTED, "Succeeded": Decision.PROMOTED}.get(phase, Decision.NONE)

    def at_rest(self) -> bool:
        pods = self.world.kube.list("v1", "Pod", self.world.namespace)
        own = [pod for pod in pods if pod["metadata"].get("labels", {}).get("app", "").startswith(NAME)]
        leaving = any(pod["metadata"].get("deletionTimestamp") for pod in own)
        return self._status().get("phase") in AT_REST and len(own) == REPLICAS - 1 and not leaving

    def processes(self) -> Mapping[str, list[int]]:
        return {"controller": [self.controller.pid], "prometheus": [self.source.pid]}

    def _status(self) -> Object:
        return self.world.read(API_VERSION, "Canary").get("status") or {}


@dataclass(frozen=True)
class Flagger:
    """Its controller runs as a program beside the cluster, with the rights of an administrator."""

    threshold: int

    @property
    def name(self) -> str:
        return f"flagger-threshold-{self.threshold}"

    @contextmanager
    def serving(self, world: World, first: Model) -> Iterator[Serving]:
        ensure(["flagger"])
        crds = downloaded("flagger", MODULE, VERSION) / "artifacts" / "flagger" / "crd.yaml"
        world.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(crds))
        for kind in KINDS:
            await_kind(world, f"{kind}.flagger.app")
        with gateway(world) as target, prometheus(world) as source:
            log = world.folder / f"{self.name}.log"
            with running("flagger", self._command(world, source), log) as controller:
                application = FlaggerApplication(world, target, controller, source)
                self._begin(world, source, first)
                try:
                    wait_for(application.at_rest, "the first version", timeout=180)
                    yield application
                finally:
                    gone = [f"canary/{NAME}", f"deployment/{NAME}", "metrictemplate/errors"]
                    world.kubectl("delete", *gone, "--ignore-not-found", "--wait=true")

    def _begin(self, world: World, source: Source, first: Model) -> None:
        template = pod_template(first, "first", LABELS)
        spec = {"replicas": REPLICAS - 1, "selector": {"matchLabels": LABELS}, "template": template}
        world.apply(world.object("apps/v1", "Deployment", spec))
        world.apply(world.object(API_VERSION, "MetricTemplate", _metric(source), "errors"))
        world.apply(world.object(API_VERSION, "Canary", self._canary(world)))

    def _command(self, world: World, source: Source) -> list[str]:
        return [
            program("flagger"),
            f"-kubeconfig={world.kubectl.kubeconfig}",
            f"-namespace={world.namespace}",
            "-mesh-provider=gatewayapi:v1",
            f"-metrics-server={source.url}",
            "-selector-labels=app",
            "-log-level=info",
            f"-port={free_port()}",
        ]

    def _canary(self, world: World) -> dict[str, Any]:
        metric = {
            "name": "errors",
            "templateRef": {"name": "errors"},
            "thresholdRange": {"max": BOUND},
            "interval": "1m",
        }
        return {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "service": {
                "port": PORT,
                "targetPort": PORT,
                "hosts": [HOST],
                "gatewayRefs": [{"name": GATEWAY, "namespace": world.namespace}],
            },
            "analysis": {
                "interval": f"{INTERVAL_SECONDS}s",
                "threshold": self.threshold,
                # A weight for each interval of the trial; Flagger wants them to rise.
                "stepWeights": [WEIGHT, WEIGHT + 1, WEIGHT + 2],
                "metrics": [metric],
            },
        }


def _metric(source: Source) -> dict[str, Any]:
    """A version that was asked nothing yet gives no number, which counts as no errors."""
    share = error_share(f'workload="{NAME}"', WINDOW_SECONDS)
    return {"provider": {"type": "prometheus", "address": source.url}, "query": f"({share}) >= 0 or vector(0)"}
