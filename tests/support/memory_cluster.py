"""A Kubernetes cluster in memory: the port `Cluster`, held to the real server by tests/contract/cluster.

Three sides: the port, for the operator; what people and other programs do (`create`, `edit`, `remove`); and what the
cluster itself does (`run_controllers`), which happens only when a test asks for it. `faults` makes calls of the port go
wrong, `calls` lists them, and `worlds` keeps every state that the cluster has ever been in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, MutableSequence, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.support.cluster.clock import ManualClock, moment
from tests.support.cluster.crds import CustomKind, custom_kinds
from tests.support.cluster.deployments import Readiness, is_ready, step_budget, step_deployment, step_pod
from tests.support.cluster.faults import Call, Fault, Faults, Killed
from tests.support.cluster.jobs import Outcome, step_job
from tests.support.cluster.store import Store, World, copied, owner_uids, reference_of
from viridian.ports.cluster import Labels, ListPage, Object, ObjectRef
from viridian.ports.kubernetes_event import event_about

__all__ = ["Call", "Fault", "Killed", "ManualClock", "MemoryCluster", "Outcome", "Readiness", "World"]


class MemoryCluster:
    """Starts with the namespace `default` and nothing in it."""

    def __init__(
        self, clock: Callable[[], datetime] | None = None, *, definitions: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """`definitions` are CustomResourceDefinitions; custom kinds without one are stored as they come."""
        custom: dict[tuple[str, str], CustomKind] = {}
        for definition in definitions:
            custom |= custom_kinds(definition)
        self.clock = clock or ManualClock()
        self.store = Store(self.clock, custom)
        self.faults = Faults()
        self.calls: list[Call] = []
        self.readiness: dict[str, Readiness] = {}
        """How pods fare, by revision, name of the Deployment or name of the pod; ready at once if not said."""
        self.outcomes: dict[str, Outcome | Sequence[Outcome]] = {}
        """How Jobs end, by name, value of a label, or `*`; they go on running if not said. A sequence: by attempt."""
        self.handed_out: Callable[[Object], Object] = copied
        """What readers get of a stored object: a copy, unless a test of many passes trusts them to change nothing."""
        self.more_controllers: list[Callable[[], None]] = []
        """Other controllers of the cluster: each is asked once a round."""
        self.before_call: Callable[[Call], None] | None = None
        """Called before each call of the port takes effect: the moment for someone else's edit."""
        self.reads_from: World | None = None
        """A world that reads are answered from instead of the present one."""
        self._written = 0
        self.create_namespace("default")

    # ---- the port

    async def get(self, reference: ObjectRef) -> Object | None:
        self._begin("get", reference)
        found = self._readable().get(reference)
        return self.handed_out(found) if found else None

    async def page(
        self, api_version: str, kind: str, namespace: str | None, *, limit: int, token: str = ""
    ) -> ListPage:
        found = sorted(await self.list(api_version, kind, namespace), key=_place)
        left = [item for item in found if _place(item) > token]
        return ListPage(left[:limit], _place(left[limit - 1]) if len(left) > limit else "")

    async def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Labels | None = None
    ) -> Sequence[Object]:
        self._begin("list", ObjectRef(api_version, kind, namespace or "", ""))
        return [
            self.handed_out(found)
            for reference, found in sorted(self._readable().items(), key=lambda item: (item[0].namespace, item[0].name))
            if (reference.api_version, reference.kind) == (api_version, kind)
            and namespace in (None, reference.namespace)
            and _carries(found, labels or {})
        ]

    async def apply(self, manifest: Mapping[str, Any], *, manager: str, force: bool = True) -> Object:
        finish = self._begin_write("apply", _placed(manifest), manager, manifest)
        stored = self.store.apply(manifest, manager, force=force)
        finish()
        return copied(stored)

    async def apply_status(self, manifest: Mapping[str, Any], *, manager: str) -> Object:
        finish = self._begin_write("apply status", _placed(manifest), manager, manifest)
        stored = self.store.apply(manifest, manager, subresource="status")
        finish()
        return copied(stored)

    async def delete(self, reference: ObjectRef, *, uid: str, version: str = "") -> None:
        finish = self._begin_write("delete", reference, "", {"uid": uid})
        self.store.delete(reference, uid, version)
        finish()

    async def record_event(self, regarding: Mapping[str, Any], *, kind: str, reason: str, message: str) -> None:
        event = event_about(regarding, kind=kind, reason=reason, message=message, now=self.clock())
        finish = self._begin_write("record event", reference_of(regarding), "", event)
        event["metadata"]["name"] = f"{event['metadata'].pop('generateName')}{self.store.serial()}"
        self.store.update(event, "viridian")
        finish()

    # ---- what people and other programs do

    def create_namespace(self, name: str) -> None:
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def create(self, manifest: Mapping[str, Any], *, manager: str = "kubectl") -> Object:
        """A person applies a manifest."""
        return copied(self.store.apply(manifest, manager))

    def edit(
        self,
        kind: str,
        name: str,
        change: Callable[[Object], None],
        *,
        namespace: str = "default",
        manager: str = "kubectl-edit",
    ) -> Object:
        """Someone changes the object in place by an ordinary update; its status too, if the change touches it."""
        before = self.find(kind, name, namespace)
        assert before is not None, f"there is no {kind} {name}"
        after = copied(before)
        change(after)
        stored = self.store.update(after, manager)
        if after.get("status") != before.get("status"):
            stored = self.store.update({**stored, "status": after.get("status", {})}, manager, subresource="status")
        return copied(stored)

    def annotate(self, kind: str, name: str, namespace: str = "default", **annotations: str) -> None:
        """As `kubectl annotate` does; give keys with slashes as `**{...}`."""

        def change(found: Object) -> None:
            found["metadata"].setdefault("annotations", {}).update(annotations)

        self.edit(kind, name, change, namespace=namespace, manager="kubectl-annotate")

    def remove(self, kind: str, name: str, namespace: str = "default") -> None:
        """Someone deletes the object; its dependents go in the next `collect_garbage`."""
        for reference, _ in self.store.objects():
            if (reference.kind, reference.namespace, reference.name) == (kind, namespace, name):
                self.store.delete(reference)

    # ---- what the cluster does by itself

    def step_controllers(self) -> bool:
        """One round of every controller; whether anything changed."""
        before = len(self.worlds)
        self.collect_garbage()
        for reference, found in self.store.objects():
            if reference.kind == "Deployment":
                step_deployment(self.store, found)
            elif reference.kind == "Job":
                step_job(self.store, found, self.outcomes)
            elif reference.kind == "PodDisruptionBudget":
                step_budget(self.store, found)
            elif reference.kind == "Pod" and self.store.get(reference) and _owner_kind(found) == "Deployment":
                step_pod(self.store, found, self.readiness)
        for step in self.more_controllers:
            step()
        return len(self.worlds) > before

    def run_controllers(self, rounds: int = 50) -> None:
        """Until nothing changes any more; time stands still meanwhile."""
        for _ in range(rounds):
            if not self.step_controllers():
                return
        raise AssertionError(f"the controllers did not come to rest in {rounds} rounds: {self.worlds[-1].cause}")

    def collect_garbage(self) -> None:
        """Deletes what has no living owner left, and finished Jobs whose time is up."""
        while orphans := self._orphans():
            for reference in orphans:
                self.store.delete(reference)
        for reference, found in self.store.objects():
            if reference.kind == "Job" and self._outlived(found):
                self.store.delete(reference)

    # ---- what a test looks at

    @property
    def worlds(self) -> Sequence[World]:
        return self.store.worlds

    @property
    def on_change(self) -> MutableSequence[Callable[[str, Object], None]]:
        """Called as a watch would: with ADDED, MODIFIED or DELETED and the object."""
        return self.store.on_change

    @property
    def writes(self) -> Sequence[Call]:
        """The calls of the port that may have changed something, no-ops and lost ones included."""
        return [call for call in self.calls if call.mutating]

    def forget_calls(self) -> None:
        """Calls are listed, and counted for `faults`, from here on."""
        self.calls.clear()
        self._written = 0

    def find(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        return self.present().find(kind, name, namespace)

    def all(self, kind: str, labels: Mapping[str, str] | None = None) -> Sequence[Object]:
        return [o for r, o in self.store.objects() if r.kind == kind and _carries(o, labels or {})]

    def present(self) -> World:
        return self.worlds[-1]

    def ready_pods(self, labels: Mapping[str, str]) -> Sequence[Object]:
        """The ready pods that a Service with this selector sends its requests to."""
        return [pod for pod in self.all("Pod", labels) if is_ready(pod)]

    def events(self) -> Sequence[tuple[str, str, str]]:
        """Type, reason and note of every event told, in order."""
        return [(event["type"], event["reason"], event["note"]) for event in self.all("Event")]

    # ---- inside

    def _begin(self, verb: str, reference: ObjectRef) -> None:
        call = Call(len(self.calls) + 1, verb, reference.kind, reference.namespace, reference.name)
        fault = self._called(call)
        if fault is not None:
            raise fault.error()

    def _begin_write(self, verb: str, reference: ObjectRef, manager: str, body: Any) -> Callable[[], None]:
        """Gives what is to be called when the write has taken effect, before its answer is given."""
        self._written += 1
        call = Call(len(self.calls) + 1, verb, reference.kind, reference.namespace, reference.name, manager)
        fault = self._called(replace(call, write=self._written, digest=_digest(body)))
        if fault is not None and not fault.happens:
            raise fault.error()

        def finish() -> None:
            if fault is not None:
                raise fault.error()

        return finish

    def _called(self, call: Call) -> Fault | None:
        self.calls.append(call)
        if self.before_call is not None:
            self.before_call(call)
        return self.faults.next_for(call)

    def _readable(self) -> Mapping[ObjectRef, Object]:
        return (self.reads_from or self.present()).objects

    def _orphans(self) -> Sequence[ObjectRef]:
        living = {found["metadata"]["uid"] for _, found in self.store.objects()}
        owned = [(reference, set(owner_uids(found))) for reference, found in self.store.objects()]
        return [reference for reference, owners in owned if owners and not living & owners]

    def _outlived(self, job: Object) -> bool:
        ttl, conditions = job["spec"].get("ttlSecondsAfterFinished"), job.get("status", {}).get("conditions", [])
        ended = [c for c in conditions if c["type"] in ("Complete", "Failed")]
        if ttl is None or not ended:
            return False
        return self.clock() >= moment(ended[0]["lastTransitionTime"]) + timedelta(seconds=ttl)


def _placed(manifest: Mapping[str, Any]) -> ObjectRef:
    """The reference of what the port is to write; there no namespace is assumed."""
    reference = reference_of(manifest)
    if reference.namespace and not manifest["metadata"].get("namespace"):
        raise ValueError(f"{reference.kind} {reference.name} lacks a namespace")
    return reference


def _place(found: Mapping[str, Any]) -> str:
    """Where it stands in a list, as the real store sorts."""
    metadata = found["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def _carries(found: Mapping[str, Any], labels: Labels) -> bool:
    carried = found["metadata"].get("labels", {})
    return all(
        carried.get(key) == value if isinstance(value, str) else carried.get(key) in value
        for key, value in labels.items()
    )


def _owner_kind(found: Mapping[str, Any]) -> str:
    owners = found["metadata"].get("ownerReferences", [])
    return str(owners[0]["kind"]) if owners else ""


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:12]
