"""Train, serve, swap blue-green, revert, and follow what changes: the whole loop on a real cluster, live."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from demo import closed_loop, stage
from demo.account import Account, headline
from demo.closed_loop import ClosedLoop
from demo.kubectl import Kubectl, wait_for
from demo.measured import Measured
from localcluster.clusters import KUBECONFIG_VARIABLE
from localcluster.errors import LocalClusterError


@dataclass
class Demo:
    """The scenes, in order."""

    kubectl: Kubectl
    account: Account
    theirs: Path | None = None
    """Kubeconfig of a cluster that the user has named."""
    measured: Measured = field(default_factory=Measured)

    def model(self) -> dict[str, Any]:
        return (self.kubectl.get("modeldeployment", stage.MODEL) or {}).get("status") or {}

    def champion(self) -> str:
        return str((self.model().get("champion") or {}).get("version", ""))

    def train(self, scene: str, **parameters: str) -> str:
        """Start a run by hand and wait until its version is handed over; gives the version."""
        manifest = list(yaml.safe_load_all((stage.OBJECTS / "churn.yaml").read_text()))
        container = manifest[1]["spec"]["stages"]["training"]["template"]["spec"]["containers"][0]
        container["env"] = [{"name": name, "value": value} for name, value in parameters.items()]
        self.kubectl.apply(yaml.safe_dump_all(manifest))
        asked = f"{scene}-{int(time.time())}"
        before = self._last_run()
        self.kubectl("annotate", "retrainpolicy", stage.MODEL, f"viridian.dev/run={asked}", "--overwrite")
        run = wait_for(lambda: self._new_run(before), f"the run {asked}", timeout=300)
        if run["outcome"] != "HandedOver":
            raise RuntimeError(f"the run ended as {run['outcome']}: {run.get('message', '')}")
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in sorted(run.get("metrics", {}).items()))
        self.account.say(f"the run made version {run['version']}: {metrics}", "✓")
        return str(run["version"])

    def _last_run(self) -> str:
        status = (self.kubectl.get("retrainpolicy", stage.MODEL) or {}).get("status") or {}
        return str((status.get("lastRun") or {}).get("id", ""))

    def _new_run(self, before: str) -> dict[str, Any] | None:
        status = (self.kubectl.get("retrainpolicy", stage.MODEL) or {}).get("status") or {}
        last: dict[str, Any] | None = status.get("lastRun")
        return last if last and last.get("id") != before and not status.get("activeRun") else None

    def await_champion(self, version: str, timeout: float = 240) -> None:
        started = time.time()
        wait_for(lambda: self.champion() == version, f"version {version} as champion", timeout)
        self.account.say(f"version {version} serves all users after {time.time() - started:.1f} s", "✓")

    def await_revert(self, version: str) -> dict[str, Any]:
        """Wait until this version is rejected and its slot is empty again; gives the status's word on it."""

        def turned_away() -> dict[str, Any] | None:
            entries = [one for one in self.model().get("rejected", ()) if one.get("version") == version]
            return entries[0] if entries else None

        return wait_for(turned_away, f"the rejection of version {version}", timeout=180)

    # ---- the scenes ----

    def scenes(self, rate: int) -> None:
        self.first_version(rate)
        with ClosedLoop.opened(self.kubectl, self.account, self.measured) as loop:
            shift = loop.customers_grow_older(2)
            self.better_version(3)
            self.bad_version("raises", 4, "a version that fails on 30 % of the rows")
            self.bad_version("slow", 5, "a slow version")
            loop.model_follows(6, shift)
            loop.data_spoil(7)

    def first_version(self, rate: int) -> None:
        headline("1  RetrainPolicies train the first versions of two models; ModelDeployments serve them")
        closed_loop.begin(self.kubectl)
        version = self.train("first", TREES="1", MAX_DEPTH="1")
        self.await_champion(version)
        stage.start_load(self.kubectl, rate)
        self.account.follow_load()
        wait_for(lambda: self.account.answered > 2 * rate, "steady load")

    def better_version(self, number: int) -> None:
        headline(f"{number}  The first policy trains a better version, which is promoted step by step")
        failed = self.account.failed
        version = self.train("better", TREES="100", MAX_DEPTH="8")
        self.await_champion(version)
        # What the old champion's connections still carry arrives within the time they are given to close.
        self._steady(3)
        failed = self.account.failed - failed
        self.measured.add("failed requests during the promotion", str(failed))
        if failed:
            raise RuntimeError(f"{failed} requests failed during the promotion")

    def bad_version(self, kind: str, number: int, what: str) -> None:
        headline(f"{number}  A colleague ships {what}, past every gate")
        failed = self.account.failed
        version = stage.ship(self.kubectl, kind)
        self.account.say(f"version {version} is registered and the alias points at it", "✓")
        rejected = self.await_revert(version)
        self._steady(4)
        total = self.account.totals.get(rejected["revision"])
        self.account.say(f"version {version} was rejected: {rejected['message']}", "✓")
        if total and total.first_failure and total.last_answer:
            seconds = total.last_answer - total.first_failure
            self.measured.add(f"{what}: its first 5xx until its last answer, as clients saw it", f"{seconds:.2f} s")
        rollback = self.model().get("lastRollback") or {}
        self.measured.add(f"{what}: first breaching sample until no traffic", f"{rollback.get('seconds', 0):.2f} s")
        self.measured.add(f"{what}: failed requests", str(self.account.failed - failed))

    def _steady(self, seconds: float) -> None:
        """Wait until the load generator has told of so many more seconds."""
        target = self.account.answered + seconds * 40
        wait_for(lambda: self.account.answered >= target, "steady load")

    def farewell(self) -> None:
        self.account.stop()
        headline("What was measured")
        self.measured.add("requests answered in all", str(self.account.answered))
        self.measured.show()
        headline("What is there now")
        print(self.kubectl("get", "modeldeployments,retrainpolicies,deployments,services,jobs"))
        headline("Go on by yourself; the cluster stays up")
        champion = (self.model().get("champion") or {}).get("revision")
        print(
            f"  {self._to_begin()}\n"
            f"  kubectl -n {stage.NAMESPACE} get md,rp\n"
            f"  kubectl -n {stage.NAMESPACE} describe md churn\n"
            f"  kubectl -n {stage.NAMESPACE} get events --sort-by=.lastTimestamp\n"
            f"  kubectl -n {stage.NAMESPACE} logs -f deployment/load\n"
            f"  kubectl -n {stage.NAMESPACE} annotate md churn viridian.dev/rollback={champion}\n"
            f"  kubectl -n {stage.NAMESPACE} annotate rp churn viridian.dev/run=mine-1 --overwrite\n"
            f"  kubectl apply -k demo/dashboard && kubectl -n {stage.NAMESPACE} create token person\n"
            f"  kubectl -n viridian-system port-forward service/viridian-dashboard 8096   # http://localhost:8096\n"
            f"  {self._to_end()}\n"
        )

    def _to_begin(self) -> str:
        return f"export KUBECONFIG={self.theirs}" if self.theirs else 'eval "$(python3 -m localcluster env)"'

    def _to_end(self) -> str:
        return f"kubectl delete namespace {stage.NAMESPACE}" if self.theirs else "python3 -m localcluster down"


