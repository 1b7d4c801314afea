"""What remains of a ModelDeployment, and which of it the next one of that name may believe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.support.churn import NAME, Churn
from tests.support.memory_cluster import Fault
from tests.support.operator_world import OperatorWorld
from tests.support.roles import by_role
from tests.support.safety import violations
from tests.unit.conftest import KILLS
from tests.unit.properties.kills import at_write
from tests.unit.properties.test_killed_at_every_write import SHORT, collected, two_champions
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT
from viridian.ports.cluster import Object

Record = Callable[[str, object], None]
SERVING = ("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy")


def rejected(churn: Churn) -> None:
    """Version 2 serves, 1 is the fallback, and 3 has been rejected."""
    two_champions(churn)
    churn.publish(errors=0.3)
    assert churn.world.run(60, until=lambda: churn.rejected == ["3"])
    churn.world.run(30)


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(OperatorWorld(copies=True)) as world:
        churn = Churn(world)
        rejected(churn)
        yield churn


def orphan(churn: Churn, *, but: tuple[str, ...] = ()) -> None:
    """As `kubectl delete --cascade=orphan` does: the owner goes, and nothing else."""

    def lose(found: Object) -> None:
        found["metadata"]["ownerReferences"] = []

    for kind in (*SERVING, "ControllerRevision"):
        for found in churn.cluster.all(kind):
            churn.cluster.edit(kind, found["metadata"]["name"], lose)
            if kind in but:
                churn.cluster.remove(kind, found["metadata"]["name"])
    churn.cluster.remove(MODEL_DEPLOYMENT, NAME)
    churn.cluster.collect_garbage()


def orphans(churn: Churn) -> list[str]:
    return [
        f"{kind} {found['metadata']['name']}"
        for kind in (*SERVING, "ControllerRevision")
        for found in churn.cluster.all(kind)
        if not found["metadata"].get("ownerReferences")
    ]


def other_model(churn: Churn) -> None:
    """A new object of the same name asks for a model of its own."""
    digest = f"sha256:{'b' * 64}"
    churn.apply(rollout=SHORT, model={"uri": "https://models.example/other", "digest": digest})


def champion_uri(churn: Churn) -> str:
    return str(churn.status.get("champion", {}).get("uri"))


def test_all_of_it_is_adopted_and_remembered_without_a_restart(churn: Churn) -> None:
    before, pods = by_role(churn.cluster.present()), {p["metadata"]["uid"] for p in churn.cluster.all("Pod")}
    orphan(churn)
    churn.apply(rollout=SHORT)
    churn.world.run(60)
    assert orphans(churn) == []
    assert {p["metadata"]["uid"] for p in churn.cluster.all("Pod")} == pods
    assert (churn.champion, churn.rejected, churn.status["fallback"]["version"]) == ("2", ["3"], "1")
    after = by_role(churn.cluster.present())
    assert {k: v for k, v in after.items() if k.startswith("Rec")} == {
        k: v for k, v in before.items() if k.startswith("Rec")
    }
    assert violations(churn.cluster.worlds) == []
    churn.world.rest()
    churn.cluster.remove(MODEL_DEPLOYMENT, NAME)
    collected(churn)


@pytest.mark.parametrize("lost", [(), ("Deployment",), ("Service",)], ids=["all", "no Deployment", "no Service"])
def test_killed_at_every_write_of_an_adoption(lost: tuple[str, ...], record_property: Record) -> None:
    k, killed = 0, True
    while killed:
        k += 1
        with closing(OperatorWorld()) as world:
            churn = Churn(world)
            rejected(churn)
            orphan(churn, but=lost)
            world.cluster.forget_calls()
            at_write(churn, k, Fault.KILL_AFTER if k % 2 else Fault.KILL_BEFORE)
            churn.apply(rollout=SHORT)
            world.run(60)
            killed = world.restarts == 1
            assert orphans(churn) == [], k
            assert (churn.champion, churn.rejected) == ("2", ["3"]), k
    assert k > 6
    record_property(KILLS, f"adoption: {k - 1} ks")


@pytest.mark.parametrize(
    "left",
    [SERVING, ("Deployment", "Service")],
    ids=["records alone", "records and budgets"],
)
def test_a_namesake_believes_no_record_that_was_left_alone(churn: Churn, left: tuple[str, ...]) -> None:
    orphan(churn, but=left)
    churn.cluster.collect_garbage()
    other_model(churn)
    churn.world.run(60)
    assert champion_uri(churn) == "https://models.example/other"
    assert churn.rejected == []
    assert [entry["outcome"] for entry in churn.status["history"]] == ["Promoted"]
    assert violations(churn.cluster.worlds[-50:]) == []
    churn.world.rest()


def test_a_namesake_that_asks_for_the_same_model_begins_anew(churn: Churn) -> None:
    """The record that it would make has the name of one that it does not believe."""
    orphan(churn, but=SERVING)
    churn.apply(rollout=SHORT)
    assert churn.world.run(60, until=lambda: churn.serves("3"))
    churn.world.run(30)
    assert churn.rejected == []
    assert [(entry["version"], entry["outcome"]) for entry in churn.status["history"]] == [("3", "Promoted")]
    churn.world.rest()


def test_a_service_alone_whose_champion_nobody_can_make_again_keeps_nobody_from_serving(churn: Churn) -> None:
    orphan(churn, but=("Deployment", "PodDisruptionBudget", "ControllerRevision"))
    other_model(churn)
    churn.world.run(60)
    assert champion_uri(churn) == "https://models.example/other"
    assert orphans(churn) == []
    churn.world.rest()


def test_deployments_alone_are_adopted_without_a_restart(churn: Churn) -> None:
    """Without their records nobody knows what they were; what runs is replaced like any first deployment."""
    orphan(churn, but=("Service", "ControllerRevision"))
    churn.apply(rollout=SHORT)
    churn.world.run(120)
    assert churn.serves("3")
    assert orphans(churn) == []


def test_a_deployment_whose_record_is_gone_is_adopted_as_it_runs(churn: Churn) -> None:
    revision = churn.revision("1")
    pods = {p["metadata"]["uid"] for p in churn.cluster.all("Pod")}
    orphan(churn)
    churn.cluster.remove("ControllerRevision", f"{NAME}-{revision}")
    churn.apply(rollout=SHORT)
    churn.world.run(60)
    assert orphans(churn) == []
    assert {p["metadata"]["uid"] for p in churn.cluster.all("Pod")} == pods
    assert churn.condition("RollbackReady")["status"] == "True"


def test_a_record_of_another_owner_is_neither_believed_nor_waited_for(churn: Churn) -> None:
    """A backup brought it back with an owner that is no more: the garbage collector takes it in the end."""
    before = churn.status
    reference = {"apiVersion": API_VERSION, "kind": MODEL_DEPLOYMENT, "name": NAME, "uid": "gone", "controller": True}

    def belong_to_another(found: Object) -> None:
        found["metadata"]["ownerReferences"] = [reference]

    name = f"{NAME}-{churn.revision('3')}"
    churn.cluster.edit("ControllerRevision", name, belong_to_another)
    churn.world.step()
    assert churn.status["champion"] == before["champion"]
    churn.world.run(60)
    found = churn.cluster.find("ControllerRevision", name)
    assert found is None or found["metadata"]["ownerReferences"][0]["uid"] != "gone"


@pytest.mark.parametrize("k", range(1, 8))
def test_deleted_in_the_middle_of_an_adoption(churn: Churn, k: int) -> None:
    """What was adopted goes; what was not is believed by nobody."""
    orphan(churn)
    churn.cluster.forget_calls()
    seen = 0

    def delete(call: object) -> None:
        nonlocal seen
        seen += getattr(call, "mutating", False)
        if seen == k and churn.cluster.find(MODEL_DEPLOYMENT, NAME):
            churn.cluster.remove(MODEL_DEPLOYMENT, NAME)

    churn.cluster.before_call = delete
    churn.apply(rollout=SHORT)
    churn.world.run(30)
    churn.cluster.before_call = None
    owned = [
        found["metadata"]["name"]
        for kind in (*SERVING, "ControllerRevision")
        for found in churn.cluster.all(kind)
        if found["metadata"].get("ownerReferences")
    ]
    assert owned == []
    for kind in SERVING:
        for found in churn.cluster.all(kind):
            churn.cluster.remove(kind, found["metadata"]["name"])
    other_model(churn)
    churn.world.run(60)
    assert champion_uri(churn) == "https://models.example/other"
    assert churn.rejected == []
