"""The loop closed on a real node: what is observed starts training, and what is trained is judged and promoted or not.

Five stories, each of a model of its own. They go on at the same time, because most of each is waiting for the end of
windows of a minute; each test waits for the end of one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from demo import stage
from demo.customers import Traffic, draw
from demo.kubectl import Kubectl
from demo.port_forward import address_of, port_forwarded, proxied
from tests.cluster.conftest import SYSTEM, Operator
from tests.support.kube import Kube, Object, client, condition, eventually
from tests.support.node.deployment import LOOK, Deployed, seconds_of
from tests.support.node.populations import customers_fitted, customers_misjudged
from tests.support.node.registry import ClusterRegistry
from viridian.api.feedback import COLLECTOR_PORT, TOKEN_AUDIENCE
from viridian.api.names import API_VERSION, RETRAIN_POLICY

PATIENCE = 240.0
WINDOW_SECONDS = 60
PEOPLE = 1_600
AGE_SHIFT = {
    "name": "age-shift",
    "drift": {"features": ["age"], "statistic": "MeanShift", "threshold": 0.5, "decision": "Point"},
    "action": "Alert",
}
CONTRADICTED = {
    "name": "accuracy",
    "performance": {"metric": "accuracy", "min": 0.5, "consecutive": 1},
    "action": "Rollback",
}
GATE = {"margin": 0.05, "metrics": [{"name": "auc", "min": 0.6}]}
DEFINED, REDEFINED = "left-within-30-days", "left-within-60-days"
BY_DRIFT = [{"name": "shifted", "monitors": {"names": ["age-shift"], "windows": 1}}]
CHECKS = [
    {"rows": "Feedback", "rowCount": {"min": 500}},
    {"rows": "Feedback", "range": {"column": "features.monthly spend", "min": 0, "max": 10_000, "maxShare": 0.6}},
]


@dataclass(frozen=True)
class Looped:
    """A model, its policy, and its customers."""

    deployed: Deployed
    traffic: Traffic
    publish_a_bad_version: Callable[[], str]
    """Past every gate; gives the version."""

    @property
    def policy(self) -> Object:
        identity = {"name": self.deployed.name, "namespace": self.deployed.namespace}
        return self.deployed.kube.read({"apiVersion": API_VERSION, "kind": RETRAIN_POLICY, "metadata": identity})

    @property
    def status(self) -> Object:
        return dict(self.policy.get("status") or {})

    @property
    def runs(self) -> list[Object]:
        """Finished runs, newest first."""
        return list(self.status.get("runs", ()))

    def condition(self, kind: str) -> Object:
        return condition(self.policy, kind)

    def jobs(self, stage_name: str) -> list[Object]:
        """The Jobs of a stage, the oldest first."""
        labels = f"viridian.dev/retrain-policy={self.deployed.name},viridian.dev/stage={stage_name}"
        found = self.deployed.kube.list("batch/v1", "Job", self.deployed.namespace, labels)
        return sorted(found, key=lambda job: str(job["metadata"]["creationTimestamp"]))

    def edit(self, **spec: Any) -> None:
        self.deployed.kube.merge(self.policy, {"spec": spec})

    def annotate(self, command: str, value: str) -> None:
        self.deployed.kube.merge(self.policy, {"metadata": {"annotations": {f"viridian.dev/{command}": value}}})

    def until(self, holds: Callable[[Object], Any], what: str) -> Object:
        """The first status of the policy for which this holds."""

        def check() -> Object | None:
            status = self.status
            return status if holds(status) else None

        try:
            return eventually(check, what=f"{what} of {self.deployed.name}", timeout=PATIENCE, every=LOOK)
        except AssertionError as error:
            raise AssertionError(f"{error}\npolicy: {self.status}\n{self.deployed.story()}") from error

    def until_run(self, number: int) -> Object:
        """The newest run, once so many have ended."""
        self.until(lambda status: len(status.get("runs", ())) >= number, f"the end of run {number}")
        return self.runs[0]

    def arrive(self, **who: Any) -> float:
        """Customers of one window, with what becomes of them; when they came."""
        eventually(lambda: time.time() % WINDOW_SECONDS < WINDOW_SECONDS / 3, what="the next window", timeout=60)
        came = time.time()
        self.traffic.arrive(draw(PEOPLE, **who))
        return came


@pytest.fixture(scope="module")
def collector(cluster: Kubectl, operator: Operator) -> Iterator[str]:
    system = replace(cluster, namespace=SYSTEM)
    system("rollout", "status", "deployment/viridian-collector", "--timeout=180s")
    with port_forwarded(system, "viridian-collector", COLLECTOR_PORT, path="/healthz") as url:
        yield url


def policy(name: str, namespace: str, environment: Object | None = None, **spec: Any) -> Object:
    container = {
        "name": "train",
        "image": "viridian/trainer:dev",
        "command": ["python", "/scripts/train.py"],
        "env": [{"name": variable, "value": value} for variable, value in (environment or {}).items()],
        "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}],
    }
    volumes = [{"name": "scripts", "configMap": {"name": "customers-scripts"}}]
    template = {"spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}}
    stages = {"training": {"timeout": "5m", "template": template}, **spec.pop("stages", {})}
    metadata = {"name": name, "namespace": namespace}
    body = {"modelDeployment": name, "triggers": BY_DRIFT, "gate": GATE, "stages": stages, **spec}
    return {"apiVersion": API_VERSION, "kind": RETRAIN_POLICY, "metadata": metadata, "spec": body}


def the_traffic_shifts_twice(model: Looped) -> None:
    for number, shift in enumerate((1.0, -1.0), start=1):
        before = model.deployed.champion["version"]
        came = model.arrive(shift=shift, seed=number)
        run = model.until_run(number)
        assert run["outcome"] == "HandedOver", run
        assert [reason.split(":")[0] for reason in run["reasons"]] == ["monitors"]
        status = model.deployed.until_serves(run["version"])
        assert status["champion"]["version"] != before
        moments = (run["startedAt"], run["finishedAt"], status["champion"]["since"])
        detected, decided, promoted = (seconds_of(moment) - came for moment in moments)
        print(f"shift {shift:g}: detected {detected:.0f} s, decided {decided:.0f} s, promoted {promoted:.0f} s")
    assert [len(model.jobs(name)) for name in ("dataValidation", "training")] == [2, 2]


def data_are_bad_and_good_again(model: Looped) -> None:
    champion = model.deployed.champion["version"]
    model.arrive(shift=1.0, seed=11, spend_scale=1e6)
    run = model.until_run(1)
    assert run["outcome"] == "DataQualityFailed", run
    assert "monthly spend" in run["message"]
    model.until(lambda _: model.condition("Paused").get("status") == "True", "the pause")
    assert model.condition("DataQuality")["status"] == "False"
    model.arrive(shift=1.0, seed=12, spend_scale=1e6)
    model.until(lambda status: status["triggers"][0].get("suppressed"), "a cause that is held back")
    assert model.jobs("training") == []
    assert model.deployed.champion["version"] == champion
    model.arrive(shift=1.0, seed=13)
    model.arrive(shift=1.0, seed=14)
    model.until(lambda status: status["runs"][0]["outcome"] == "HandedOver", "the run on good data")
    assert model.condition("DataQuality")["status"] == "True"
    assert len(model.jobs("training")) == 1
    assert [run["outcome"] for run in model.runs] == ["HandedOver", "DataQualityFailed"]
    model.deployed.until_serves(model.runs[0]["version"])


def a_candidate_learned_nothing(model: Looped) -> None:
    before = model.deployed.champion["version"]
    model.arrive(shift=1.0, seed=21)
    run = model.until_run(1)
    assert run["outcome"] == "Rejected", run
    assert model.deployed.champion["version"] == before
    model.annotate("run", "again")
    model.until_run(2)
    container = model.jobs("training")[-1]["spec"]["template"]["spec"]["containers"][0]
    told = next(one["value"] for one in container["env"] if one["name"] == "VIRIDIAN_LAST_EVALUATION")
    assert json.loads(told)["outcome"] == "Rejected"
    assert "auc" in json.loads(told)["reason"]


def outcomes_contradict_a_promotion(model: Looped) -> None:
    """The rollout saw no error: what the version answers is wrong, and that is only known with the outcomes."""
    good = model.deployed.champion["version"]
    bad = model.publish_a_bad_version()
    model.deployed.until_serves(bad)
    model.arrive(seed=31)
    model.deployed.until_serves(good)
    rejected = model.deployed.rejected(bad)
    assert rejected is not None
    assert rejected["reason"] == "WorseThanPromised"
    assert "accuracy" in rejected["message"]


def the_label_is_defined_anew(model: Looped) -> None:
    customers = draw(PEOPLE, seed=41)
    asked = model.traffic.ask(customers)
    model.traffic.tell(asked, customers, definition=DEFINED)
    model.deployed.until(lambda status: "monitoring" in status, "a window that was judged: all rows have come in")
    model.annotate("run", "first")
    assert model.until_run(1)["outcome"] == "HandedOver"
    model.edit(objective={"labelDefinition": REDEFINED})
    run = model.until_run(2)
    assert [reason.split(":")[0] for reason in run["reasons"]] == ["objective"]
    assert run["outcome"] == "DataQualityFailed"
    assert "only 0 customers" in run["message"]
    model.traffic.tell(asked, customers, definition=REDEFINED)
    model.annotate("run", "labelled-anew")
    run = model.until_run(3)
    assert run["outcome"] == "HandedOver", run
    model.deployed.until_serves(run["version"])


STORIES: Final[Mapping[str, Callable[[Looped], None]]] = {
    "shifts": the_traffic_shifts_twice,
    "spoiled": data_are_bad_and_good_again,
    "worse": a_candidate_learned_nothing,
    "contradicted": outcomes_contradict_a_promotion,
    "redefined": the_label_is_defined_anew,
}


@pytest.fixture(scope="module")
def stories(
    cluster: Kubectl, kube: Kube, kubectl: Kubectl, namespace: str, registry: ClusterRegistry, collector: str
) -> Iterator[Mapping[str, Future[None]]]:
    """The stories under way, by the name of their model."""
    reader = ["rolebinding", "trainer-reads-feedback", "--clusterrole=viridian-feedback-reader"]
    kubectl("create", *reader, f"--serviceaccount={namespace}:default")
    stage.create_scripts(kubectl, "customers")
    fitted = customers_fitted()
    deployed = {name: Deployed(kube, namespace, name) for name in STORIES}
    versions = {name: registry.publish_fitted(one.registered, fitted) for name, one in deployed.items()}
    misjudged = customers_misjudged()
    for name, one in deployed.items():
        monitor = CONTRADICTED if name == "contradicted" else AGE_SHIFT
        one.apply(monitoring={"window": "1m", "monitors": [monitor]}, feedback={})
    validated = {"dataValidation": {"checks": CHECKS}}
    kube.apply(policy("shifts", namespace, stages=validated))
    kube.apply(policy("spoiled", namespace, stages=validated, dataQuality={"recheck": "1m"}))
    kube.apply(policy("worse", namespace, {"LABELS": "shuffled"}))
    kube.apply(policy("redefined", namespace, objective={"labelDefinition": DEFINED}))
    token = kubectl("create", "token", "default", f"--audience={TOKEN_AUDIENCE}").strip()
    for name, one in deployed.items():
        one.until_serves(versions[name])

    def tell(name: str) -> None:
        with client(cluster.kubeconfig) as own:  # a client is no thing to share among threads
            one = Deployed(own, namespace, name)
            traffic = Traffic(address_of(proxy, namespace, name), collector, token)
            STORIES[name](Looped(one, traffic, lambda: registry.publish_fitted(one.registered, misjudged)))

    with proxied(kubectl) as proxy, ThreadPoolExecutor(len(STORIES)) as tellers:
        yield {name: tellers.submit(tell, name) for name in STORIES}


def test_a_shift_of_the_traffic_becomes_a_proven_champion_twice_without_a_human_hand(
    stories: Mapping[str, Future[None]],
) -> None:
    stories["shifts"].result()


def test_bad_data_pause_automation_and_good_data_bring_back_exactly_one_run(
    stories: Mapping[str, Future[None]],
) -> None:
    stories["spoiled"].result()


def test_a_candidate_that_learned_nothing_fails_the_gate_and_the_next_run_hears_why(
    stories: Mapping[str, Future[None]],
) -> None:
    stories["worse"].result()


def test_outcomes_that_contradict_a_promotion_bring_the_fallback_back(
    stories: Mapping[str, Future[None]],
) -> None:
    stories["contradicted"].result()


def test_outcomes_under_another_definition_of_the_label_do_not_count(
    stories: Mapping[str, Future[None]],
) -> None:
    stories["redefined"].result()
