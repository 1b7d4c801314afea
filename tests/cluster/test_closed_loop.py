"""The loop closed on a real node: what is observed starts training, and what is trained is judged and promoted or not.

Stories, each of a model of its own. They go on at the same time, since most of each is waiting: for the end of windows
of a minute, and for the next pod after an eviction. Each test waits for the end of one story.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import pytest

from demo import stage
from demo.customers import Traffic, draw
from demo.kubectl import Kubectl
from demo.port_forward import address_of, proxied
from tests.cluster.conftest import Operator
from tests.support.kube import Kube, Object, client, condition, eventually
from tests.support.node import populations
from tests.support.node.deployment import LOOK, Deployed, seconds_of
from tests.support.node.evictions import evict
from tests.support.node.registry import ClusterRegistry
from tests.support.node.volumes import local_volume
from viridian.api.feedback import TOKEN_AUDIENCE
from viridian.api.names import API_VERSION, RETRAIN_POLICY

PATIENCE = 480.0
"""Seconds. Stories train at the same time, and so each of them takes longer than alone."""
WINDOW_SECONDS = 60
PEOPLE = 1_600
AGE_SHIFT = {**populations.AGE_SHIFT, "action": "Alert"}
CONTRADICTED = {
    "name": "accuracy",
    "performance": {"metric": "accuracy", "min": 0.5, "consecutive": 1},
    "action": "Rollback",
}
GATE = {"margin": 0.05, "metrics": [{"name": "auc", "min": 0.6}]}
HELD_BACK = "held-back"
"""The alias of a version that is not deployed yet."""
EVICTIONS = 5
DEFINED, REDEFINED = "left-within-30-days", "left-within-60-days"
BY_DRIFT = [{"name": "shifted", "monitors": {"names": ["age-shift"], "windows": 1}}]
RESUMES = f"""
import json, os, pathlib, runpy, time
attempts = pathlib.Path(os.environ["VIRIDIAN_CHECKPOINT_DIR"], "attempts.json")
known = [*(json.loads(attempts.read_text()) if attempts.exists() else ()), os.environ["HOSTNAME"]]
fresh = attempts.with_suffix(".new")
fresh.write_text(json.dumps(known))
fresh.rename(attempts)
pathlib.Path("/tmp/saved").touch()
if len(known) <= {EVICTIONS}:
    time.sleep(3600)
