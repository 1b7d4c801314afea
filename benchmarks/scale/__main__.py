"""What ten thousand ModelDeployments cost, and whether one of them on trial notices the others.

Real are the API server with etcd and the controller manager, MLflow and the operator; only kubelets have a stand-in,
which makes every pod ready at once. All models follow an alias of a registered model of their own. Measured are

* the time from the operator's start until every model is ready,
* what the operator costs at rest: CPU, memory, calls of the API server and of MLflow,
* the time from its restart until nothing waits any more, and
* the reaction to one challenger that breaches: alone, among the others at rest, and while all of them are looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale import registry, world
from benchmarks.scale.api import Api, api
from benchmarks.scale.ready_pods import ready_pods
from benchmarks.scale.trial import NAMESPACE, Trial
from benchmarks.spread import spread
from localcluster.controlplane import ControlPlane
from tests.support.control_plane import install
from tests.support.kube import Kube, client
from tests.support.kubelet import Kubelet
from tests.support.mlflow_server import MlflowServer, mlflow_server
from tests.support.operator_process import OperatorProcess
from viridian.api import crd

READY_SECONDS = 3600.0
SETTLED_SECONDS = 1800.0


@dataclass(frozen=True)
class Cost:
    """What the operator has used since its start."""

    at: float
    cpu: float
    resident: float
    calls: Mapping[str, float]
    mlflow: int

    @staticmethod
    def of(operator: OperatorProcess, mlflow: MlflowServer) -> Cost:
        metrics = operator.metrics()
        calls: Counter[str] = Counter()
        for (name, labels), value in metrics.items():
            if name == "viridian_api_requests_total":
                calls[dict(labels)["verb"]] += int(value)
        plain = {name: value for (name, _), value in metrics.items()}
        return Cost(
            at=time.monotonic(),
            cpu=plain["process_cpu_seconds_total"],
            resident=plain["process_resident_memory_bytes"] / 2**20,
            calls=calls,
            mlflow=registry.calls(mlflow),
        )


def report_rest(before: Cost, after: Cost) -> None:
    seconds = after.at - before.at
    calls = {verb: after.calls[verb] - before.calls.get(verb, 0) for verb in after.calls}
    by_verb = ", ".join(f"{verb} {number / seconds:.2f}" for verb, number in sorted(calls.items()) if number)
    print(f"at rest for {seconds:.0f} s:")
    print(f"  CPU: {100 * (after.cpu - before.cpu) / seconds:.1f} % of a core")
    print(f"  memory: {after.resident:.0f} MB")
    print(f"  API calls a second: {by_verb or 'none'}")
    print(f"  MLflow calls a second: {(after.mlflow - before.mlflow) / seconds:.2f}", flush=True)


async def settled(operator: OperatorProcess, objects: int) -> float:
    """Seconds until every object was looked at and nothing has waited for two seconds."""
    began, quiet_since = time.monotonic(), None
    while time.monotonic() - began < SETTLED_SECONDS:
        passes = await asyncio.to_thread(operator.total, "viridian_reconciles_total")
        waiting = await asyncio.to_thread(operator.total, "workqueue_depth")
        working = await asyncio.to_thread(operator.total, "workqueue_unfinished_work_seconds")
        now = time.monotonic()
        if passes < objects or waiting or working:
            quiet_since = None
        elif quiet_since is None:
            quiet_since = now
        elif now - quiet_since >= 2:
            return quiet_since - began
        await asyncio.sleep(0.25)
    raise RuntimeError(f"not settled within {SETTLED_SECONDS:g} s")


@dataclass(frozen=True)
class Bench:
    """The parts of the world."""

    plane: ControlPlane
    kube: Kube
    api: Api
    mlflow: MlflowServer
    folder: Path

    def operator(self) -> OperatorProcess:
        return OperatorProcess(self.plane.kubeconfig, self.folder, f"--mlflow-uri={self.mlflow.url}")


async def measure(bench: Bench, chosen: argparse.Namespace) -> None:
    models = world.names(chosen.models)
    with Kubelet(bench.kube, namespace=NAMESPACE) as kubelet:
        trial = Trial(bench.kube, kubelet)
        with bench.operator() as operator:
            await asyncio.to_thread(operator.until_ready)
            await asyncio.to_thread(trial.prepare)
            await react(trial, chosen.trials, "alone")
            operator.stop()
        registry.fill(bench.mlflow, models)
        began = time.monotonic()
        await world.fill(bench.api, models, chosen.policies)
        print(f"{chosen.models} models and {chosen.policies} policies created in {time.monotonic() - began:.0f} s")
        objects = chosen.models + chosen.policies + 1
        async with ready_pods(bench.api, but_in=NAMESPACE), world.readiness(bench.api) as readiness:
            with bench.operator() as operator:
                began = time.monotonic()
                whole = asyncio.create_task(readiness.until(chosen.models + 1, READY_SECONDS))
                while not whole.done():
                    await asyncio.wait([whole], timeout=30)
                    print(f"  {time.monotonic() - began:.0f} s: {len(readiness.ready)} ready", flush=True)
                if not whole.result():
                    raise RuntimeError(f"only {len(readiness.ready)} of {chosen.models + 1} are ready")
                before = Cost.of(operator, bench.mlflow)
                print(f"all ready: {time.monotonic() - began:.0f} s, with {before.cpu:.0f} s of the operator's CPU")
                print(f"nothing waits: {await settled(operator, objects):.0f} s later", flush=True)
                await rest(operator, bench, chosen.rest)
                await react(trial, chosen.trials, "among the others at rest")
                operator.stop()
            with bench.operator() as operator:
                began = time.monotonic()
                await asyncio.to_thread(operator.until_ready)
                ready = time.monotonic() - began
                print(f"after a restart: ready {ready:.1f} s, nothing waits {await settled(operator, objects):.1f} s")
                await rest(operator, bench, chosen.rest)
                operator.stop()
            with bench.operator() as operator:
                await asyncio.to_thread(operator.until_ready)
                await react(trial, 1, "right after a restart")
                operator.stop()


async def rest(operator: OperatorProcess, bench: Bench, seconds: float) -> None:
    before = Cost.of(operator, bench.mlflow)
    await asyncio.sleep(seconds)
    report_rest(before, Cost.of(operator, bench.mlflow))


async def react(trial: Trial, times: int, where: str) -> None:
    found = [await asyncio.to_thread(trial.seconds) for _ in range(times)]
    print(f"first failed answer to revert, {where}: {spread(found, 's')}", flush=True)


async def run(chosen: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="viridian-scale-") as folder, ControlPlane() as plane:
        async with AsyncExitStack() as stack:
            (mlflow_folder := Path(folder) / "mlflow").mkdir()
            kube = stack.enter_context(client(plane.kubeconfig))
            mlflow = stack.enter_context(mlflow_server(mlflow_folder))
            for kind in crd.KINDS:
                install(kube, kind)
            plane.restart_controller_manager()
            opened = await stack.enter_async_context(api(plane.kubeconfig))
            await measure(Bench(plane, kube, opened, mlflow, Path(folder)), chosen)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=1000, help="ModelDeployments (default: 1000)")
    parser.add_argument("--policies", type=int, default=1000, help="RetrainPolicies, at most as many (default: 1000)")
    parser.add_argument("--rest", type=float, default=120, help="seconds of rest that are watched (default: 120)")
    parser.add_argument("--trials", type=int, default=10, help="how often the bad version is tried (default: 10)")
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
