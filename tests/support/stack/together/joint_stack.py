"""DVC, Evidently, Feast, MLflow and Airflow in one namespace of a real node: from new data to a new champion."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any, Final

import yaml

from demo import stage
from demo.kubectl import Kubectl, wait_for
from demo.port_forward import address_of, port_forwarded, proxied
from localcluster.paths import REPOSITORY
from tests.support.kube import client
from tests.support.node.volumes import local_volumes
from tests.support.stack.together.account import JointAccount
from tests.support.stack.together.airflow import HEALTH, Airflow
from tests.support.stack.together.images import FOLDER

EXAMPLE: Final = REPOSITORY / FOLDER
NAMESPACE: Final = "ml"
SERVERS: Final = {"mlflow": "MLflow", "data": "git daemon", "feast": "Feast", "airflow": "Airflow"}
"""Name of a Deployment to what runs there."""
RATE: Final = 20
"""Requests a second."""
START_SECONDS: Final = 900.0
RUN_SECONDS: Final = 1200.0
VOLUMES: Final = 8
"""Of the data, of the stores of features, and of each run."""
WORKS_IN: Final = {
    "data": "DVC",
    "dataValidation": "Evidently",
    "features": "Feast",
    "training": "trainer",
    "evaluation": "trainer",
}


@dataclass
class JointStack:
    """The namespace, as people and programs see it from outside."""

    kubectl: Kubectl
    account: JointAccount
    airflow: Airflow
    mlflow: str
    """Where MLflow answers on this computer."""
    model: str
    """Where the model answers, whichever version serves it."""
    figures: dict[str, str] = field(default_factory=dict)

    # ---- what happens

    def pass_season(self, season: str) -> str:
        """The Job of a season ends; gives the commit that it has pushed."""
        manifest = yaml.safe_load((EXAMPLE / "season.yaml").read_text())
        name = manifest["metadata"]["name"] = f"season-{season}"
        pod = manifest["spec"]["template"]["spec"]
        for container in (*pod["initContainers"], *pod["containers"]):
            next(one for one in container["env"] if one["name"] == "SEASON")["value"] = season
        self.kubectl.apply(yaml.safe_dump(manifest))
        wait_for(lambda: stage.finished(self.kubectl, name), f"Job {name}", timeout=START_SECONDS)
        definition = self.kubectl("logs", f"job/{name}", "-c", "orders").splitlines()[-1]
        commit = self.kubectl("logs", f"job/{name}", "-c", "customers").splitlines()[-1]
        self.account.tell("Feast", f"has the orders of {season} in both stores; definition {definition[:19]}…")
        self.account.tell("DVC", f"commit {commit[:12]} with the customers of {season} is pushed")
        return commit

    def follow(self, commit: str) -> str:
        """Tells what the DAG run of a commit does, and the stages of the run that it asks for; gives its state."""
        dag_run, told = f"data-{commit[:12]}", set[tuple[str, ...]]()
        wait_for(lambda: self.airflow.state(dag_run), f"the DAG run {dag_run}", timeout=120)
        self.account.tell("Airflow", f"DAG run {dag_run} was started by the push")
        earlier = {run["id"] for run in self.runs()}

        def new(*what: str) -> bool:
            before = len(told)
            told.add(what)
            return len(told) > before

        def look() -> bool:
            ended = self.airflow.has_ended(dag_run)
            for task in self.airflow.tasks(dag_run):
                if task.state in ("success", "failed") and new("task", task.name, task.state):
                    self.account.tell("Airflow", f"task {task.name}: {task.state}")
            status = self._status("retrainpolicy")
            shown = (status.get("activeRun") or status.get("lastRun") or {}).get("id", "")
            for one in status.get("stages", ()) if shown not in earlier else ():
                if one["state"] in ("Running", "Complete", "Failed") and new("stage", one["name"], one["state"]):
                    self.account.tell(WORKS_IN[one["name"]], f"stage {one['name']}: {one['state']}")
            return ended

        wait_for(look, f"the end of the DAG run {dag_run}", timeout=RUN_SECONDS, every=1)
        state = self.airflow.state(dag_run)
        self.account.tell("Airflow", f"DAG run {dag_run}: {state}")
        return state

    def await_champion(self, version: str) -> None:
        """All users are served by it, and one of them has asked."""
        wait_for(lambda: self.champion() == version, f"version {version} as champion", timeout=START_SECONDS)
        self.account.tell("Viridian", f"version {version} serves all users")

    def answer(self, customer: Mapping[str, Any]) -> float:
        """What the model says of one customer, by way of the live Service."""
        table = {"dataframe_split": {"columns": list(customer), "data": [list(customer.values())]}}
        request = urllib.request.Request(  # noqa: S310 - an address of this computer
            f"{self.model}/invocations", json.dumps(table).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answered:  # noqa: S310
            return float(json.load(answered)["predictions"][0])

    # ---- what is there

    def champion(self) -> str:
        return str((self._status("modeldeployment").get("champion") or {}).get("version", ""))

    def features_of_champion(self) -> str:
        """The digest of the definition with which it was made."""
        return str((self._status("modeldeployment").get("champion") or {}).get("featuresDigest", ""))

    def features_of_servers(self) -> str:
        """The digest of the definition with which servers are started."""
        model = (self.kubectl.get("modeldeployment", "churn") or {})["spec"]["model"]
        return str(model["features"]["digest"])

    def runs(self) -> list[dict[str, Any]]:
        """Finished runs, newest first."""
        return list(self._status("retrainpolicy").get("runs", ()))

    def condition(self, kind: str) -> str:
        """Its message."""
        found = [one for one in self._status("retrainpolicy").get("conditions", ()) if one["type"] == kind]
        return str(found[0].get("message", "")) if found else ""

    def mlflow_run(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """The MLflow run that all stages of a run have shared."""
        body = {"experiment_ids": self._experiments(), "filter": f"tags.`viridian.run` = '{run['id']}'"}
        (found,) = self._ask_mlflow("runs/search", body)["runs"]
        return dict(found)

    def artifacts(self, mlflow_run: str) -> list[str]:
        found = self._ask_mlflow(f"artifacts/list?run_id={mlflow_run}")
        return sorted(one["path"] for one in found.get("files", ()))

    def artifact(self, mlflow_run: str, path: str) -> bytes:
        """The content of an artifact of an MLflow run."""
        address = f"{self.mlflow}/get-artifact?run_id={mlflow_run}&path={path}"
        with urllib.request.urlopen(address, timeout=60) as answered:  # noqa: S310
            content: bytes = answered.read()
            return content

    def memory(self) -> dict[str, float]:
        """Resident memory of each server, in GiB."""
        lines = "cat /proc/[0-9]*/status 2>/dev/null"
        found = {}
        for name, program in SERVERS.items():
            shown = self.kubectl("exec", f"deployment/{name}", "--", "sh", "-c", lines).splitlines()
            found[program] = sum(int(line.split()[1]) for line in shown if line.startswith("VmRSS")) / 2**20
        return found

    def _experiments(self) -> list[str]:
        found = self._ask_mlflow("experiments/search", {"max_results": 100})
        return [one["experiment_id"] for one in found["experiments"]]

    def _ask_mlflow(self, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.mlflow}/api/2.0/mlflow/{path}", data, headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answered:  # noqa: S310
            document: dict[str, Any] = json.load(answered)
            return document

    def _status(self, kind: str) -> dict[str, Any]:
        return (self.kubectl.get(kind, "churn") or {}).get("status") or {}


@contextmanager
def joint_stack(kubectl: Kubectl) -> Iterator[JointStack]:
    """The namespace with all of it, from nothing; the operator serves it. The namespace is gone at the end."""
    kubectl = replace(kubectl, namespace=NAMESPACE)
    system = replace(kubectl, namespace="viridian-system")
    account = JointAccount(kubectl, "churn")
    with ExitStack() as opened:
        kube = opened.enter_context(client(kubectl.kubeconfig))
        with account.scene("Everything is brought up in one namespace"):
            opened.enter_context(local_volumes(kube, VOLUMES, default=True))
            stage.create_namespace(kubectl)
            opened.callback(kubectl, "delete", "namespace", NAMESPACE, "--wait=true", "--timeout=300s")
            stage.install_operator(kubectl, "install-together")
            # It takes versions as they are for good, and this MLflow counts from 1 again.
            system("rollout", "restart", "deployment/viridian-operator")
            system("rollout", "status", "deployment/viridian-operator", "--timeout=180s")
            kubectl("apply", "--server-side", "--force-conflicts", "-k", str(EXAMPLE))
            for name, program in SERVERS.items():
                kubectl("rollout", "status", f"deployment/{name}", f"--timeout={START_SECONDS:.0f}s")
                account.tell(program, "is ready")
            account.follow_operator()
            airflow = Airflow(opened.enter_context(port_forwarded(kubectl, "airflow", 8080, HEALTH)))
            wait_for(airflow.knows_the_dag, "Airflow's look at its DAGs", timeout=START_SECONDS)
            account.tell("Airflow", "has read the DAG retrain_churn")
            mlflow = opened.enter_context(port_forwarded(kubectl, "mlflow", 5000))
        model = address_of(opened.enter_context(proxied(kubectl)), NAMESPACE, "churn")
        opened.callback(account.stop)
        yield JointStack(kubectl, account, airflow, mlflow, model)


def customers(season: str) -> stage.Table:
    """The inputs of the model for the customers of a season, as the load generator sends them."""
    columns = ["age", "orders_per_month", "complaints", "contract"]
    rows = [[getattr(one, name) for name in columns] for one in _season().customers(season)]
    return {"columns": columns, "data": rows}


def _season() -> ModuleType:
    """The script of the example, which also runs in its pods."""
    spec = spec_from_file_location("season", EXAMPLE / "scripts" / "season.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["season"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
