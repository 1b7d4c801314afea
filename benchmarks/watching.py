"""What it costs the operator to watch its children: our own watch, and Kopf's as it would be for the same objects.

Each runs in a process of its own, against the same API server: it starts beside many children, then some are changed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import kopf
import psutil

from benchmarks.scale.api import Api, api
from benchmarks.spread import spread
from localcluster.controlplane import ControlPlane
from viridian.api.child_kinds import child_kind
from viridian.api.names import MANAGED_BY, MANAGED_BY_LABEL, MODEL_DEPLOYMENT_LABEL
from viridian.controller import glue
from viridian.controller.child_watches import ChildWatches
from viridian.controller.login import login
from viridian.controller.wakes import owners
from viridian.controller.watched import CHILDREN_SELECTOR
from viridian.ports.connection import ApiConnection
from viridian.ports.kubernetes_watch import KubernetesWatch
from viridian.ports.watch import Watched

RESOURCE = child_kind("NetworkPolicy").resource
NAMESPACE = "default"
PATH = f"/apis/{RESOURCE.api_version}/namespaces/{NAMESPACE}/{RESOURCE.plural}"
MERGE = "application/merge-patch+json"
WAYS = ("ours", "kopf")


# ---- the process that watches


class Count:
    """Of events so far, on standard output; what an event costs beside that is the look at its owners."""

    def __init__(self) -> None:
        self.events = 0

    def child(self, kind: str, manifest: Mapping[str, Any], *, deleted: bool) -> None:  # noqa: ARG002
        assert list(owners(manifest))
        self.events += 1

    async def report(self) -> None:
        while True:
            print(self.events, flush=True)
            await asyncio.sleep(0.2)


async def watch_as_we_do(connection: ApiConnection, count: Count) -> None:
    async with KubernetesWatch(connection) as watch:
        streams = {RESOURCE.plural: Watched(RESOURCE, None, CHILDREN_SELECTOR)}
        ignore: Any = lambda _: None  # noqa: E731
        children = ChildWatches(watch, streams, listener=count, stands=ignore, missed=ignore, random=lambda: 0.5)
        tasks = children.start()
        await children.until_all_stand()
        await asyncio.gather(*tasks, count.report())


async def watch_as_kopf_does(connection: ApiConnection, count: Count) -> None:
    registry, settings = kopf.OperatorRegistry(), glue.settings(namespaced=True)
    settings.watching.label_selectors[RESOURCE.group, RESOURCE.version, RESOURCE.plural] = CHILDREN_SELECTOR

    def ignore(*_: object) -> None:
        return None

    log_in = login(connection, called=ignore, watching=ignore, listing=ignore)

    @kopf.on.login(registry=registry)
    async def enter(**_: Any) -> kopf.AiohttpSession:
        return await log_in()

    @kopf.on.event(group=RESOURCE.group, version=RESOURCE.version, plural=RESOURCE.plural, id="wake", registry=registry)
    async def wake(event: kopf.RawEvent, **_: Any) -> None:
        count.child(RESOURCE.kind, event["object"], deleted=event["type"] == "DELETED")

    await asyncio.gather(kopf.operator(registry=registry, settings=settings, namespace=NAMESPACE), count.report())


# ---- the process that measures


def child(number: int) -> dict[str, Any]:
    labels = {MANAGED_BY_LABEL: MANAGED_BY, MODEL_DEPLOYMENT_LABEL: f"model-{number:05d}"}
    rules = [{"ports": [{"port": 8000 + port, "protocol": "TCP"}]} for port in range(20)]
    return {
        "apiVersion": RESOURCE.api_version,
        "kind": RESOURCE.kind,
        "metadata": {"name": f"child-{number:05d}", "labels": labels},
        "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress"], "ingress": rules},
    }


@asynccontextmanager
async def watcher(way: str, kubeconfig: Path) -> AsyncIterator[tuple[psutil.Process, asyncio.StreamReader]]:
    command = [sys.executable, "-m", "benchmarks.watching", "--watch-as", way, "--kubeconfig", str(kubeconfig)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        yield psutil.Process(process.pid), process.stdout
    finally:
        process.kill()
        await process.wait()


async def until(output: asyncio.StreamReader, events: int) -> None:
    """Wait until the watcher has counted so many."""
    async with asyncio.timeout(600):
        while int(await output.readline()) < events:
            pass


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(way: str, opened: Api, kubeconfig: Path, children: int, changes: int) -> dict[str, float]:
    began = time.monotonic()
    async with watcher(way, kubeconfig) as (process, output):
        first = 0 if way == "ours" else children
        await until(output, first)
        standing, start_cpu = time.monotonic() - began, cpu_seconds(process)
        mark = os.urandom(4).hex()
        for number in range(changes):
            await opened.send("PATCH", f"{PATH}/child-{number:05d}", {"metadata": {"labels": {"mark": mark}}}, MERGE)
        await until(output, first + changes)
        return {
            "seconds until it stands": standing,
            "CPU seconds until it stands": start_cpu,
            "CPU milliseconds a change": 1000 * (cpu_seconds(process) - start_cpu) / changes,
            "MB of memory": process.memory_info().rss / 2**20,
        }


async def compare(chosen: argparse.Namespace) -> None:
    with ControlPlane() as plane:
        async with api(plane.kubeconfig) as opened:
            await opened.create_all(PATH, (child(number) for number in range(chosen.children)))
            found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
            for _ in range(chosen.rounds):
                for way in WAYS:
                    found[way].append(await measure(way, opened, plane.kubeconfig, chosen.children, chosen.changes))
    print(f"{chosen.children} children, {chosen.changes} changes")
    for way, rounds in found.items():
        for figure in rounds[0]:
            print(f"  {way}: {figure}: {spread([one[figure] for one in rounds], '')}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching", description=__doc__)
    parser.add_argument("--children", type=int, default=20_000)
    parser.add_argument("--changes", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--watch-as", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--kubeconfig", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.watch_as is None:
        asyncio.run(compare(chosen))
        return 0
    connection = ApiConnection.from_kubeconfig(chosen.kubeconfig)
    watch = watch_as_we_do if chosen.watch_as == "ours" else watch_as_kopf_does
    asyncio.run(watch(connection, Count()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
