"""Whether an acknowledged event can be lost, and a forged one stored, under load while operators are killed.

Real are the API server with etcd and two operator processes with a receiver each, of which one leads. Every second 200
requests come: valid, forged, replayed and oversized ones in turn. Meanwhile operators are killed (SIGKILL), one after
the other, and started again. The policies are suspended, so all that was stored is still there at the end.

Sender, API server and operators share the computer.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.events.sending import Ledger, Sender
from benchmarks.spread import spread
from localcluster.controlplane import ControlPlane
from localcluster.ports import free_ports
from tests.support.control_plane import install
from tests.support.kube import Kube, client
from tests.support.manifests import retrain_policy
from tests.support.operator_process import OperatorProcess
from viridian.api import crd
from viridian.api.names import RECEIVED_EVENT_LABEL

NAMESPACE: Final = "events"
SYSTEM: Final = "viridian-system"
POLICIES: Final = 40
SENDERS: Final = 4
EVENT: Final = {"name": "ready", "event": {"type": "dev.example.batch.ready"}}


class Pair:
    """Two operators of one installation, each at a port that it keeps."""

    def __init__(self, plane: ControlPlane, folder: Path, stack: ExitStack) -> None:
        self._plane, self._folder, self._stack = plane, folder, stack
        self.ports = free_ports(2)
        self.kills = 0
        self.away: list[float] = []
        """Seconds from each kill until the operator was ready again."""
        self._operators = [self._started(number) for number in range(2)]
        for operator in self._operators:
            operator.until_ready()

    def kill_one(self) -> None:
        number = self.kills % 2
        self._operators[number].kill()
        self.kills += 1
        began = time.monotonic()
        self._operators[number] = self._started(number).until_ready()
        self.away.append(time.monotonic() - began)

    def cpu_seconds(self) -> float:
        return sum(one.total("process_cpu_seconds_total") for one in self._operators)

    def mistakes(self) -> list[str]:
        return [line for one in self._operators for line in one.log().splitlines() if "a request failed" in line]

    def _started(self, number: int) -> OperatorProcess:
        flags = (
            f"--namespace={NAMESPACE}",
            f"--lease={NAMESPACE}",
            f"--identity=operator-{number}-{self.kills}",
            f"--events-port={self.ports[number]}",
            f"--events-keys={NAMESPACE}={self._folder / 'keys'}",
        )
        return self._stack.enter_context(OperatorProcess(self._plane.kubeconfig, self._folder, *flags))


async def load(pair: Pair, keys: list[str], each_second: int, seconds: float, kills: int) -> Ledger:
    """Send for so long, and kill operators at even intervals meanwhile."""
    paths = [f"/v1/events/{NAMESPACE}/churn-{number}" for number in range(POLICIES)]
    timeout = aiohttp.ClientTimeout(total=30)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        sender = Sender(http, pair.ports, keys, paths)
        sending = asyncio.create_task(sender.run(each_second, seconds))
        for _ in range(kills):
            await asyncio.sleep(seconds / (kills + 1))
            await asyncio.to_thread(pair.kill_one)
        await sending
    return sender.ledger


def stored(kube: Kube) -> list[str]:
    """Ids of all events that the API server has."""
    found = kube.list("apps/v1", "ControllerRevision", NAMESPACE)
    return [one["data"]["event"]["id"] for one in found if RECEIVED_EVENT_LABEL in one["metadata"].get("labels", {})]


def report(ledger: Ledger, found: list[str], pair: Pair) -> bool:
    """Print what was measured; whether nothing was lost, forged or doubled."""
    for kind, statuses in ledger.statuses.items():
        shown = ", ".join(f"{number} × {status or 'no answer'}" for status, number in sorted(statuses.items()))
        print(f"{kind}: {shown}")
    lost = ledger.acknowledged - set(found)
    foreign = set(found) - ledger.sent
    print(f"valid events: {len(ledger.sent)} sent, {len(ledger.acknowledged)} acknowledged, {len(found)} stored")
    print(f"acknowledged and not stored: {len(lost)}; stored and not valid: {len(foreign)}", end="")
    print(f"; stored twice: {len(found) - len(set(found))}; replays that stored something: {ledger.replays_stored}")
    if pair.away:
        print(f"operators killed: {pair.kills}; ready again after {spread(pair.away, 's')}")
    milliseconds = [1000 * one for one in ledger.latencies]
    late = statistics.quantiles(milliseconds, n=100)[98]
    print(f"request to 202, at the first attempt: {spread(milliseconds, 'ms')}; 99 of 100 within {late:.0f} ms")
    print(f"processor time of the operators that are left: {pair.cpu_seconds():.1f} s")
    for line in pair.mistakes():
        print(line)
    return not (lost or foreign or ledger.replays_stored or len(found) > len(set(found)) or pair.mistakes())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200, help="requests a second (default 200)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--kills", type=int, default=5, help="operators that are killed meanwhile (default 5)")
    parsed = parser.parse_args()
    keys = [f"key-of-sender-{number}-of-24-bytes" for number in range(SENDERS)]
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        (folder / "keys").mkdir()
        for number, key in enumerate(keys):
            (folder / "keys" / f"sender-{number}").write_text(key)
        plane = stack.enter_context(ControlPlane())
        kube = stack.enter_context(client(plane.kubeconfig))
        for kind in crd.KINDS:
            install(kube, kind)
        for name in (NAMESPACE, SYSTEM):
            kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for number in range(POLICIES):
            kube.apply(retrain_policy(NAMESPACE, f"churn-{number}", triggers=[EVENT], suspend=True))
        pair = Pair(plane, folder, stack)
        ledger = asyncio.run(load(pair, keys, parsed.rate, parsed.seconds, parsed.kills))
        return 0 if report(ledger, stored(kube), pair) else 1


if __name__ == "__main__":
    sys.exit(main())
