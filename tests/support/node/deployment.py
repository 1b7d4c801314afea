"""A ModelDeployment on a real node: what people do to it, and what can be seen of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.support.kube import Kube, Object, condition, eventually
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, REVISION_LABEL, SLOT_LABEL

PATIENCE = 120.0
LOOK = 0.25
"""Seconds between two looks at the API server: tests share the computer with the pods that they wait for."""


def rollout(**parts: Any) -> Object:
    """Promotes as soon as it can; keywords add or replace parts."""
    analysis = {"metrics": [{"name": "error-rate", "max": 0.01}], **parts.pop("analysis", {})}
    return {"probation": "1s", "progressDeadline": "2m", "analysis": analysis, **parts}


@dataclass(frozen=True)
class Deployed:
    """One ModelDeployment; `apply` makes it. Its registered model is this test's own."""

    kube: Kube
    namespace: str
    name: str = "churn"

    # ---- what people do

    @property
    def registered(self) -> str:
        """Name of its registered model."""
        return f"{self.namespace}-{self.name}"

    def apply(self, *, model: Object | None = None, server: Object | None = None, **parts: Any) -> None:
        """Follows the alias `candidate` with one pod; `rollout=` and other keywords are parts of the spec."""
        spec = {
            "model": model or {"registry": {"name": self.registered, "alias": "candidate"}},
            "server": {"replicas": 1, **(server or {})},
            "rollout": rollout(**parts.pop("rollout", {})),
            **parts,
        }
        self.kube.apply({**self.identity, "spec": spec})

    def annotate(self, command: str, value: str) -> None:
        self.kube.merge(self.identity, {"metadata": {"annotations": {f"viridian.dev/{command}": value}}})

    # ---- what can be seen

    @property
    def identity(self) -> Object:
        metadata = {"name": self.name, "namespace": self.namespace}
        return {"apiVersion": API_VERSION, "kind": MODEL_DEPLOYMENT, "metadata": metadata}

    @property
    def status(self) -> Object:
        return dict(self.kube.read(self.identity).get("status") or {})

    def condition(self, kind: str) -> Object:
        return condition({"status": self.status}, kind)

    @property
    def champion(self) -> Object:
        return dict(self.status.get("champion") or {})

    def revision_of(self, version: str) -> str:
        """The newest revision that was made of a version."""
        labels = f"viridian.dev/revision,viridian.dev/model-deployment={self.name}"
        found = self.kube.list("apps/v1", "ControllerRevision", self.namespace, labels)
        mine = [record for record in found if record["data"]["model"].get("version") == version]
        assert mine, f"no revision of version {version}"
        return str(max(mine, key=lambda record: record["revision"])["metadata"]["labels"][REVISION_LABEL])

    def rejected(self, version: str) -> Object | None:
        """What the status says of a version that was rejected."""
        return next((one for one in self.status.get("rejected", ()) if one.get("version") == version), None)

    def selector(self) -> dict[str, str]:
        """Who gets the users' requests."""
        live = self.kube.get("v1", "Service", self.name, self.namespace)
        assert live is not None
        selector: dict[str, str] = live["spec"]["selector"]
        return selector

    def pods(self, slot: str = "") -> list[Object]:
        """Pods that are not on their way out."""
        labels = f"viridian.dev/model-deployment={self.name}" + (f",{SLOT_LABEL}={slot}" if slot else "")
        found = self.kube.list("v1", "Pod", self.namespace, labels)
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def pod_uids(self) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.pods()}

    def ask(self, path: str) -> Object:
        """GET at the live Service, by way of the API server."""
        return self.kube.request("GET", f"/api/v1/namespaces/{self.namespace}/services/{self.name}:http/proxy/{path}")

    def is_at_rest(self, status: Object) -> bool:
        """Nothing is on its way, and the slots have settled."""
        generation = self.kube.read(self.identity)["metadata"]["generation"]
        return (
            "challenger" not in status
            and condition({"status": status}, "Reconciling").get("status") != "True"
            and status.get("observedGeneration") == generation
        )

    # ---- what is waited for

    def until(self, holds: Callable[[Object], Any], what: str, timeout: float = PATIENCE) -> Object:
        """The first status for which this holds."""

        def check() -> Object | None:
            status = self.status
            return status if holds(status) else None

        try:
            return eventually(check, what=what, timeout=timeout, every=LOOK)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from error

    def until_serves(self, version: str) -> Object:
        """The version is the champion and everything has settled."""
        return self.until(
            lambda status: (status.get("champion") or {}).get("version") == version and self.is_at_rest(status),
            f"version {version} as the champion, at rest",
        )

    def until_pods(self, replicas: int) -> Object:
        """The champion has as many pods, all ready."""
        return self.until(
            lambda status: status["replicas"] == replicas and self.is_at_rest(status), f"{replicas} pods at rest"
        )

    def until_rejected(self, version: str) -> Object:
        self.until(lambda _: self.rejected(version), f"the rejection of version {version}")
        found = self.rejected(version)
        assert found is not None
        return found

    def until_condition(self, kind: str, status: str, timeout: float = PATIENCE) -> Object:
        self.until(
            lambda found: condition({"status": found}, kind).get("status") == status, f"{kind}={status}", timeout
        )
        return self.condition(kind)

    def story(self) -> str:
        """Status, pods and events, for the message of a failed test."""
        pods = self.kube.list("v1", "Pod", self.namespace)
        states = {pod["metadata"]["name"]: _states(pod) for pod in pods}
        events = self.kube.list("events.k8s.io/v1", "Event", self.namespace)
        told = sorted(f"{e.get('eventTime')} {e['reason']}: {e.get('note')}" for e in events if e.get("eventTime"))
        return "\n".join([f"status: {self.status}", f"pods: {states}", *told[-15:]])


def _states(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [one["state"] for part in ("initContainerStatuses", "containerStatuses") for one in status.get(part, ())]


def seconds_of(moment: str) -> float:
    """A time of the API as seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()
