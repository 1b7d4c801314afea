"""A Prometheus that reads every pod of the application once a second, for the tools that ask one."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.rollback.application import MANAGEMENT_PORT
from benchmarks.rollback.tool import World, running
from demo.kubectl import wait_for
from localcluster.ports import free_port
from tests.support.debian import PROMETHEUS
from tests.support.kube import Object, Refused

LOOK_SECONDS = 0.25
CONFIGURATION = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
scrape_configs:
- job_name: application
  file_sd_configs: [{{files: ["{targets}"], refresh_interval: 1s}}]
"""


@dataclass(frozen=True)
class Source:
    """Where it is asked, and its process."""

    url: str
    pid: int


@contextmanager
def prometheus(world: World) -> Iterator[Source]:
    """Debian's Prometheus does not ask Kubernetes for pods, so a file of them is kept for it."""
    targets, port = world.folder / "targets.json", free_port()
    configuration = world.folder / "prometheus.yml"
    targets.write_text("[]")
    configuration.write_text(CONFIGURATION.format(targets=targets))
    command = [
        str(PROMETHEUS.find()),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={world.folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    ended = threading.Event()
    keeper = threading.Thread(target=_keep, args=(world, ended), daemon=True)
    with running("prometheus", command, world.folder / "prometheus.log") as process:
        wait_for(lambda: _is_ready(port), "Prometheus", timeout=60)
        keeper.start()
        try:
            yield Source(f"http://127.0.0.1:{port}", process.pid)
        finally:
            ended.set()
            keeper.join()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _keep(world: World, ended: threading.Event) -> None:
    """Write the file anew whenever a pod has come or gone."""
    file, known = world.folder / "targets.json", ""
    while not ended.wait(LOOK_SECONDS):
        try:
            pods = world.kube.list("v1", "Pod", world.namespace)
        except (Refused, OSError):
            continue
        text = json.dumps([entry for pod in pods if (entry := target_of(pod))])
        if text != known:
            fresh = file.with_suffix(".new")
            fresh.write_text(text)
            fresh.replace(file)
            known = text


def target_of(pod: Object) -> Object | None:
    """The entry of a pod with an address, with those of its labels that name its workload."""
    address, labels = pod["status"].get("podIP"), pod["metadata"].get("labels", {})
    if not address or pod["status"].get("phase") != "Running":
        return None
    names = {"pod_template_hash": labels.get("rollouts-pod-template-hash", ""), "workload": labels.get("app", "")}
    return {"targets": [f"{address}:{MANAGEMENT_PORT}"], "labels": {name: text for name, text in names.items() if text}}


def error_share(selector: str, seconds: int) -> str:
    """PromQL: the share of errors among the answers of the pods that the selector names."""
    errors = f'viridian_requests_total{{code="5xx",{selector}}}[{seconds}s]'
    return f"sum(increase({errors})) / sum(increase(viridian_requests_total{{{selector}}}[{seconds}s]))"
