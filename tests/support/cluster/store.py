"""The objects of the in-memory cluster, and every way to write them. Objects are replaced, never changed in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec

from tests.support.cluster import ownership, validation
from tests.support.cluster.clock import stamp
from tests.support.cluster.crds import CustomKind
from tests.support.cluster.defaults import with_defaults
from tests.support.cluster.ownership import Manager, Path
from tests.support.cluster.shapes import Shape, shape_of
from viridian.ports.cluster import ClusterConflict, ClusterRefused, Object, ObjectRef

CLUSTER_SCOPED = frozenset({"Namespace"})
WITH_GENERATION = frozenset({"Deployment", "ReplicaSet", "Job", "PodDisruptionBudget", "NetworkPolicy", "Pod"})
WITHOUT_STATUS = frozenset({"ControllerRevision", "ConfigMap", "Lease", "Event"})
BUILT_IN_GROUPS = frozenset(
    {"v1", "apps/v1", "autoscaling/v2", "batch/v1", "coordination.k8s.io/v1", "events.k8s.io/v1"}
    | {"networking.k8s.io/v1", "policy/v1"}
)

# What the server sets in the metadata; a manifest says these only as preconditions.
_SERVER_SIDE = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "deletionTimestamp")


@dataclass(frozen=True)
class Stored:
    """An object and who owns which of its fields."""

    content: Object
    owners: Mapping[Manager, frozenset[Path]] = field(default_factory=dict)
    times: Mapping[Manager, str] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """All objects at one moment, and what made it so."""

    cause: str
    objects: Mapping[ObjectRef, Object]
    version: int

    def find(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        wanted = (kind, namespace, name)
        return next((o for r, o in self.objects.items() if (r.kind, r.namespace, r.name) == wanted), None)


def reference_of(manifest: Mapping[str, Any]) -> ObjectRef:
    kind, metadata = manifest["kind"], manifest["metadata"]
    namespace = "" if kind in CLUSTER_SCOPED else metadata.get("namespace") or "default"
    return ObjectRef(manifest["apiVersion"], kind, namespace, metadata["name"])


class Store:
    """resourceVersions come from one counter; every change gives one more world in `worlds`."""

    def __init__(self, clock: Callable[[], datetime], custom: Mapping[tuple[str, str], CustomKind]) -> None:
        self.clock = clock
        self.custom = custom
        self.worlds: list[World] = []
        self.on_change: list[Callable[[str, Object], None]] = []
        self._objects: dict[ObjectRef, Stored] = {}
        self._version = 100
        self._made = 0

    # ---- reading

    def get(self, reference: ObjectRef) -> Object | None:
        stored = self._objects.get(reference)
        return stored.content if stored else None

    def objects(self) -> Iterator[tuple[ObjectRef, Object]]:
        for reference, stored in list(self._objects.items()):
            yield reference, stored.content

    def children(self, uid: str, kind: str) -> list[Object]:
        return [o for r, o in self.objects() if r.kind == kind and uid in owner_uids(o)]

    def serial(self) -> int:
        """The number of the next object to be made: unique, and the same in every repetition."""
        return self._made + 1

    # ---- writing

    def apply(self, manifest: Mapping[str, Any], manager: str, *, subresource: str = "", force: bool = True) -> Object:
        """Server-side apply; without effect it changes nothing, not even the resourceVersion."""
        reference = self._known(manifest)
        old = self._objects.get(reference)
        self._check_preconditions(reference, manifest["metadata"], old, subresource)
        if subresource and old is None:
            raise ClusterConflict(f"{reference.kind} {reference.name} not found")
        who = Manager(manager, "Apply", subresource)
        if custom := self.custom.get((reference.api_version, reference.kind)):
            validation.refuse(manifest, list(custom.unknown_fields(manifest)))
        live = old.content if old else self._skeleton(manifest)
        wanted = self._intent(manifest, subresource)
        shape = self._shape(reference)
        if not force and (rivals := ownership.rivals(old.owners if old else {}, who, live, wanted, shape)):
            said = f"somebody else has made it: conflict with {', '.join(rivals)}"
            raise ClusterRefused(f"{reference.kind} {reference.name}: {said}")
        content, owners = ownership.applied(old.owners if old else {}, who, live, wanted, shape)
        return self._store(reference, old, content, owners, who, f"apply {subresource}".strip())

    def update(self, changed: Object, manager: str, *, subresource: str = "") -> Object:
        """Somebody writes the whole object in the ordinary way; also creates it."""
        reference = self._known(changed)
        old = self._objects.get(reference)
        changed = copied(changed)
        who = Manager(manager, "Update", subresource)
        before: Object = old.content if old else {}
        content = self._only(subresource, before, changed) if old else {**self._skeleton(changed), **changed}
        content["metadata"] = {**content["metadata"], **_server_side(before)}
        parts = _owned_part(before), _owned_part(content)
        owners = ownership.updated(old.owners if old else {}, who, *parts, self._shape(reference))
        return self._store(reference, old, content, owners, who, f"update {subresource}".strip())

    def delete(self, reference: ObjectRef, uid: str | None = None, version: str = "") -> None:
        stored = self._objects.get(reference)
        if stored is None or uid not in (None, stored.content["metadata"]["uid"]):
            return
        metadata = stored.content["metadata"]
        if version not in ("", metadata["resourceVersion"]):
            raise ClusterConflict(f"{reference.kind} {reference.name} has been modified")
        if metadata.get("finalizers"):
            if "deletionTimestamp" not in metadata:
                leaving = {**metadata, "deletionTimestamp": stamp(self.clock())}
                self._put(reference, replace(stored, content={**stored.content, "metadata": leaving}), "delete")
            return
        self._drop(reference)

    def _store(
        self,
        reference: ObjectRef,
        old: Stored | None,
        content: Object,
        owners: dict[Manager, frozenset[Path]],
        who: Manager,
        cause: str,
    ) -> Object:
        before = old.content if old else None
        validation.check(content)
        content = self._completed(content, before)
        if old and _same(content, old.content) and owners == old.owners:
            return old.content
        validation.check_change(content, before)
        metadata = {**content["metadata"]}
        if self._has_generation(reference):
            metadata["generation"] = self._generation(content, before)
        now = stamp(self.clock())
        times = {m: now if m == who or not old else old.times[m] for m in owners}
        metadata["managedFields"] = ownership.rendered(owners, reference.api_version, times)
        self._put(reference, Stored({**content, "metadata": metadata}, owners, times), f"{cause} by {who.name}")
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self._drop(reference)
            return {**content, "metadata": metadata}
        return self._objects[reference].content

    def _completed(self, content: Object, before: Object | None) -> Object:
        """With the identity of the object, the server's defaults and an address where it has one."""
        if before is None:
            content = {**content, "metadata": {**content["metadata"], **self._identity()}}
        custom = self.custom.get((content["apiVersion"], content["kind"]))
        if custom:
            content = custom.completed(content)
            validation.refuse(content, list(custom.faults(content)))
        else:
            content = with_defaults(content)
        if content["kind"] == "Service" and "clusterIP" not in content["spec"]:
            address = f"10.96.{self._made // 250}.{self._made % 250 + 1}"
            content = {**content, "spec": {**content["spec"], "clusterIP": address, "clusterIPs": [address]}}
        return content

    def _identity(self) -> Object:
        self._made += 1
        uid = f"00000000-0000-4000-8000-{self._made:012x}"
        return {"uid": uid, "creationTimestamp": stamp(self.clock())}

    def _put(self, reference: ObjectRef, stored: Stored, cause: str) -> None:
        event = "MODIFIED" if reference in self._objects else "ADDED"
        self._version += 1
        content = stored.content
        content = {**content, "metadata": {**content["metadata"], "resourceVersion": str(self._version)}}
        self._objects[reference] = replace(stored, content=content)
        self._changed(event, content, f"{cause}: {reference.kind} {reference.name}")

    def _drop(self, reference: ObjectRef) -> None:
        gone = self._objects.pop(reference).content
        self._version += 1
        self._changed("DELETED", gone, f"delete: {reference.kind} {reference.name}")
        if reference.kind == "Namespace":
            for inside in [r for r in self._objects if r.namespace == reference.name]:
                self._drop(inside)

    def _changed(self, event: str, content: Object, cause: str) -> None:
        objects = {r: s.content for r, s in self._objects.items()}
        self.worlds.append(World(cause, objects, self._version))
        for listener in self.on_change:
            listener(event, content)

    # ---- what a manifest means

    def _known(self, manifest: Mapping[str, Any]) -> ObjectRef:
        reference = reference_of(manifest)
        if reference.api_version not in BUILT_IN_GROUPS and "." not in reference.api_version.partition("/")[0]:
            raise ClusterRefused(f"the API server does not know {reference.api_version} {reference.kind}")
        home = ObjectRef("v1", "Namespace", "", reference.namespace)
        if reference.namespace and home not in self._objects:
            raise ClusterConflict(f'namespaces "{reference.namespace}" not found')
        if reference not in self._objects and home in self._objects and _is_leaving(self._objects[home].content):
            raise ClusterConflict(f"namespace {reference.namespace} is being terminated")
        return reference

    def _check_preconditions(
        self, reference: ObjectRef, metadata: Mapping[str, Any], old: Stored | None, subresource: str
    ) -> None:
        """A uid holds or there is no object of that name; a resourceVersion says nothing about one that is absent."""
        actual = old.content["metadata"] if old else {"resourceVersion": metadata.get("resourceVersion")}
        for key in ("resourceVersion",) if subresource else ("uid", "resourceVersion"):
            if metadata.get(key) and actual.get(key) != metadata[key]:
                raise ClusterConflict(f"{reference.kind} {reference.name}: {key} is not {metadata[key]}")

    def _skeleton(self, manifest: Mapping[str, Any]) -> Object:
        reference = reference_of(manifest)
        metadata = {"name": reference.name}
        if reference.namespace:
            metadata["namespace"] = reference.namespace
        return {"apiVersion": reference.api_version, "kind": reference.kind, "metadata": metadata}

    def _intent(self, manifest: Mapping[str, Any], subresource: str) -> Object:
        """The part of a manifest that this way of writing takes notice of."""
        if subresource:
            return {"status": copied(manifest["status"])} if "status" in manifest else {}
        wanted = _owned_part(copied(manifest))
        if manifest["kind"] not in WITHOUT_STATUS:
            wanted.pop("status", None)
        return wanted

    def _only(self, subresource: str, before: Object, changed: Object) -> Object:
        if subresource:
            return {**before, "status": changed.get("status", {})}
        if changed["kind"] in WITHOUT_STATUS:
            return changed
        kept = {"status": before["status"]} if "status" in before else {}
        return {**{key: value for key, value in changed.items() if key != "status"}, **kept}

    def _shape(self, reference: ObjectRef) -> Shape:
        custom = self.custom.get((reference.api_version, reference.kind))
        return custom.shape if custom else shape_of(reference.kind)

    def _has_generation(self, reference: ObjectRef) -> bool:
        return reference.kind in WITH_GENERATION or reference.api_version not in BUILT_IN_GROUPS

    def _generation(self, content: Object, before: Object | None) -> int:
        if before is None:
            return 1
        moved = _without_meta(content) != _without_meta(before)
        if content["kind"] == "Deployment":
            # The one kind whose annotations count, since its controller hands them on.
            moved = moved or content["metadata"].get("annotations") != before["metadata"].get("annotations")
        return int(before["metadata"]["generation"]) + moved


