"""A kubelet for a control plane without a node: it plays a script for every pod that Viridian makes.

Pods become ready, or not, or crash, by writes to their status, as a kubelet's; the pods of Jobs end when a test says
so. Each running pod has an address of its own in 127.77.0.0/16, where a real HTTP server answers on its management
port: `/metrics` in Prometheus text, and `POST /connections/close` for whom the pod takes orders from. What users send
is shared by the ready pods that the live Service selects, and shows in the counters.

All of 127.0.0.0/8 belongs to every Linux computer, so nothing has to be set up and nothing can be left behind. Without
a node the pods are in no EndpointSlice, which would not take these addresses. Where the API server has an address of
IPv6, pods have theirs in fd00:244::/64, which this computer must take for its own (`make ipv6`).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Self

from tests.support.cluster.deployments import is_ready
from tests.support.kube import Kube, Object, Refused
from tests.support.memory_pods import HEALTHY, Behaviour
from tests.support.model_metrics import Counters
from viridian.api.names import (
    MANAGED_BY,
    MANAGED_BY_LABEL,
    MODEL_DEPLOYMENT_LABEL,
    RETRAIN_POLICY_LABEL,
    REVISION_LABEL,
    RUN_LABEL,
    SLOT_LABEL,
    STAGE_LABEL,
    TRAFFIC_ANNOTATION,
)
from viridian.api.orders import HEADER, KEY_VARIABLE, Order, parse_key
from viridian.api.samples import Identity
from viridian.rollout.slot_state import parse_pod
from viridian.serving.endpoints.order_check import Orders

POLL_SECONDS = 0.2
IPV6_FREEBIND = 78
"""Of Linux; Python has no name for it."""
STRATEGIC = "application/strategic-merge-patch+json"
OURS = f"{MANAGED_BY_LABEL}={MANAGED_BY}"


@dataclass(frozen=True)
class Fate:
    """How a serving pod fares."""

    ready_after: float | None = 0.0
    """Seconds after its start; None: never."""
    crashes: int = 0
    """How often its server has been restarted so far."""
    fetch_failure: str = ""
    """The last words of an init container that cannot fetch the model."""


READY = Fate()
NEVER_READY = Fate(ready_after=None)
CRASHING = Fate(ready_after=None, crashes=4)


@dataclass(frozen=True)
class JobEnd:
    """How the pod of a Job ends."""

    exit_code: int
    message: str = ""
    """Its last words; `$MLFLOW_RUN_ID` in them is what the container was told."""


@dataclass
class _Running:
    """A pod that the kubelet has seen, and what it has written to it."""

    namespace: str
    ip: str
    started: float
    names: tuple[str, ...]
    """What a script may call it by: version, URI, revision, name of its run."""
    identity: Identity
    """What its server is told about whose it is."""
    orders: Orders
    """Whose orders its server takes: the real server's own judgement."""
    counters: Counters = field(default_factory=Counters)
    written: Object = field(default_factory=dict)
    server: asyncio.Server | None = None


