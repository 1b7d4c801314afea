"""What the operator costs while nothing happens, and how long it takes to be ready, on a running node.

Run `make demo` first, so that it has something to look after.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from typing import Any

from benchmarks.spread import spread
from demo import stage
from demo.kubectl import Kubectl, wait_for

_WATCHED = (
    "modeldeployments,retrainpolicies,deployments,services,controllerrevisions,jobs,poddisruptionbudgets,configmaps"
)
_MEMORY = "print(open('/proc/1/status').read())"
_STARTED = (
    "import os;"
    "boot = int(next(l for l in open('/proc/stat') if l.startswith('btime')).split()[1]);"
    "ticks = int(open('/proc/1/stat').read().rsplit(')', 1)[1].split()[19]);"
    "print(boot + ticks / os.sysconf('SC_CLK_TCK'))"
)


def pod(operator: Kubectl) -> dict[str, Any] | None:
    """The pod of the operator that leads, once it is running."""
    found = (operator.get("pods", "-l", "app.kubernetes.io/component=operator") or {}).get("items", [])
    leader = ((operator.get("lease", "viridian-operator") or {}).get("spec") or {}).get("holderIdentity")
    alive = [one for one in found if not one["metadata"].get("deletionTimestamp") and one["status"].get("podIP")]
    return next((one for one in alive if one["metadata"]["name"] == leader), None)


def inside(operator: Kubectl, name: str, program: str) -> str:
    return operator("exec", name, "--", "python", "-c", program)


def resident_megabytes(operator: Kubectl, name: str) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", inside(operator, name, _MEMORY))
    assert found is not None
    return int(found.group(1)) / 1024


def writes(address: str) -> float:
    """Mutating calls to the API server so far, by the operator's own count."""
    with urllib.request.urlopen(f"http://{address}:9090/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    calls = [line for line in lines if line.startswith("viridian_api_requests_total{")]
    assert calls, "the operator counts no calls: has the metric been renamed?"
    reads = ('verb="get"', 'verb="list"', 'verb="watch"')
    return sum(float(line.rsplit(" ", 1)[1]) for line in calls if not any(read in line for read in reads))


def versions(kubectl: Kubectl) -> dict[str, str]:
    """Every object and its resourceVersion."""
    items = json.loads(kubectl("get", _WATCHED, "-o", "json"))["items"]
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in items}


def seconds_to_ready(operator: Kubectl) -> float:
    """From the start of a new process to the first time it says that it is ready."""
    operator("delete", "pod", "-l", "app.kubernetes.io/component=operator", "--wait=true")
    found = wait_for(lambda: pod(operator), "the operator's pod", timeout=60)
    address = found["status"]["podIP"]

    def ready() -> float | None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}:9090/readyz", timeout=1):
            return time.time()
        return None

    at = wait_for(ready, "the operator to be ready", timeout=60, every=0.02)
    return at - float(inside(operator, found["metadata"]["name"], _STARTED))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operator", description=__doc__)
    parser.add_argument("--rest", type=int, default=120, help="seconds of rest that are watched (default: 120)")
    parser.add_argument("--starts", type=int, default=5, help="starts that are timed (default: 5)")
    chosen = parser.parse_args()
    kubectl = stage.ready_cluster()
    operator = replace(kubectl, namespace="viridian-system")
    subprocess.run(kubectl.command("delete", "deployment/load", "--ignore-not-found", "--wait=true"), check=True)
    starts = [seconds_to_ready(operator) for _ in range(chosen.starts)]
    print(f"process start to ready: {spread(starts, 's')}")
    found = wait_for(lambda: pod(operator), "the operator's pod")
    name, address = found["metadata"]["name"], found["status"]["podIP"]
    operator("rollout", "status", "deployment/viridian-operator", "--timeout=60s")
    # Until the first passes after the start have found that there is nothing to do.
    before = wait_for(lambda: _settled(kubectl), "a settled world", timeout=120)
    counted, memory, until = writes(address), [], time.monotonic() + chosen.rest
    while time.monotonic() < until:
        memory.append(resident_megabytes(operator, name))
        time.sleep(5)
    moved = [what for what, version in versions(kubectl).items() if before.get(what) != version]
    print(f"resident memory at rest: {spread(memory, 'MB')}")
    print(f"mutating calls in {chosen.rest} s of rest: {writes(address) - counted:.0f}")
    print(f"objects whose resourceVersion moved: {len(moved)} of {len(before)} {' '.join(moved)}")
    return 0


def _settled(kubectl: Kubectl) -> dict[str, str] | None:
    before = versions(kubectl)
    time.sleep(10)
    return before if versions(kubectl) == before else None


if __name__ == "__main__":
    sys.exit(main())
