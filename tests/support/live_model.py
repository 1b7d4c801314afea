"""A ModelDeployment on a real API server: what people do to it, and what can be seen of it.

Its versions are URIs unless a test follows a registry: `…/churn/3` is version 3, and kubelet scripts call it so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from tests.support.kube import Kube, Object, condition, eventually
from tests.support.kubelet import Fate, Kubelet
from tests.support.memory_pods import Behaviour
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, REVISION_LABEL

STEPS = ({"weight": 50, "duration": "1s"}, {"weight": 100, "duration": "1s"})
METRICS = ({"name": "error-rate", "max": 0.01}, {"name": "latency-p95", "max": 0.25})
PATIENCE = 60.0
LOOK = 0.1
"""Seconds between two looks: a tenth of the shortest step."""


def model(version: str) -> Object:
    """A version that needs no registry."""
    uri = f"http://models.example/churn/{version}"
    return {"uri": uri, "digest": f"sha256:{hashlib.sha256(uri.encode()).hexdigest()}"}


def rollout(**parts: Any) -> Object:
    """Short steps and probation; keywords replace parts."""
    analysis = {"window": "20s", "metrics": list(METRICS), **parts.pop("analysis", {})}
    return {"steps": list(STEPS), "probation": "2s", "progressDeadline": "60s", "analysis": analysis, **parts}


class LiveModel:
    """One ModelDeployment; `apply` makes it."""

    def __init__(self, kube: Kube, kubelet: Kubelet, namespace: str, name: str = "churn") -> None:
        self.kube, self.kubelet, self.namespace, self.name = kube, kubelet, namespace, name

    # ---- what people do

    def manifest(self, version: str | Object, **parts: Any) -> Object:
        """Pods that no scheduler looks at, so that nobody but the scripted kubelet writes to them."""
        template = {"spec": {"schedulerName": "nobody"}}
        server = {"replicas": 1, "template": template, **parts.pop("server", {})}
        return {
            "apiVersion": API_VERSION,
            "kind": MODEL_DEPLOYMENT,
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "model": model(version) if isinstance(version, str) else version,
                "server": server,
                "rollout": rollout(**parts.pop("rollout", {})),
                **parts,
            },
        }

    def apply(self, version: str | Object, **parts: Any) -> Object:
        return self.kube.apply(self.manifest(version, **parts))

    def annotate(self, command: str, value: str) -> None:
        """As `kubectl annotate` does, with a field manager of its own; what passes a step says who does it."""
        if command in ("approve", "promote", "skip"):
            value = f"{value}#{self.kube.whoami()}"
        manifest: Object = {**self.identity, "metadata": {**self.identity["metadata"]}}
        manifest["metadata"]["annotations"] = {f"viridian.dev/{command}": value}
        self.kube.apply(manifest, manager=f"person-{command}", force=True)

    def delete(self) -> None:
        self.kube.delete(self.identity)

    def behave(self, version: str, behaviour: Behaviour) -> None:
        self.kubelet.behaviour(self.namespace, version, behaviour)

    def fare(self, version: str, fate: Fate) -> None:
        self.kubelet.fate(self.namespace, version, fate)

    # ---- what can be seen

    @property
    def identity(self) -> Object:
        metadata = {"name": self.name, "namespace": self.namespace}
        return {"apiVersion": API_VERSION, "kind": MODEL_DEPLOYMENT, "metadata": metadata}

    @property
    def status(self) -> Object:
        return dict(self.kube.read(self.identity).get("status") or {})

    @property
    def champion(self) -> str | None:
        return version_in(self.status.get("champion"))

    @property
    def challenger(self) -> str | None:
        return version_in(self.status.get("challenger"))

    @property
    def trial(self) -> Object:
        """What the status says of the challenger; empty when there is none."""
        return dict(self.status.get("challenger") or {})

    @property
    def step(self) -> int | None:
        index: int | None = self.trial.get("step", {}).get("index")
        return index

    @property
    def rejected(self) -> list[str]:
        """Versions that stand rejected, newest first."""
        return [self.version_of(entry["revision"]) for entry in self.status.get("rejected", [])]

    def condition(self, kind: str) -> Object:
        return condition(self.kube.read(self.identity), kind)

    def records(self) -> dict[str, str]:
        """Revision to version, as recorded for good."""
        labels = f"viridian.dev/revision,viridian.dev/model-deployment={self.name}"
        found = self.kube.list("apps/v1", "ControllerRevision", self.namespace, labels)
        return {r["metadata"]["labels"][REVISION_LABEL]: str(version_in(r["data"]["model"])) for r in found}

    def version_of(self, revision: str) -> str:
        return self.records()[revision]

    def revision(self, version: str) -> str:
        return next(revision for revision, known in self.records().items() if known == version)

    def selector(self) -> dict[str, str]:
        """Who gets the users' requests."""
        live = self.kube.get("v1", "Service", self.name, self.namespace)
        assert live is not None
        selector: dict[str, str] = live["spec"]["selector"]
        return selector

    def serves(self, version: str) -> bool:
        """The version is the champion, nothing is on its way, and the slots have settled."""
        present = self.kube.read(self.identity)
        status = present.get("status") or {}
        return (
            version_in(status.get("champion")) == version
            and "challenger" not in status
            and condition(present, "Reconciling").get("status") != "True"
            and status.get("observedGeneration") == present["metadata"]["generation"]
        )

    def until(self, holds: Callable[[LiveModel], Any], what: str, timeout: float = PATIENCE) -> None:
        try:
            eventually(lambda: holds(self) or None, what=what, timeout=timeout, every=LOOK)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from error

    def until_serves(self, version: str) -> None:
        self.until(lambda model: model.serves(version), f"version {version} as the champion, at rest")

    def until_rejected(self, version: str) -> None:
        self.until(lambda model: version in model.rejected, f"the rejection of version {version}")

    def story(self) -> str:
        """Status, pods and events, for the message of a failed test."""
        pods = self.kube.list("v1", "Pod", self.namespace)
        events = self.kube.list("events.k8s.io/v1", "Event", self.namespace)
        ready = {p["metadata"]["name"]: [c["status"] for c in p["status"].get("conditions", ())] for p in pods}
        told = [f"{e.get('eventTime')} {e['reason']}: {e.get('note')}" for e in events]
        return "\n".join([f"status: {self.status}", f"pods: {ready}", *told[-15:]])


def version_in(role: Object | None) -> str | None:
    """Version of the registry, or the end of the URI."""
    if not role:
        return None
    return str(role.get("version") or role.get("uri", "").rpartition("/")[2]) or None