def run(kubeconfig: Path | None, rate: int, *, images_loaded: bool) -> None:
    started = time.time()
    headline("0  A real cluster, the operator, MLflow")
    kubectl = stage.ready_cluster(kubeconfig, images_loaded=images_loaded)
    stage.create_namespace(kubectl)
    # What an earlier demo left: its users, and a registry that remembers its versions.
    kubectl("delete", "deployment/load", "deployment/mlflow", "--ignore-not-found", "--wait=true")
    stage.apply_mlflow(kubectl)
    stage.install_operator(kubectl)
    stage.await_mlflow(kubectl)
    kubectl("delete", "modeldeployments,retrainpolicies", "--all", "--wait=true")
    stage.create_scripts(kubectl)
    account = Account(kubectl, stage.MODEL)
    account.hush()
    demo = Demo(kubectl, account, kubeconfig)
    account.follow_operator()
    try:
        demo.scenes(rate)
        demo.measured.add("the whole demo", f"{time.time() - started:.0f} s")
        demo.farewell()
    finally:
        account.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    named = os.environ.get(KUBECONFIG_VARIABLE)
    parser.add_argument(
        "--kubeconfig",
        type=Path,
        default=Path(named) if named else None,
        help=f"use this cluster instead of a local one (default: ${KUBECONFIG_VARIABLE})",
    )
    parser.add_argument("--images-loaded", action="store_true", help="the cluster can pull viridian/*:dev already")
    parser.add_argument("--rate", type=int, default=80, help="requests a second (default: 80)")
    chosen = parser.parse_args()
    try:
        run(chosen.kubeconfig, chosen.rate, images_loaded=chosen.images_loaded)
    except (RuntimeError, TimeoutError, LocalClusterError) as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
