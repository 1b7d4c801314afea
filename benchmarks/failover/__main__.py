"""How long a bad version stays when the operator that leads is lost in the middle of a breach.

Real are the API server with etcd and the controller manager, and two operator processes; kubelets and users have a
stand-in. A challenger meets half of the users and is healthy. At one moment it begins to fail every request, and at the
same moment the leader is

* left alone, for comparison,
* killed (SIGKILL),
* cut off from the API server: its connections break, and new ones are refused,
* stopped (SIGSTOP), or
* asked to end (SIGTERM), which is the hand-over.

Measured is the time from then until the rollback is recorded on the live Service, until the other operator leads, and
until its first write to anything but the Lease.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.spread import spread
from localcluster.controlplane import ControlPlane
from tests.support.control_plane import install
from tests.support.faulty_proxy import FaultyProxy
from tests.support.kube import Kube, client, eventually
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.memory_pods import BROKEN, HEALTHY
from tests.support.operator_process import OperatorProcess
from viridian.api import crd
from viridian.rollout.traffic import service as traffic

MOST_EXTRA: Final = 5.0
"""Seconds that a lost leader may cost."""
MOST_HAND_OVER: Final = 1.0
LOOK: Final = 0.02
WRITES: Final = ("apply", "create", "delete", "update")
SYSTEM: Final = "viridian-system"
TRIAL: Final = {"steps": [{"weight": 50, "duration": "10m"}], "probation": "1s"}


@dataclass(frozen=True)
class Pair:
    """The operator that leads, the one that stands by, and what lies between the leader and the API server."""

    leader: OperatorProcess
    standby: OperatorProcess
    proxy: FaultyProxy


def left_alone(_: Pair) -> None:
    """Nothing happens to the leader."""


def killed(pair: Pair) -> None:
    pair.leader.signal(signal.SIGKILL)


def cut_off(pair: Pair) -> None:
    pair.proxy.fail(lambda *_: True, None, times=1e9)
    pair.proxy.cut()


def stopped(pair: Pair) -> None:
    pair.leader.signal(signal.SIGSTOP)


def handed_over(pair: Pair) -> None:
    pair.leader.signal(signal.SIGTERM)


WAYS: Final[dict[str, Callable[[Pair], None]]] = {
    "left alone": left_alone,
    "killed": killed,
    "cut off": cut_off,
    "stopped": stopped,
    "handed over": handed_over,
}


@dataclass(frozen=True)
class Measured:
    """Seconds from the breach; None for what has not come before the rollback."""

    revert: float
    leads: float | None
    writes: float | None


@dataclass(frozen=True)
class Stage:
    """Where each run has a namespace and a pair of operators of its own."""

    plane: ControlPlane
    kube: Kube
    kubelet: Kubelet
    folder: Path

    def run(self, way: str, number: int) -> Measured:
        name = f"failover-{way.replace(' ', '-')}-{number}"
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.kube.create(namespace)
        model = LiveModel(self.kube, self.kubelet, name)
        with ExitStack() as stack:
            proxy = stack.enter_context(FaultyProxy(self.plane.kubeconfig))
            folder = self.folder / name
            folder.mkdir()
            leader = stack.enter_context(self._operator(name, "leader", proxy.kubeconfig(folder)))
            leader.until_ready()
            eventually(lambda: leads(leader), what="the leader")
            standby = stack.enter_context(self._operator(name, "standby", self.plane.kubeconfig))
            standby.until_ready()
            on_trial(model)
            measured = self._broken(model, Pair(leader, standby, proxy), WAYS[way], name)
        self.kube.delete(namespace)
        return measured

    def _broken(self, model: LiveModel, pair: Pair, lose: Callable[[Pair], None], name: str) -> Measured:
        self.kubelet.behaviour(name, "2", BROKEN)
        began, led, wrote = time.monotonic(), None, None
        lose(pair)
        while time.monotonic() < began + 60.0:
            if led is None and self._holder(name) == "standby":
                led = time.monotonic() - began
            if wrote is None and writes(pair.standby):
                wrote = time.monotonic() - began
            live = traffic.record_of(self.kube.get("v1", "Service", model.name, name))
            if live is not None and live.reverted is not None:
                return Measured(time.monotonic() - began, led, wrote)
            time.sleep(LOOK)
        raise RuntimeError(f"no rollback within a minute; the standby's log:\n{pair.standby.log()}")

    def _holder(self, name: str) -> str:
        lease = self.kube.get("coordination.k8s.io/v1", "Lease", name, SYSTEM) or {}
        return str((lease.get("spec") or {}).get("holderIdentity", ""))

    def _operator(self, namespace: str, identity: str, kubeconfig: Path) -> OperatorProcess:
        mine = (f"--namespace={namespace}", f"--lease={namespace}", f"--identity={identity}")
        return OperatorProcess(kubeconfig, self.folder / namespace, *mine)


def leads(operator: OperatorProcess) -> bool:
    return operator.total("viridian_leader") == 1.0


def writes(operator: OperatorProcess) -> bool:
    """Whether it has written to anything but its Lease."""
    return any(
        line.startswith("viridian_api_requests_total") and 'resource="leases"' not in line
        for line in operator.exposition().splitlines()
        if any(f'verb="{verb}"' in line for verb in WRITES)
    )


def on_trial(model: LiveModel) -> None:
    """The challenger is healthy, and has been judged for a while."""
    model.behave("2", HEALTHY)
    model.apply("1")
    eventually(lambda: model.serves("1"), what="the first champion", timeout=120)
    model.apply("2", rollout=TRIAL)
    eventually(lambda: model.trial.get("weight"), what="the trial", timeout=120)
    eventually(lambda: _passes(model), what="a verdict", timeout=120)


def _passes(model: LiveModel) -> bool:
    return any(metric.get("verdict") == "Pass" for metric in model.trial.get("metrics", []))


def report(measured: dict[str, list[Measured]]) -> bool:
    """Print what was measured; whether it holds what is promised."""
    alone = [one.revert for one in measured["left alone"]]
    held = True
    for way, runs in measured.items():
        reverts = [one.revert for one in runs]
        extra = max(reverts) - median(alone)
        print(f"{way}: breach to rollback {spread(reverts, 's')}; {median(reverts) / median(alone):.1f} times", end="")
        print(f"; at most {extra:.2f} s longer than the median without" if way != "left alone" else "")
        held = held and extra <= MOST_EXTRA
        for what, seconds in (
            ("the other one leads", [one.leads for one in runs if one.leads is not None]),
            ("its first write", [one.writes for one in runs if one.writes is not None]),
        ):
            if seconds:
                print(f"  {what}: {spread(seconds, 's')}")
                held = held and (way != "handed over" or max(seconds) <= MOST_HAND_OVER)
    return held


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover", description=__doc__)
    parser.add_argument("-n", "--runs", type=int, default=5, help="runs of each way (default: 5)")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS), help="beside `left alone`")
    chosen = parser.parse_args()
    ways = [way for way in WAYS if way in ("left alone", *chosen.ways)]
    measured: dict[str, list[Measured]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, ControlPlane() as plane, client(plane.kubeconfig) as kube:
        for kind in crd.KINDS:
            install(kube, kind)
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
        with Kubelet(kube) as kubelet:
            stage = Stage(plane, kube, kubelet, Path(folder))
            for number in range(chosen.runs):
                for way in ways:
                    measured[way].append(stage.run(way, number))
                    print(f"run {number + 1}, {way}: {measured[way][-1]}", file=sys.stderr)
    return 0 if report(measured) else 1


if __name__ == "__main__":
    sys.exit(main())
