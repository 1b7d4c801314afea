"""The contract of a stage on a real node: how a run ends by exit code, what is tried again, and what does not count.

All policies are there from the start, so that their Jobs share the time; each test waits for its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from demo import stage
from demo.kubectl import Kubectl
from tests.cluster.conftest import Operator
from tests.support.kube import Kube, Object, condition, eventually
from tests.support.node.deployment import LOOK, Deployed
from tests.support.node.evictions import evict
from tests.support.node.registry import ClusterRegistry
from viridian.api.names import API_VERSION, RETRAIN_POLICY

PATIENCE = 120.0
EVERY_MINUTE: list[Object] = [{"name": "minutely", "schedule": {"cron": "* * * * *"}}]
VOLUMES = [
    {"name": "gate", "configMap": {"name": "open", "optional": True}},
    {"name": "scripts", "configMap": {"name": "churn-scripts"}},
]


def says(code: int, text: str) -> str:
    """A script that ends with this code and these last words, in which the environment is filled in."""
    return f"""
import os, pathlib, string, sys
pathlib.Path("/dev/termination-log").write_text(string.Template({text!r}).substitute(os.environ))
sys.exit({code})
"""


TRAIN = """
import runpy
runpy.run_path("/scripts/train.py", run_name="__main__")
"""
"""examples/churn/train.py."""
TRAIN_BEHIND_THE_GATE = f"""
import pathlib, time
while not pathlib.Path("/gate/open").exists():
    time.sleep(3600)
{TRAIN}
"""
"""The same, if it finds the gate open when it starts; else it never ends."""
MEASURED_MEMORY = 300 * 2**20
MEASURED = f"""
import time
from viridian import training
held = bytes(range(256)) * ({MEASURED_MEMORY} // 256)
while time.process_time() < 3.0:
    sum(range(10_000))
raise training.NothingToDo(f"{{time.process_time():.3f}} seconds of CPU time")
"""
"""A stage that knows what it has used."""
SMALL = [{"name": "TREES", "value": "5"}, {"name": "MAX_DEPTH", "value": "3"}]
GOOD_ENOUGH = {"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.75}]}


@dataclass(frozen=True)
class Policy:
    """One RetrainPolicy; of the deployment `churn`, unless it says otherwise."""

    kube: Kube
    namespace: str
    name: str

    @property
    def identity(self) -> Object:
        metadata = {"name": self.name, "namespace": self.namespace}
        return {"apiVersion": API_VERSION, "kind": RETRAIN_POLICY, "metadata": metadata}

    def apply(self, script: str, *, run: str = "", backoff: int = 2, **spec: Any) -> None:
        container = {
            "name": "train",
            "image": "viridian/trainer:dev",
            "command": ["python", "-c", script],
            "env": SMALL,
            "volumeMounts": [{"name": "gate", "mountPath": "/gate"}, {"name": "scripts", "mountPath": "/scripts"}],
        }
        pod = {"containers": [container], "volumes": VOLUMES, "terminationGracePeriodSeconds": 1}
        training = {"timeout": "5m", "backoffLimit": backoff, "template": {"spec": pod}}
        self.kube.apply(
            {**self.identity, "spec": {"modelDeployment": "churn", "stages": {"training": training}, **spec}}
        )
        if run:
            self.run(run)

    def run(self, value: str) -> None:
        self.kube.merge(self.identity, {"metadata": {"annotations": {"viridian.dev/run": value}}})

    @property
    def status(self) -> Object:
        return dict(self.kube.read(self.identity).get("status") or {})

    def condition(self, kind: str) -> Object:
        return condition({"status": self.status}, kind)

    def jobs(self) -> list[Object]:
        """The oldest first."""
        found = self.kube.list("batch/v1", "Job", self.namespace, f"viridian.dev/retrain-policy={self.name}")
        return sorted(found, key=lambda job: str(job["metadata"]["creationTimestamp"]))

    def pods(self) -> list[Object]:
        return self.kube.list("v1", "Pod", self.namespace, f"viridian.dev/retrain-policy={self.name}")

    def running_pod(self, other_than: str = "") -> Object:
        """A pod whose container runs."""

        def found() -> Object | None:
            running = [pod for pod in self.pods() if pod["status"].get("phase") == "Running"]
            return next((pod for pod in running if pod["metadata"]["uid"] != other_than), None)

        return self._eventually(found, "a pod at work")

    def until_run(self, outcome: str) -> Object:
        """The newest run, once it has ended in this way."""

        def ended() -> Object | None:
            run: Object = self.status.get("lastRun") or {}
            return run if run.get("outcome") == outcome else None

        return self._eventually(ended, f"a run that ends as {outcome}")

    def _eventually(self, check: Callable[[], Object | None], what: str) -> Object:
        try:
            return eventually(check, what=f"{what} of {self.name}", timeout=PATIENCE, every=LOOK)
        except AssertionError as error:
            raise AssertionError(f"{error}\nstatus: {self.status}") from error


@pytest.fixture(scope="module")
def churn(kube: Kube, namespace: str, operator: Operator, registry: ClusterRegistry) -> Deployed:
    """Nothing serves yet: the first version is what a run hands over."""
    deployed = Deployed(kube, namespace)
    deployed.apply()
    return deployed


@pytest.fixture(scope="module")
def policies(
    kube: Kube, kubectl: Kubectl, namespace: str, churn: Deployed, registry: ClusterRegistry
) -> Callable[[str], Policy]:
    def policy(name: str) -> Policy:
        return Policy(kube, namespace, name)

    stage.create_scripts(kubectl)
    policy("bad-data").apply(says(64, "only 12 rows"), run="one")
    policy("bad-candidate").apply(says(65, "leaks the label"), run="one")
    policy("nothing").apply(says(66, "no rows since $VIRIDIAN_RUN_ID for $VIRIDIAN_MODEL_NAME"), run="one")
    policy("errors").apply(says(3, "no such table"), run="one", backoff=1)
    policy("measured").apply(MEASURED, run="one")
    policy("awake").apply(says(66, "looked"), triggers=EVERY_MINUTE)
    policy("asleep").apply(says(66, "looked"), triggers=EVERY_MINUTE, suspend=True)
    policy("evicted").apply(TRAIN_BEHIND_THE_GATE, run="one", backoff=0, gate=GOOD_ENOUGH)
    Deployed(kube, namespace, "forest").apply()
    policy("forest").apply(TRAIN, run="one", modelDeployment="forest", gate=GOOD_ENOUGH)
    return policy


def test_data_that_is_not_good_enough_pauses_the_policy(policies: Callable[[str], Policy]) -> None:
    policy = policies("bad-data")
    run = policy.until_run("DataQualityFailed")
    assert "only 12 rows" in run["message"]
    assert (policy.condition("DataQuality")["status"], policy.condition("Paused")["status"]) == ("False", "True")
    assert policy.condition("Paused")["reason"] == "DataQualityFailed"
    assert "viridian.dev/run" in policy.condition("DataQuality")["message"]
    assert len(policy.pods()) == 1  # nothing is tried again that would end the same way
    # Better data, said by a person: the policy goes on.
    policy.apply(says(66, "nothing new"), run="two")
    policy.until_run("Skipped")


def test_a_candidate_that_failed_validation_is_rejected(policies: Callable[[str], Policy]) -> None:
    run = policies("bad-candidate").until_run("Rejected")
    assert "leaks the label" in run["message"]
    assert "version" not in run
    assert len(policies("bad-candidate").pods()) == 1


def test_nothing_to_do_is_skipped(policies: Callable[[str], Policy], churn: Deployed) -> None:
    policy = policies("nothing")
    run = policy.until_run("Skipped")
    assert f"no rows since {run['id']} for {churn.registered}" in run["message"]
    assert policy.condition("Ready")["status"] == "True"


def test_an_error_is_tried_again_within_the_limit(policies: Callable[[str], Policy]) -> None:
    policy = policies("errors")
    run = policy.until_run("Failed")
    assert "2 times" in run["message"]
    assert "exit code 3: no such table" in run["message"]
    assert len(policy.pods()) == 2
    assert len(policy.jobs()) == 1


def test_evictions_do_not_count_and_one_run_waits_for_the_other(
    policies: Callable[[str], Policy], churn: Deployed, kube: Kube
) -> None:
    """Two evictions with no retry allowed; meanwhile somebody asks for a second run."""
    policy = policies("evicted")
    first = policy.running_pod()
    policy.run("two")
    evict(kube, first)
    second = policy.running_pod(other_than=first["metadata"]["uid"])
    assert len(policy.jobs()) == 1
    open_gate = {"metadata": {"name": "open", "namespace": policy.namespace}, "data": {"open": ""}}
    kube.create({"apiVersion": "v1", "kind": "ConfigMap", **open_gate})
    evict(kube, second)
    eventually(lambda: len(policy.jobs()) == 2, what="the second run", timeout=PATIENCE, every=LOOK)
    one, two = policy.jobs()
    assert one["status"]["succeeded"] == 1
    assert one["status"]["completionTime"] <= two["metadata"]["creationTimestamp"]
    run = policy.until_run("HandedOver")
    assert run["metrics"]["auc"] > 0.75
    eventually(
        lambda: len(policy.status.get("runs", ())) == 2 and "activeRun" not in policy.status,
        what="the end of both runs",
        timeout=PATIENCE,
        every=LOOK,
    )
    assert [run["outcome"] for run in policy.status["runs"]] == ["HandedOver"] * 2, policy.status["runs"]
    churn.until_condition("Ready", "True")


def test_no_schedule_wakes_a_suspended_policy_but_a_person_does(policies: Callable[[str], Policy]) -> None:
    awake, asleep = policies("awake"), policies("asleep")
    assert awake.until_run("Skipped")["reasons"][0].startswith("schedule:minutely:")
    awake.apply(says(66, "looked"), triggers=EVERY_MINUTE, suspend=True)
    assert asleep.jobs() == []
    assert (asleep.condition("Paused")["status"], asleep.condition("Paused")["reason"]) == ("True", "Suspended")
    asleep.run("by-hand")
    assert "manual:by-hand" in asleep.until_run("Skipped")["reasons"]


def test_a_run_shows_what_it_has_used(policies: Callable[[str], Policy]) -> None:
    run = policies("measured").until_run("Skipped")
    known = float(run["message"].partition(" seconds of CPU time")[0].rpartition(" ")[2])
    assert run["usage"]["cpuSeconds"] == pytest.approx(known, rel=0.1)
    assert MEASURED_MEMORY <= run["usage"]["peakMemoryBytes"] <= MEASURED_MEMORY + 150 * 2**20


def test_a_script_of_a_users_own_trains_what_is_served(policies: Callable[[str], Policy], churn: Deployed) -> None:
    run = policies("forest").until_run("HandedOver")
    assert run["metrics"]["auc"] > 0.9
    status = Deployed(churn.kube, churn.namespace, "forest").until_serves(run["version"])
    assert status["champion"]["digest"].startswith("sha256:")
