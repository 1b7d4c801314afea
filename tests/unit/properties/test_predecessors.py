"""A Deployment that served before: taken over without a change to a pod, and the way back of the first version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.support.churn import Churn
from tests.support.cluster.deployments import NEVER_READY
from tests.support.memory_cluster import Fault
from tests.support.memory_pods import BROKEN
from tests.support.operator_world import OperatorWorld
from tests.unit.conftest import KILLS
from tests.unit.properties.kills import Scenario, at_write, undisturbed
from viridian.api.names import ADOPT_LABEL

BEFORE: dict[str, Any] = {"deployment": "churn-flask"}
SELECTOR = {"app": "churn-flask"}
QUICK: dict[str, Any] = {"steps": [{"weight": 25, "duration": "1h"}], "probation": "10s", "progressDeadline": "20s"}
PORT = {"name": "web", "port": 8080, "protocol": "TCP", "targetPort": 8501}


def somebody_serves(churn: Churn, *, port: int = 8080) -> None:
    """A Deployment and a Service that people have made by themselves."""
    template = {"metadata": {"labels": dict(SELECTOR)}, "spec": {"containers": [{"name": "flask", "image": "flask:1"}]}}
    churn.cluster.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "churn-flask", "namespace": "default"},
            "spec": {"replicas": 3, "selector": {"matchLabels": dict(SELECTOR)}, "template": template},
        }
    )
    churn.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "churn", "namespace": "default", "labels": {ADOPT_LABEL: "churn"}},
            "spec": {"selector": dict(SELECTOR), "ports": [{**PORT, "port": port}]},
        }
    )
    churn.world.run(2)
    churn.world.pods.lost = 0.0


def pods(churn: Churn) -> set[str]:
    """Uids of the pods that people have made."""
    return {
        pod["metadata"]["uid"]
        for pod in churn.cluster.all("Pod")
        if pod["metadata"]["labels"].items() >= SELECTOR.items()
    }


def service(churn: Churn) -> Any:
    live = churn.cluster.find("Service", "churn")
    assert live is not None
    return live["spec"]


def adopt(churn: Churn) -> None:
    churn.apply(rollout=QUICK, predecessor=BEFORE)
    assert churn.world.run(
        20, until=lambda: churn.status.get("champion", {}).get("revision") == "deployment:churn-flask"
    )


def adopted(churn: Churn) -> None:
    somebody_serves(churn)
    adopt(churn)


def first_version(churn: Churn) -> None:
    churn.publish()
    assert churn.world.run(60, until=lambda: churn.champion == "1")


def bad_first_version(churn: Churn) -> None:
    churn.publish(errors=0.3)
    assert churn.world.run(60, until=lambda: churn.rejected == ["1"])


TAKES_OVER = Scenario("adoption", somebody_serves, adopt, settle=20)
PROMOTES = Scenario("first version beside a predecessor", adopted, first_version, settle=40)
REVERTS = Scenario("way back to a predecessor", adopted, bad_first_version, settle=40)


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(OperatorWorld()) as world:
        yield Churn(world)


def test_no_user_and_no_pod_notices_the_adoption(churn: Churn) -> None:
    somebody_serves(churn)
    before, uids, deployment = dict(service(churn)), pods(churn), churn.cluster.find("Deployment", "churn-flask")
    adopt(churn)
    churn.world.run(30)
    churn.world.rest(resyncs=1)
    assert service(churn) == before
    assert pods(churn) == uids
    assert churn.cluster.find("Deployment", "churn-flask") == deployment
    assert churn.condition("Ready")["status"] == "True"
    assert churn.world.pods.lost == 0.0


def test_the_first_version_takes_its_place_and_the_second_one_its_slot(churn: Churn) -> None:
    adopted(churn)
    uids = pods(churn)
    first_version(churn)
    assert churn.status["fallback"]["revision"] == "deployment:churn-flask"
    assert churn.condition("RollbackReady")["status"] == "True"
    assert service(churn)["selector"]["viridian.dev/slot"] == "blue"
    churn.apply(rollout={**QUICK, "steps": []}, predecessor=BEFORE)
    churn.world.run(20)
    churn.publish()
    assert churn.world.run(60, until=lambda: churn.serves("2"))
    churn.world.run(20)
    churn.world.rest(resyncs=1)
    assert churn.status["fallback"]["version"] == "1"
    assert pods(churn) == uids, "the pods of the Deployment are their owner's to delete"
    assert churn.world.pods.lost == 0.0


def test_a_bad_first_version_gives_the_traffic_back_in_one_write(churn: Churn) -> None:
    adopted(churn)
    before, uids = dict(service(churn)), pods(churn)
    bad_first_version(churn)
    churn.world.run(30)
    churn.world.rest(resyncs=1)
    assert service(churn) == before
    assert pods(churn) == uids
    assert churn.status["champion"]["revision"] == "deployment:churn-flask"
    assert churn.world.pods.lost == 0.0
    churn.publish()
    assert churn.world.run(60, until=lambda: churn.champion == "2")
    assert churn.world.pods.lost == 0.0


def test_a_person_goes_back_to_it_by_name(churn: Churn) -> None:
    adopted(churn)
    before = dict(service(churn))
    first_version(churn)
    churn.world.run(30)
    churn.annotate("rollback", f"{churn.revision('1')}#ada")
    assert churn.world.run(10, until=lambda: service(churn) == before)
    assert churn.world.pods.lost == 0.0


@pytest.mark.parametrize("scenario", [TAKES_OVER, PROMOTES, REVERTS], ids=lambda scenario: scenario.name)
def test_killed_at_every_write(scenario: Scenario, record_property: Callable[[str, object], None]) -> None:
    with scenario.begun() as churn:
        uids = pods(churn)
    expected, writes = undisturbed(scenario)

    def killed(churn: Churn, k: int) -> None:
        at_write(churn, k, Fault.KILL_AFTER if k % 2 else Fault.KILL_BEFORE)
        assert scenario.tell(churn) == expected, f"killed at write {k}"
        assert len(pods(churn)) == len(uids)
        assert churn.world.pods.lost == 0.0

    scenario.for_each(range(1, writes.cluster + 1), killed)
    record_property(KILLS, f"{scenario.name}: {writes.cluster} ks (killed at every write)")


def test_a_first_version_that_never_gets_ready_leaves_users_where_they_are(churn: Churn) -> None:
    adopted(churn)
    before = dict(service(churn))
    churn.cluster.readiness["churn-blue"] = NEVER_READY
    churn.publish()
    assert churn.world.run(60, until=lambda: churn.rejected == ["1"])
    assert service(churn) == before
    assert churn.world.pods.lost == 0.0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("no Service", "the Service churn, by which users reach the Deployment churn-flask, to be there"),
        ("no Deployment", "the Deployment churn-flask to be there; change spec.predecessor, or remove it"),
        ("another port", "the Service churn to have the port 8080 alone, not 80; set spec.server.port to its port"),
        ("other pods", "the selector of the Service churn to lead to the pods of the Deployment churn-flask"),
        ("no consent", "kubectl label service churn adopt.viridian.dev/model-deployment=churn"),
        ("no ready pod", "a pod of the Deployment churn-flask to be ready"),
    ],
)
def test_what_cannot_be_taken_over_is_left_alone(change: str, sentence: str, churn: Churn) -> None:
    if change == "no ready pod":
        churn.cluster.readiness["churn-flask"] = NEVER_READY
    somebody_serves(churn, port=80 if change == "another port" else 8080)
    if change == "no Service":
        churn.cluster.remove("Service", "churn")
    if change == "no Deployment":
        churn.cluster.remove("Deployment", "churn-flask")
    if change == "other pods":
        churn.cluster.edit("Service", "churn", lambda live: live["spec"].update(selector={"app": "another"}))
    if change == "no consent":
        churn.cluster.edit("Service", "churn", lambda live: live["metadata"].update(labels={}))
    before = churn.cluster.find("Service", "churn")
    churn.publish()
    churn.apply(rollout=QUICK, predecessor=BEFORE)
    churn.world.run(20)
    assert sentence in churn.condition("Ready")["message"]
    assert churn.cluster.find("Service", "churn") == before


def test_a_broken_predecessor_rejects_no_version(churn: Churn) -> None:
    """Nobody reads its pods, so it is compared with nothing."""
    adopted(churn)
    churn.world.pods.behaviours["deployment:churn-flask"] = BROKEN
    first_version(churn)
    assert churn.rejected == []