def copied(content: Mapping[str, Any]) -> Object:
    """A deep copy of what JSON can hold; other mappings and sequences become dictionaries and lists."""
    copy: Object = msgspec.to_builtins(content, enc_hook=dict)
    return copy


def _is_leaving(content: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in content["metadata"]


def owner_uids(content: Mapping[str, Any]) -> list[str]:
    return [owner["uid"] for owner in content["metadata"].get("ownerReferences", [])]


def _server_side(content: Mapping[str, Any]) -> Object:
    metadata = content.get("metadata", {})
    return {key: metadata[key] for key in _SERVER_SIDE if key in metadata}


def _owned_part(content: Mapping[str, Any]) -> Object:
    """Without what nobody owns: the object's identity and what the server writes."""
    result = {key: value for key, value in content.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = content.get("metadata", {})
    kept = {key: value for key, value in metadata.items() if key not in (*_SERVER_SIDE, "name", "namespace")}
    return {**result, "metadata": kept} if kept else result


def _without_meta(content: Mapping[str, Any]) -> Object:
    return {key: value for key, value in content.items() if key not in ("metadata", "status")}


def _same(one: Object, other: Object) -> bool:
    return _unversioned(one) == _unversioned(other)


def _unversioned(content: Object) -> Object:
    versions = ("managedFields", "resourceVersion", "generation")
    metadata = {key: value for key, value in content["metadata"].items() if key not in versions}
    return {**content, "metadata": metadata}