class Kubelet:
    """Works in a thread of its own between `__enter__` and `__exit__`."""

    def __init__(self, kube: Kube, *, rate: float = 100.0, namespace: str = "") -> None:
        """For all namespaces, or for one."""
        self.rate = rate
        """Requests per second that users send to each live Service."""
        self.closed: list[tuple[str, str]] = []
        """Uid of a pod that was told to close connections, and what of the idle ones, in order."""
        self._kube = kube
        self._namespace = namespace
        self._fates: dict[tuple[str, str], Fate] = {}
        self._behaviours: dict[tuple[str, str], Behaviour] = {}
        self._ends: dict[tuple[str, str], JobEnd] = {}
        self._pods: dict[str, _Running] = {}
        self._shares: dict[str, float] = {}
        # Another test run on this computer begins elsewhere; where two meet, the next address is tried.
        self._addresses = count(1 + 250 * (os.getpid() % 250))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kubelet")
        self._work: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop.call_soon_threadsafe(self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._failure is not None:
            raise AssertionError("the scripted kubelet failed") from self._failure

    # ---- scripts: `name` is a version, a URI's last part or a revision; of a Job, the run or the policy

    def fate(self, namespace: str, name: str, fate: Fate) -> None:
        self._fates[namespace, name] = fate

    def behaviour(self, namespace: str, name: str, behaviour: Behaviour) -> None:
        self._behaviours[namespace, name] = behaviour

    def end_job(self, namespace: str, name: str, end: JobEnd) -> None:
        """Pods of this Job, run or policy end so; until then, they run."""
        self._ends[namespace, name] = end

    def preview(self, namespace: str, name: str, requests: float, behaviour: Behaviour) -> None:
        """Somebody asks the pods of this name past the live Service: all of them, each so often."""
        for pod in list(self._pods.values()):
            if (namespace, name) in _keys(pod):
                pod.counters.answer(requests, behaviour)

    def errors(self, namespace: str) -> int:
        """Answers with 5xx that users of a namespace got from the pods that are there."""
        return int(sum(pod.counters.errors for pod in list(self._pods.values()) if pod.namespace == namespace))

    # ---- the loop

    def _begin(self) -> None:
        self._work = asyncio.ensure_future(self._go_on())

    async def _end(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        for pod in self._pods.values():
            await _close(pod)
        await self._loop.shutdown_default_executor()

    async def _go_on(self) -> None:
        before = time.monotonic()
        while True:
            try:
                await self._look()
            except (OSError, Refused):
                pass  # the API server is away or busy; the next look tells
            except Exception as error:
                self._failure = error
                return
            now = time.monotonic()
            self._answer_users(now - before)
            before = now
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        pods, services = await asyncio.gather(
            asyncio.to_thread(self._kube.list, "v1", "Pod", self._namespace, OURS),
            asyncio.to_thread(self._kube.list, "v1", "Service", self._namespace, OURS),
        )
        there = {pod["metadata"]["uid"]: pod for pod in pods}
        for uid in self._pods.keys() - there.keys():
            await _close(self._pods.pop(uid))
        await asyncio.gather(*(self._play(uid, pod) for uid, pod in there.items()))
        self._shares = _shares(pods, services)

    async def _play(self, uid: str, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp") or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return
        running = self._pods.get(uid) or await self._start(uid, pod)
        status = self._status(pod, running)
        if status != running.written:
            metadata = pod["metadata"]
            path = self._kube.path("v1", "Pod", metadata["namespace"], metadata["name"], "status")
            try:
                await asyncio.to_thread(self._kube.request, "PATCH", path, {"status": status}, content=STRATEGIC)
            except Refused as refused:
                if refused.status != 404:
                    raise
            running.written = status

    async def _start(self, uid: str, pod: Object) -> _Running:
        ip = self._address(next(self._addresses))
        running = _Running(
            pod["metadata"]["namespace"], ip, time.monotonic(), _names(pod), _identity(pod), _orders(pod)
        )
        if STAGE_LABEL not in pod["metadata"]["labels"]:
            port = parse_pod(pod).management_port
            running.server = await asyncio.start_server(
                lambda reader, writer: self._serve(uid, reader, writer), sock=_bound(ip, port)
            )
        self._pods[uid] = running
        return running

    def _address(self, number: int) -> str:
        """Of a pod."""
        if "[" in self._kube.server:
            return f"fd00:244::{number + 1:x}"
        return f"127.77.{number // 250 % 250}.{number % 250 + 1}"

    def _answer_users(self, seconds: float) -> None:
        for uid, share in self._shares.items():
            pod = self._pods.get(uid)
            if pod is not None:
                pod.counters.answer(self.rate * seconds * share, self._behaviour(pod))

    # ---- what the pods show

    def _status(self, pod: Object, running: _Running) -> Object:
        if STAGE_LABEL in pod["metadata"]["labels"]:
            return _job_status(pod, running, self._end_of(running))
        return _serving_status(pod, running, self._fate(running))

    def _fate(self, running: _Running) -> Fate:
        return next((self._fates[key] for key in _keys(running) if key in self._fates), READY)

    def _behaviour(self, running: _Running) -> Behaviour:
        return next((self._behaviours[key] for key in _keys(running) if key in self._behaviours), HEALTHY)

    def _end_of(self, running: _Running) -> JobEnd | None:
        return next((self._ends[key] for key in _keys(running) if key in self._ends), None)

    # ---- the management port

    async def _serve(self, uid: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request per connection is enough for the operator, and for us."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            pod = self._pods.get(uid)
            if pod is None or not self._behaviour(pod).reachable:
                return
            if head.startswith("GET /metrics "):
                body = pod.counters.text(pod.identity)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n")
                writer.write(f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
            elif head.startswith("POST /connections/close "):
                sent = await _body(reader, head)
                order = Order(method="POST", path="/connections/close", body=sent, receiver=pod.orders.receiver)
                if pod.orders.refusal(order, _field(head, HEADER)):
                    writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                else:
                    self.closed.append((uid, "Close" if b"Close" in sent else "Keep"))
                    writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever asked has gone
        finally:
            writer.close()


async def _body(reader: asyncio.StreamReader, head: str) -> bytes:
    length = _field(head, "content-length")
    return await reader.readexactly(int(length)) if length else b""


def _field(head: str, name: str) -> str:
    found = (line.partition(":")[2].strip() for line in head.splitlines() if line.lower().startswith(f"{name}:"))
    return next(found, "")


async def _close(pod: _Running) -> None:
    if pod.server is not None:
        pod.server.close()


def _keys(running: _Running) -> list[tuple[str, str]]:
    return [(running.namespace, name) for name in running.names]


def _bound(ip: str, port: int) -> socket.socket:
    """For whom listens there. An address of IPv6 belongs to this computer by a route alone."""
    made = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if made.family is socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    made.bind((ip, port))
    return made


def _names(pod: Object) -> tuple[str, ...]:
    metadata, spec = pod["metadata"], pod["spec"]
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    environment = {e["name"]: e.get("value", "") for container in containers for e in container.get("env", ())}
    uri = environment.get("VIRIDIAN_MODEL_URI", "")
    owners = [owner["name"] for owner in metadata.get("ownerReferences", ())]
    named = [metadata["labels"].get(label, "") for label in (REVISION_LABEL, RUN_LABEL, RETRAIN_POLICY_LABEL)]
    found = (metadata["name"], environment.get("VIRIDIAN_MODEL_VERSION", ""), uri.rpartition("/")[2], *named, *owners)
    return tuple(filter(None, found))


def _identity(pod: Object) -> Identity:
    metadata, labels = pod["metadata"], pod["metadata"]["labels"]
    return Identity(
        namespace=metadata["namespace"],
        deployment=labels.get(MODEL_DEPLOYMENT_LABEL, ""),
        slot=labels.get(SLOT_LABEL, ""),
        revision=labels.get(REVISION_LABEL, ""),
        pod=metadata["name"],
    )


def _orders(pod: Object) -> Orders:
    variables = [entry for container in pod["spec"]["containers"] for entry in container.get("env", ())]
    key = next((entry.get("value", "") for entry in variables if entry["name"] == KEY_VARIABLE), "")
    receiver = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    return Orders(parse_key(key) if key else None, receiver)


def _shares(pods: list[Object], services: list[Object]) -> dict[str, float]:
    """Pod uid to its share of its live Service's requests."""
    shares: dict[str, float] = {}
    for service in services:
        metadata, selector = service["metadata"], service["spec"].get("selector") or {}
        if TRAFFIC_ANNOTATION not in metadata.get("annotations", {}):
            continue
        met = [pod for pod in pods if pod["metadata"]["namespace"] == metadata["namespace"] and _met(pod, selector)]
        shares.update({pod["metadata"]["uid"]: 1 / len(met) for pod in met})
    return shares


def _met(pod: Object, selector: Mapping[str, str]) -> bool:
    return selector.items() <= pod["metadata"]["labels"].items() and is_ready(pod)


# ---- statuses, as a kubelet writes them


def _serving_status(pod: Object, running: _Running, fate: Fate) -> Object:
    fetched = not fate.fetch_failure
    age = time.monotonic() - running.started
    ready = fetched and fate.ready_after is not None and age >= fate.ready_after
    return {
        "phase": "Running" if fetched else "Pending",
        "podIP": running.ip,
        "podIPs": [{"ip": running.ip}],
        "startTime": running.written.get("startTime") or _now(),
        "conditions": _conditions({"Initialized": fetched, "ContainersReady": ready, "Ready": ready}, running),
        "initContainerStatuses": [_fetching(c, fate) for c in pod["spec"].get("initContainers", ())],
        "containerStatuses": [_serving(c, fate, running, ready=ready) for c in pod["spec"]["containers"]],
    }


def _job_status(pod: Object, running: _Running, end: JobEnd | None) -> Object:
    worker, phase = pod["spec"]["containers"][0], "Running"
    state: Object = {"running": {"startedAt": running.written.get("startTime") or _now()}}
    if end is not None:
        phase = "Failed" if end.exit_code else "Succeeded"
        reason = "Error" if end.exit_code else "Completed"
        state = {"terminated": {"exitCode": end.exit_code, "reason": reason, "message": _in_its_words(worker, end)}}
        state["terminated"] |= {"startedAt": running.written.get("startTime") or _now(), "finishedAt": _now()}
    return {
        "phase": phase,
        "podIP": running.ip,
        "podIPs": [{"ip": running.ip}],
        "startTime": running.written.get("startTime") or _now(),
        "conditions": _conditions({"Initialized": True, "Ready": end is None, "ContainersReady": end is None}, running),
        "containerStatuses": [{**_container(worker, ready=end is None), "state": state}],
    }


def _in_its_words(container: Object, end: JobEnd) -> str:
    told = {entry["name"]: entry.get("value", "") for entry in container.get("env", ())}
    return end.message.replace("$MLFLOW_RUN_ID", told.get("MLFLOW_RUN_ID", ""))


def _conditions(wanted: Mapping[str, bool], running: _Running) -> list[Object]:
    before = {c["type"]: c for c in running.written.get("conditions", ())}
    conditions = []
    for kind, holds in wanted.items():
        was = before.get(kind, {})
        since = was["lastTransitionTime"] if was.get("status") == str(holds) else _now()
        conditions.append({"type": kind, "status": str(holds), "lastTransitionTime": since})
    return conditions


def _pulled(image: str) -> str:
    """What a node says of an image that it has."""
    return f"{image.partition(':')[0]}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def _container(container: Object, *, ready: bool, restarts: int = 0) -> Object:
    status = {"name": container["name"], "image": container["image"], "imageID": _pulled(container["image"])}
    return {**status, "ready": ready, "restartCount": restarts}


def _serving(container: Object, fate: Fate, running: _Running, *, ready: bool) -> Object:
    status = _container(container, ready=ready, restarts=fate.crashes)
    if fate.fetch_failure:
        return {**status, "state": {"waiting": {"reason": "PodInitializing"}}}
    if fate.crashes and not ready:
        ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "the model cannot be loaded"}}
        return {**status, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended}
    return {**status, "state": {"running": {"startedAt": running.written.get("startTime") or _now()}}}


def _fetching(container: Object, fate: Fate) -> Object:
    status = _container(container, ready=not fate.fetch_failure)
    if not fate.fetch_failure:
        return {**status, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": fate.fetch_failure}}
    return {**status, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
