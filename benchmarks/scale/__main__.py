"""What ten thousand ModelDeployments cost, and whether one of them on trial notices the others.

Real are the API server with etcd and the controller manager, MLflow and the operator; only kubelets have a stand-in,
which makes every pod ready at once. All models follow an alias of a registered model of their own. Measured are

* the time from the operator's start until every model is ready, and what that takes: passes, calls and processor time,
  beside what the control plane alone takes for the same objects when a plain client creates them,
* what the operator costs at rest: CPU, memory, calls of the API server and of MLflow, and a scrape of its metrics,
* the time from its restart until nothing waits any more, and
* the reaction to one challenger that breaches: alone, among the others at rest, and while all of them are looked at.

Two cores share all of it, so what the operator costs stands beside what the others do.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.scale import plain, registry, restored, world
from benchmarks.scale.api import Api, api
from benchmarks.scale.cost import Cost, Scrape, processor_seconds, report
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

ORIGINAL = "model-original"
READY_SECONDS = 7200.0
SETTLED_SECONDS = 1200.0
CALM_CORES = 0.6
"""What the control plane uses at most once it has come to terms with objects that were restored."""
CALM_SECONDS = 300.0
PROGRAMS = ("kube-apiserver", "etcd", "kube-controller-manager")
PROFILED = 45
"""Functions of a profile that are printed."""


async def settled(operator: OperatorProcess, objects: int) -> float:
    """Seconds until every object was looked at, by a pass or by a sweep, and nothing has waited for two seconds."""
    began, quiet_since = time.monotonic(), None
    while time.monotonic() - began < SETTLED_SECONDS:
        scrape = await asyncio.to_thread(Scrape.of, operator)
        looks = scrape.total("viridian_reconciles_total") + scrape.total("viridian_sweep_looks_total")
        busy = scrape.total("workqueue_depth") + scrape.total("workqueue_unfinished_work_seconds")
        now = time.monotonic()
        if looks < objects or busy or not scrape.total("viridian_sweeps_total"):
            quiet_since = None
        elif quiet_since is None:
            quiet_since = now
        elif now - quiet_since >= 2:
            return quiet_since - began
        await asyncio.sleep(max(0.25, 20 * scrape.seconds))  # so looking costs the operator a twentieth at most
    raise RuntimeError(f"not settled within {SETTLED_SECONDS:g} s")


@dataclass(frozen=True)
class Bench:
    """The parts of the world."""

    plane: ControlPlane
    kube: Kube
    api: Api
    mlflow: MlflowServer
    folder: Path

    profile: Path | None

    def operator(self) -> OperatorProcess:
        return OperatorProcess(
            self.plane.kubeconfig, self.folder, f"--mlflow-uri={self.mlflow.url}", profile=self.profile
        )

    def cost(self, operator: OperatorProcess) -> Cost:
        programs = {name: self.plane.pid(name) for name in PROGRAMS}
        programs |= {"mlflow": self.mlflow.process.pid}
        return Cost.of(operator, programs, lambda: registry.calls(self.mlflow))


async def measure(bench: Bench, chosen: argparse.Namespace) -> None:
    models = world.names(chosen.models)
    with Kubelet(bench.kube, namespace=NAMESPACE) as kubelet:
        trial = Trial(bench.kube, kubelet)
        with bench.operator() as operator:
            await asyncio.to_thread(operator.until_ready)
            await asyncio.to_thread(trial.prepare)
            alone = await react(trial, chosen.trials, "alone")
            operator.stop()
        await without_operator(await plain.templates(bench.api, NAMESPACE, "churn"), chosen.plain)
        if chosen.restored:
            await from_a_backup(bench, trial, models, chosen, alone)
            return
        registry.fill(bench.mlflow, models)
        began = time.monotonic()
        await world.fill(bench.api, models, chosen.policies)
        say(f"{chosen.models} models and {chosen.policies} policies created in {time.monotonic() - began:.0f} s")
        objects = chosen.models + chosen.policies + 1
        async with ready_pods(bench.api, but_in=NAMESPACE), world.readiness(bench.api) as readiness:
            with bench.operator() as operator:
                before = bench.cost(await asyncio.to_thread(operator.until_answering))
                await all_ready(operator, readiness, chosen.models + 1)
                report("until all were ready", before, bench.cost(operator), objects)
                say(f"nothing waits: {await settled(operator, objects):.0f} s later")
                report("from the start until nothing waited", before, bench.cost(operator), objects)
                await rest(operator, bench, chosen.rest, objects)
                await react(trial, chosen.trials, "among the others at rest", alone)
                operator.stop()
            print_profile(bench.profile)
            await restarted(bench, trial, chosen, objects, alone)


async def from_a_backup(
    bench: Bench, trial: Trial, models: Sequence[str], chosen: argparse.Namespace, alone: list[float]
) -> None:
    """All models are there and ready before the operator starts."""
    original = await made_for_real(bench)
    registry.fill(bench.mlflow, models)
    renamings = [original.renaming(number, name) for number, name in enumerate(models)]
    registry.copy(bench.mlflow, ORIGINAL, renamings)
    objects = chosen.models + chosen.policies + 1
    async with ready_pods(bench.api, but_in=NAMESPACE):
        await world.create_namespaces(bench.api)
        began = time.monotonic()
        number = await asyncio.to_thread(restored.restore, bench.plane, original, models, chosen.policies)
        say(f"{number} objects of {chosen.models} models restored in {time.monotonic() - began:.0f} s")
        await calm(bench.plane)
        await restarted(bench, trial, chosen, objects, alone)


async def calm(plane: ControlPlane) -> None:
    """Until the control plane has nothing to do: after a restore its controllers look at every object."""
    began, used = time.monotonic(), math.inf
    while used > CALM_CORES:
        if time.monotonic() - began > CALM_SECONDS:
            raise RuntimeError(f"the control plane still uses {used:.1f} cores after {CALM_SECONDS:g} s")
        before = sum(processor_seconds(plane.pid(name)) for name in PROGRAMS)
        await asyncio.sleep(5)
        used = (sum(processor_seconds(plane.pid(name)) for name in PROGRAMS) - before) / 5
    say(f"the control plane is at rest {time.monotonic() - began:.0f} s later")


async def made_for_real(bench: Bench) -> restored.Original:
    """A model with a RetrainPolicy that the operator has brought to rest, on a control plane of its own."""
    registry.fill(bench.mlflow, [ORIGINAL])
    with ControlPlane(restored.audited(bench.folder)) as plane, client(plane.kubeconfig) as kube:
        for kind in crd.KINDS:
            install(kube, kind)
        async with api(plane.kubeconfig) as opened, ready_pods(opened, but_in=""), world.readiness(opened) as readiness:
            await world.fill(opened, [ORIGINAL], policies=1)
            with replace(bench, plane=plane, profile=None).operator() as operator:
                await asyncio.to_thread(operator.until_answering)
                await all_ready(operator, readiness, 1)
                await settled(operator, 2)
                operator.stop()
            return await restored.original(opened, bench.folder / restored.AUDIT_LOG, world.namespace_of(0), ORIGINAL)


async def without_operator(chosen: Sequence[plain.Template], models: int) -> None:
    """On a control plane of its own, where a plain client creates what the operator makes of each model."""
    with ControlPlane() as plane:
        async with api(plane.kubeconfig) as opened:
            seconds = await plain.seconds(opened, chosen, world.names(models))
    say(f"a plain client: {models} models with {len(chosen)} objects each: {models / seconds:.1f} models a second")


async def all_ready(operator: OperatorProcess, readiness: world.Readiness, number: int) -> None:
    """Print how far it is every half minute, until every model is ready."""
    began = time.monotonic()
    whole = asyncio.create_task(readiness.until(number, READY_SECONDS))
    while not whole.done():
        await asyncio.wait([whole], timeout=30)
        say(f"  {time.monotonic() - began:.0f} s: {len(readiness.ready)} ready")
    if not whole.result():
        raise RuntimeError(
            f"only {len(readiness.ready)} of {number} are ready; the log ends:\n{operator.log()[-3000:]}"
        )
    seconds = time.monotonic() - began
    say(f"all ready: {seconds:.0f} s, {number / seconds:.1f} models a second")


async def restarted(bench: Bench, trial: Trial, chosen: argparse.Namespace, objects: int, alone: list[float]) -> None:
    """Everything is there already."""
    with bench.operator() as operator:
        began, before = time.monotonic(), bench.cost(await asyncio.to_thread(operator.until_answering))
        await asyncio.to_thread(operator.until_ready)
        ready = time.monotonic() - began
        quiet = ready + await settled(operator, objects)
        say(f"after a restart: ready {ready:.1f} s, nothing waits {quiet:.1f} s")
        report("since the restart", before, bench.cost(operator), objects)
        await rest(operator, bench, chosen.rest, objects)
        if chosen.restored:
            await react(trial, chosen.trials, "among the others at rest", alone)
        operator.stop()
    with bench.operator() as operator:
        await asyncio.to_thread(operator.until_ready)
        await react(trial, 1, "right after a restart", alone)
        operator.stop()


async def rest(operator: OperatorProcess, bench: Bench, seconds: float, objects: int) -> None:
    before = bench.cost(operator)
    await asyncio.sleep(seconds)
    report("at rest", before, bench.cost(operator), objects)


async def react(trial: Trial, times: int, where: str, alone: list[float] | None = None) -> list[float]:
    found = [await asyncio.to_thread(trial.seconds) for _ in range(times)]
    compared = f"; medians differ by {statistics.median(found) - statistics.median(alone):+.2f} s" if alone else ""
    say(f"first failed answer to revert, {where}: {spread(found, 's')}{compared}")
    return found


def print_profile(profile: Path | None) -> None:
    """Of the operator that made all models ready."""
    if profile is not None:
        pstats.Stats(str(profile)).sort_stats("tottime").print_stats(PROFILED)
        pstats.Stats(str(profile)).sort_stats("cumulative").print_stats(PROFILED)


def say(line: str) -> None:
    print(line, flush=True)


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
            await measure(Bench(plane, kube, opened, mlflow, Path(folder), chosen.profile), chosen)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=1000, help="ModelDeployments (default: 1000)")
    parser.add_argument("--policies", type=int, default=1000, help="RetrainPolicies, at most as many (default: 1000)")
    parser.add_argument("--plain", type=int, default=500, help="models without an operator (default: 500)")
    parser.add_argument("--rest", type=float, default=120, help="seconds of rest that are watched (default: 120)")
    parser.add_argument("--trials", type=int, default=10, help="how often the bad version is tried (default: 10)")
    parser.add_argument("--restored", action="store_true", help="restore the models as they end, ready and at rest")
    parser.add_argument("--profile", type=Path, help="profile the operator, and write the result here")
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
