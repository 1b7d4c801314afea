"""The loop closed on a real node: what is observed starts training, and what is trained is judged and promoted or not.

All models are there from the start, so that their windows of a minute pass at the same time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo import stage
from demo.customers import Traffic, draw
from demo.kubectl import Kubectl
from demo.port_forward import address_of, proxied
from tests.cluster.conftest import Operator
from tests.support.kube import Kube, Object, condition, eventually
from tests.support.node import populations
from tests.support.node.deployment import LOOK, Deployed, seconds_of
from tests.support.node.registry import ClusterRegistry
from viridian.api.feedback import TOKEN_AUDIENCE
from viridian.api.names import API_VERSION, RETRAIN_POLICY

PATIENCE = 240.0
WINDOW_SECONDS = 60
PEOPLE = 1_600
AGE_SHIFT = {**populations.AGE_SHIFT, "action": "Alert"}
CONTRADICTED = {
    "name": "accuracy",
    "performance": {"metric": "accuracy", "min": 0.5, "consecutive": 1},
    "action": "Rollback",
}
GATE = {"margin": 0.05, "metrics": [{"name": "auc", "min": 0.6}]}
MODELS = ("shifts", "spoiled", "worse", "contradicted", "redefined")
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


@pytest.fixture(scope="module")
def loops(
    kube: Kube, kubectl: Kubectl, namespace: str, operator: Operator, registry: ClusterRegistry, collector: str
) -> Iterator[Callable[[str], Looped]]:
    reader = ["rolebinding", "trainer-reads-feedback", "--clusterrole=viridian-feedback-reader"]
    kubectl("create", *reader, f"--serviceaccount={namespace}:default")
    stage.create_scripts(kubectl, "customers")
    fitted, found = populations.BINARY.fitted(), {}
    deployed = {name: Deployed(kube, namespace, name) for name in MODELS}
    versions = {name: registry.publish_fitted(one.registered, fitted) for name, one in deployed.items()}
    for name, one in deployed.items():
        monitor = CONTRADICTED if name == "contradicted" else AGE_SHIFT
        one.apply(monitoring={"window": "1m", "monitors": [monitor]}, feedback={})
    validated = {"dataValidation": {"checks": CHECKS}}
    kube.apply(policy("shifts", namespace, stages=validated))
    kube.apply(policy("spoiled", namespace, stages=validated, dataQuality={"recheck": "1m"}))
    kube.apply(policy("worse", namespace, {"LABELS": "shuffled"}))
    kube.apply(policy("redefined", namespace, objective={"labelDefinition": DEFINED}))
    token = kubectl("create", "token", "default", f"--audience={TOKEN_AUDIENCE}").strip()
    with proxied(kubectl) as proxy:
        for name, one in deployed.items():
            one.until_serves(versions[name])
            found[name] = Looped(one, Traffic(address_of(proxy, namespace, name), collector, token))
        yield found.__getitem__


def test_a_shift_of_the_traffic_becomes_a_proven_champion_twice_without_a_human_hand(
    loops: Callable[[str], Looped],
) -> None:
    model = loops("shifts")
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


def test_bad_data_pause_automation_and_good_data_bring_back_exactly_one_run(loops: Callable[[str], Looped]) -> None:
    model = loops("spoiled")
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


def test_a_candidate_that_learned_nothing_fails_the_gate_and_the_next_run_hears_why(
    loops: Callable[[str], Looped],
) -> None:
    model = loops("worse")
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


def test_outcomes_that_contradict_a_promotion_bring_the_fallback_back(
    loops: Callable[[str], Looped], registry: ClusterRegistry
) -> None:
    """The rollout saw no error: what the version answers is wrong, and that is only known with the outcomes."""
    model = loops("contradicted")
    good = model.deployed.champion["version"]
    bad = registry.publish_fitted(model.deployed.registered, populations.customers_misjudged())
    model.deployed.until_serves(bad)
    model.arrive(seed=31)
    model.deployed.until_serves(good)
    rejected = model.deployed.rejected(bad)
    assert rejected is not None
    assert rejected["reason"] == "WorseThanPromised"
    assert "accuracy" in rejected["message"]


def test_outcomes_under_another_definition_of_the_label_do_not_count(loops: Callable[[str], Looped]) -> None:
    model = loops("redefined")
    customers = draw(PEOPLE, seed=41)
    asked = model.traffic.ask(customers)
    model.traffic.tell(asked, customers, definition=DEFINED)
    model.deployed.until(_has_judged_rows, "a window with rows: all of them have come in")
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


def _has_judged_rows(status: Object) -> bool:
    monitors = (status.get("monitoring") or {}).get("monitors", ())
    return any(figure.get("samples", 0) > 0 for monitor in monitors for figure in monitor.get("figures", ()))
