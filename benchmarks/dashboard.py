"""How long the page with all models takes, at a real API server, and how much of that is the API server's own.

All models have the status of a model in the middle of a rollout. The first page shows those that come first; to find
them, all are read. Beside it stands the API server's answer to a list of the same objects with the same token, which is
taken and not looked at: what any client that shows them has to wait for.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import yaml
from aiohttp.test_utils import TestClient, TestServer

from benchmarks.spread import spread
from localcluster.controlplane import ControlPlane
from tests.support.control_plane import install, kubectl_of
from tests.support.dashboard_models import on_trial
from tests.support.kube import client
from tests.support.manifests import model_deployment
from viridian.api import crd
from viridian.api.resources import OWN
from viridian.dashboard.dashboard_app import DashboardApp
from viridian.dashboard.main import settle
from viridian.dashboard.person_cluster import ApiPersonCluster
from viridian.ports.api_client import ApiCall, ApiClient
from viridian.ports.connection import ApiConnection

AIM_SECONDS: Final = 0.3
WRITERS: Final = 8
WARM: Final = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("-n", type=int, default=30, help="pages that are measured")
    options = parser.parse_args()
    with ControlPlane() as plane, tempfile.TemporaryDirectory() as folder:
        authority = Path(folder) / "ca.crt"
        known = yaml.safe_load(plane.kubeconfig.read_text())["clusters"][0]["cluster"]
        authority.write_bytes(base64.b64decode(known["certificate-authority-data"]))
        _fill(plane, options.models)
        kubectl = kubectl_of(plane)
        kubectl("create", "serviceaccount", "reader", "-n", "default")
        kubectl(
            "create", "clusterrolebinding", "reader", "--clusterrole=cluster-admin", "--serviceaccount=default:reader"
        )
        token = kubectl("create", "token", "reader", "-n", "default").strip()
        connection = ApiConnection(server=plane.server, ca_path=authority)
        page, plain, size = asyncio.run(_measured(connection, token, options.n))
    print(f"{options.models} models, a page of {size / 1024:.0f} KiB; seconds as minimum / median / maximum")
    print(f"  the page         {spread(page, 's')}")
    print(f"  the plain list   {spread(plain, 's')}")
    print(f"  of the dashboard {statistics.median(page) - statistics.median(plain):.3f} s (difference of the medians)")
    return 0 if statistics.median(page) < AIM_SECONDS else 1


def _fill(plane: ControlPlane, models: int) -> None:
    with client(plane.kubeconfig) as kube:
        for kind in crd.KINDS:
            install(kube, kind)

        def create(number: int) -> None:
            manifest = model_deployment("default", f"model-{number:05}")
            kube.apply(manifest)
            kube.merge(manifest, {"status": on_trial()["status"]}, subresource="status")

        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(create, range(models)))


async def _measured(connection: ApiConnection, token: str, pages: int) -> tuple[list[float], list[float], int]:
    cluster, client = ApiPersonCluster(connection), ApiClient(connection)
    everything = ApiCall("list", "GET", OWN[0], parameters={"resourceVersion": "0"}, token=token, shape=msgspec.Raw)
    settle()
    headers = {"Authorization": f"Bearer {token}"}
    size = 0
    async with TestClient(TestServer(DashboardApp(cluster).application())) as browser:

        async def page() -> None:
            nonlocal size
            async with browser.get("/", headers=headers) as response:
                size = len(await response.read())
                assert response.status == 200

        async def plain() -> None:
            await client.send(everything)

        found = [await _times(page, pages), await _times(plain, pages)]
    await cluster.close()
    await client.close()
    return found[0], found[1], size


async def _times(call: Callable[[], Awaitable[None]], number: int) -> list[float]:
    for _ in range(WARM):
        await call()
    seconds = []
    for _ in range(number):
        began = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