import mlflow
mlflow.log_metric("attempts", len(set(known)))
runpy.run_path("/scripts/train.py", run_name="__main__")
"""
"""Training that goes on from its checkpoint, and comes to its end after so many evictions."""
SAVED = {"exec": {"command": ["test", "-e", "/tmp/saved"]}, "periodSeconds": 1, "timeoutSeconds": 20}
CHECKS = [
    {"rows": "Feedback", "rowCount": {"min": 500}},
    {"rows": "Feedback", "range": {"column": "features.monthly spend", "min": 0, "max": 10_000, "maxShare": 0.6}},
]


@dataclass(frozen=True)
class Looped:
    """A model, its policy, and its customers."""

    deployed: Deployed
    traffic: Traffic
    registry: ClusterRegistry

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

    def saved_pod(self, other_than: Sequence[str]) -> Object | None:
        """A pod that has written its checkpoint, which makes it ready."""
        labels = f"viridian.dev/retrain-policy={self.deployed.name}"
        found = self.deployed.kube.list("v1", "Pod", self.deployed.namespace, labels)
        ready = (pod for pod in found if condition(pod, "Ready").get("status") == "True")
        return next((pod for pod in ready if pod["metadata"]["uid"] not in other_than), None)

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
        eventually(lambda: time.time() % WINDOW_SECONDS < WINDOW_SECONDS / 2, what="the next window", timeout=60)
        came = time.time()
        self.traffic.arrive(draw(PEOPLE, **who))
        return came


def policy(name: str, namespace: str, environment: Object | None = None, **spec: Any) -> Object:
    container = {
        "name": "train",
        "image": "viridian/trainer:dev",
        "command": ["python", "/scripts/train.py"],
        # A pod that requests no CPU gets none while the computer is busy with other tests.
        "resources": {"requests": {"cpu": "100m"}},
        "env": [{"name": variable, "value": value} for variable, value in (environment or {}).items()],
        "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}],
    }
    volumes = [{"name": "scripts", "configMap": {"name": "customers-scripts"}}]
    template = {"spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}}
    stages = {"training": {"timeout": "5m", "template": template}, **spec.pop("stages", {})}
    metadata = {"name": name, "namespace": namespace}
    body = {"modelDeployment": name, "triggers": BY_DRIFT, "gate": GATE, "stages": stages, **spec}
    return {"apiVersion": API_VERSION, "kind": RETRAIN_POLICY, "metadata": metadata, "spec": body}


def policy_on_spot_nodes(name: str, namespace: str, storage_class: str) -> Object:
    found = policy(name, namespace, {"TREES": "5", "MAX_DEPTH": "3"}, triggers=[])
    training = found["spec"]["stages"]["training"]
    training |= {"timeout": "20m", "spot": True, "backoffLimit": 2}
    pod = training["template"]["spec"]
    pod["volumes"] = [{"name": "scripts", "configMap": {"name": "churn-scripts"}}]
    pod["containers"][0] |= {"command": ["python", "-c", RESUMES], "readinessProbe": SAVED}
    found["spec"]["storage"] = {"size": "1Gi", "storageClassName": storage_class}
    return found


def the_traffic_shifts_twice(model: Looped) -> list[str]:
    times = []
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
        times.append(f"shift {shift:g}: detected {detected:.0f} s, decided {decided:.0f} s, promoted {promoted:.0f} s")
    assert [len(model.jobs(name)) for name in ("dataValidation", "training")] == [2, 2]
    return times


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


def a_candidate_has_learned_nothing(model: Looped) -> None:
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
    bad = model.registry.aliases(model.deployed.registered)[HELD_BACK]
    model.registry.move_alias(model.deployed.registered, "candidate", bad)
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


def a_stage_on_spot_nodes_is_evicted_again_and_again(model: Looped) -> None:
    model.annotate("run", "one")
    evicted: list[str] = []
    for _ in range(EVICTIONS):
        pod = eventually(lambda: model.saved_pod(evicted), what="another pod", timeout=PATIENCE, every=LOOK)
        evict(model.deployed.kube, pod)
        evicted.append(pod["metadata"]["uid"])
    run = model.until_run(1)
    assert run["outcome"] == "HandedOver", run
    assert run["metrics"]["attempts"] == EVICTIONS + 1, "each attempt has found what those before it had written"
    (job,) = model.jobs("training")
    assert (job["status"]["succeeded"], job["status"].get("failed", 0)) == (1, 0)
    assert job["spec"]["backoffLimit"] < EVICTIONS
    assert any("spot" in toleration["key"] for toleration in job["spec"]["template"]["spec"]["tolerations"])


STORIES: Final[Mapping[str, Callable[[Looped], Any]]] = {
    "shifts": the_traffic_shifts_twice,
    "spoiled": data_are_bad_and_good_again,
    "worse": a_candidate_has_learned_nothing,
    "contradicted": outcomes_contradict_a_promotion,
    "redefined": the_label_is_defined_anew,
    "evicted": a_stage_on_spot_nodes_is_evicted_again_and_again,
}
"""By the name of the model."""


@pytest.fixture(scope="module")
def stories(
    cluster: Kubectl,
    kube: Kube,
    kubectl: Kubectl,
    namespace: str,
    operator: Operator,
    registry: ClusterRegistry,
    collector: str,
) -> Iterator[Mapping[str, Future[Any]]]:
    """The stories under way, by the name of their model."""
    reader = ["rolebinding", "trainer-reads-feedback", "--clusterrole=viridian-feedback-reader"]
    kubectl("create", *reader, f"--serviceaccount={namespace}:default")
    for example in ("customers", "churn"):
        stage.create_scripts(kubectl, example)
    deployed = {name: Deployed(kube, namespace, name) for name in STORIES}
    evicted = deployed["evicted"]
    monitored = [one for one in deployed.values() if one is not evicted]
    fitted = populations.BINARY.fitted()
    versions = {one.name: registry.publish_fitted(one.registered, fitted) for one in monitored}
    misjudged = populations.customers_misjudged()
    registry.publish_fitted(deployed["contradicted"].registered, misjudged, alias=HELD_BACK)
    for one in monitored:
        monitor = CONTRADICTED if one.name == "contradicted" else AGE_SHIFT
        one.apply(monitoring={"window": "1m", "monitors": [monitor]}, feedback={})
    evicted.apply()
    validated = {"dataValidation": {"checks": CHECKS}}
    kube.apply(policy("shifts", namespace, stages=validated))
    kube.apply(policy("spoiled", namespace, stages=validated, dataQuality={"recheck": "1m"}))
    kube.apply(policy("worse", namespace, {"LABELS": "shuffled"}))
    kube.apply(policy("redefined", namespace, objective={"labelDefinition": DEFINED}))
    token = kubectl("create", "token", "default", f"--audience={TOKEN_AUDIENCE}").strip()
    for one in monitored:
        one.until_serves(versions[one.name])

    def tell(name: str) -> Any:
        with client(cluster.kubeconfig) as own:
            traffic = Traffic(address_of(proxy, namespace, name), collector, token)
            return STORIES[name](Looped(Deployed(own, namespace, name), traffic, registry))

    with proxied(kubectl) as proxy, local_volume(kube) as storage_class, ThreadPoolExecutor(len(STORIES)) as tellers:
        kube.apply(policy_on_spot_nodes("evicted", namespace, storage_class))
        yield {name: tellers.submit(tell, name) for name in STORIES}


def test_a_shift_of_the_traffic_becomes_a_proven_champion_twice_without_a_human_hand(
    stories: Mapping[str, Future[Any]],
) -> None:
    print(*stories["shifts"].result(), sep="\n")


def test_bad_data_pause_automation_and_good_data_bring_back_exactly_one_run(
    stories: Mapping[str, Future[Any]],
) -> None:
    stories["spoiled"].result()


def test_a_candidate_that_learned_nothing_fails_the_gate_and_the_next_run_hears_why(
    stories: Mapping[str, Future[Any]],
) -> None:
    stories["worse"].result()


def test_outcomes_that_contradict_a_promotion_bring_the_fallback_back(stories: Mapping[str, Future[Any]]) -> None:
    stories["contradicted"].result()


def test_outcomes_under_another_definition_of_the_label_do_not_count(stories: Mapping[str, Future[Any]]) -> None:
    stories["redefined"].result()


def test_five_evictions_use_up_no_retry_and_training_resumes_from_its_checkpoint(
    stories: Mapping[str, Future[Any]],
) -> None:
    stories["evicted"].result()
