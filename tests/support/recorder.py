"""What happened on a real API server: every state that its objects were in, in the order of their resourceVersions.

The histories that come out are those of the cluster in memory, so the same oracles judge both.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from tests.support.cluster.store import World, reference_of
from tests.support.kube import Kube, Object, eventually
from tests.support.roles import KINDS as ROLE_KINDS
from viridian.api.names import API_VERSION, GROUP, MODEL_DEPLOYMENT
from viridian.ports.cluster import ObjectRef

SAFETY_KINDS = (("v1", "Pod"), ("v1", "Service"), ("apps/v1", "Deployment"), (API_VERSION, MODEL_DEPLOYMENT))
_VERSIONS = {
    **dict.fromkeys(("ModelDeployment", "RetrainPolicy"), API_VERSION),
    **dict.fromkeys(("Deployment", "ControllerRevision"), "apps/v1"),
    "Service": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Job": "batch/v1",
}
EVERYTHING = (
    *((version, kind) for kind, version in _VERSIONS.items()),
    *(("v1", kind) for kind in ("Pod", "ConfigMap", "Secret", "ServiceAccount")),
    ("apps/v1", "ReplicaSet"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("events.k8s.io/v1", "Event"),
    ("coordination.k8s.io/v1", "Lease"),
)
WATCH_SECONDS = 1


def present(kube: Kube, namespace: str) -> World:
    """The objects of a namespace that say how a story ended; the namespace is called `default`."""
    found: dict[ObjectRef, Object] = {}
    # Kinds of roles without a version here are none of a plain cluster.
    for kind, version in ((kind, _VERSIONS[kind]) for kind in ROLE_KINDS if kind in _VERSIONS):
        for item in kube.list(version, kind, namespace):
            _add(found, {"apiVersion": version, "kind": kind, **item}, namespace)
    return World("now", found, 0)


class Recorder:
    """Watches between `__enter__` and `__exit__`, in all namespaces, a thread for each kind."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._events: dict[str, list[Object]] = {kind: [] for _, kind in SAFETY_KINDS}
        self._looks = dict.fromkeys(self._events, 0)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=kind, name=f"recorder of {kind[1]}") for kind in SAFETY_KINDS
        ]
        self._holes: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self._caught_up(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def worlds(self, namespace: str) -> list[World]:
        """The history of a namespace up to now; the namespace is called `default`."""
        return self.histories([namespace])[namespace]

    def histories(self, namespaces: Sequence[str]) -> dict[str, list[World]]:
        """The same of several namespaces."""
        self._caught_up(2)
        assert not self._holes, f"the history is not complete: {self._holes}"
        return {namespace: list(self._replay(namespace)) for namespace in namespaces}

    def _replay(self, namespace: str) -> Iterator[World]:
        mine = [
            event
            for events in self._events.values()
            for event in list(events)
            if event["object"]["metadata"]["namespace"] == namespace
        ]
        objects: dict[ObjectRef, Object] = {}
        for event in sorted(mine, key=_version):
            content = event["object"]
            if event["type"] == "DELETED":
                objects.pop(_reference(content, namespace), None)
            else:
                _add(objects, content, namespace)
            yield World(_cause(event), dict(objects), _version(event))

    def _caught_up(self, looks: int) -> None:
        """Every kind has been looked at so often from now on."""
        before = dict(self._looks)
        eventually(lambda: all(self._looks[kind] >= before[kind] + looks for kind in before), what="the next watches")

    def _follow(self, api_version: str, kind: str) -> None:
        path = self._kube.path(api_version, kind)
        listed = self._kube.request("GET", path)
        version = str(listed["metadata"]["resourceVersion"])
        for item in listed["items"]:
            content = {"apiVersion": api_version, "kind": kind, **item}
            self._events[kind].append({"type": "ADDED", "object": content})
        while not self._stop.is_set():
            self._looks[kind] += 1
            try:
                for event in _watch(self._kube, path, version):
                    if event["type"] == "ERROR":
                        self._holes.append(f"{kind}: {event['object'].get('message')}")
                        return
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._events[kind].append(event)
            except (OSError, http.client.HTTPException):
                self._stop.wait(WATCH_SECONDS)  # the API server is away


def changes(kube: Kube, namespace: str, seconds: int) -> list[str]:
    """What is written to a namespace from now on, for so long: an entry for every resourceVersion that moves."""
    with ThreadPoolExecutor(len(EVERYTHING)) as pool:
        found = pool.map(lambda kind: _changes(kube, namespace, kind, seconds), EVERYTHING)
        return [change for of_kind in found for change in of_kind]


def _changes(kube: Kube, namespace: str, kind: tuple[str, str], seconds: int) -> list[str]:
    path = kube.path(*kind, namespace)
    version = str(kube.request("GET", path)["metadata"]["resourceVersion"])
    told = [event for event in _watch(kube, path, version, seconds) if event["type"] != "BOOKMARK"]
    return [_cause(event) for event in told if not _of_others(event["object"])]


def _of_others(content: Object) -> bool:
    """Events of Kubernetes' own controllers: some complain again and again that there is no node."""
    return bool(content["kind"] == "Event" and not content.get("reportingController", "").startswith(GROUP))


def _watch(kube: Kube, path: str, version: str, seconds: int = WATCH_SECONDS) -> list[Object]:
    """What happened since that version, and what happens within so many seconds."""
    query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(seconds)}
    address = urlsplit(kube.server)
    connection = http.client.HTTPSConnection(
        str(address.hostname), address.port, timeout=30 + seconds, context=kube.context
    )
    try:
        connection.request("GET", f"{path}?{urlencode({**query, 'allowWatchBookmarks': 'true'})}")
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != HTTPStatus.OK:
            # While it starts it may also refuse: it does not know its roles yet.
            raise ConnectionError(f"the API server answered {answer.status}: {told.decode(errors='replace')}")
        return [json.loads(line) for line in told.splitlines() if line]
    finally:
        connection.close()


def _add(objects: dict[ObjectRef, Object], content: Object, namespace: str) -> None:
    renamed = _renamed(content, namespace)
    objects[reference_of(renamed)] = renamed


def _reference(content: Object, namespace: str) -> ObjectRef:
    return reference_of(_renamed(content, namespace))


def _renamed(content: Mapping[str, Any], namespace: str) -> Object:
    """Tests tell namespaces apart, oracles do not."""
    plain: Object = json.loads(json.dumps(content).replace(f'"{namespace}"', '"default"'))
    return plain


def _version(event: Object) -> int:
    return int(event["object"]["metadata"]["resourceVersion"])


def _cause(event: Object) -> str:
    content = event["object"]
    managed = content["metadata"].get("managedFields") or [{}]
    newest = max(managed, key=lambda entry: str(entry.get("time", "")))
    return f"{event['type']} {content['kind']} {content['metadata']['name']} ({newest.get('manager')})"
