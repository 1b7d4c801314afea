"""P4: killed after every k-th write, in both variants, the operator ends in the same world."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.support.churn import Churn
from tests.support.memory_cluster import Fault
from tests.support.operator_world import OperatorWorld
from tests.unit.conftest import KILLS
from tests.unit.properties.kills import Scenario, at_registry_write, at_write, undisturbed
from viridian.api.names import MODEL_DEPLOYMENT

SHORT = {
    "steps": [{"weight": 50, "duration": "3s"}],
    "probation": "10s",
    "analysis": {"window": "10s", "metrics": [{"name": "error-rate", "max": 0.01}]},
}


def nothing(churn: Churn) -> None:
    churn.publish()


def first_champion(churn: Churn) -> None:
    churn.publish()
    churn.apply(rollout=SHORT)
    assert churn.world.run(30, until=lambda: churn.serves("1"))


def two_champions(churn: Churn) -> None:
    first_champion(churn)
    churn.publish()
    assert churn.world.run(60, until=lambda: churn.serves("2"))
    churn.world.run(30)


def deploy(churn: Churn) -> None:
    churn.apply(rollout=SHORT)
    assert churn.world.run(60, until=lambda: churn.serves("1"))


def promote(churn: Churn) -> None:
    churn.publish()
    assert churn.world.run(60, until=lambda: churn.serves("2"))


def revert(churn: Churn) -> None:
    churn.publish(errors=0.3)
    assert churn.world.run(60, until=lambda: churn.rejected == ["3"])


FIRST = Scenario("first deployment", nothing, deploy)
PROMOTION = Scenario("promotion", first_champion, promote)
REVERT = Scenario("revert", two_champions, revert)
SCENARIOS = (FIRST, PROMOTION, REVERT)
by_name = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


@by_name
@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.KILL_BEFORE], ids=["answer lost", "write never arrived"])
def test_killed_at_every_write(
    scenario: Scenario, fault: Fault, record_property: Callable[[str, object], None]
) -> None:
    expected, writes = undisturbed(scenario)
    assert writes.cluster > 5

    def killed(churn: Churn, k: int) -> None:
        at_write(churn, k, fault)
        assert scenario.tell(churn) == expected, f"killed at write {k}"
        assert churn.world.restarts == 1

    scenario.for_each(writes.deaths(fault), killed)
    record_property(KILLS, f"{scenario.name}: {len(writes.deaths(fault))} of {writes.cluster} ks ({fault.value})")


@by_name
def test_killed_after_every_write_to_the_registry(
    scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    expected, writes = undisturbed(scenario)
    assert writes.registry > 0

    def killed(churn: Churn, k: int) -> None:
        at_registry_write(churn, k)
        assert scenario.tell(churn) == expected, f"killed after registry write {k}"
        assert churn.world.restarts == 1

    scenario.for_each(range(1, writes.registry + 1), killed)
    record_property(KILLS, f"{scenario.name}: {writes.registry} ks (after a write to the registry)")


@by_name
def test_the_status_is_deleted_at_every_write(
    scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    """Killed, and before the next process looks, the whole status is gone."""
    expected, writes = undisturbed(scenario)

    def deleted(churn: Churn, k: int) -> None:
        at_write(churn, k, Fault.KILL_BEFORE, then=Churn.wipe_status)
        assert scenario.tell(churn) == expected, f"status deleted at write {k}"

    scenario.for_each(range(1, writes.cluster + 1), deleted)
    record_property(KILLS, f"{scenario.name}: {writes.cluster} ks (killed, and the whole status deleted)")


@by_name
def test_a_janitor_orphans_the_records_at_every_write(
    scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    """Killed, the status deleted, and every record without its owner reference: nothing is forgotten."""
    expected, writes = undisturbed(scenario)

    def orphaned(churn: Churn, k: int) -> None:
        at_write(churn, k, Fault.KILL_AFTER, then=orphan_the_records)
        assert scenario.tell(churn) == expected, f"records orphaned at write {k}"
        assert all(record["metadata"]["ownerReferences"] for record in churn.cluster.all("ControllerRevision"))

    scenario.for_each(range(1, writes.cluster + 1), orphaned)
    record_property(KILLS, f"{scenario.name}: {writes.cluster} ks (a janitor that orphans records, the status deleted)")


def orphan_the_records(churn: Churn) -> None:
    for record in churn.cluster.all("ControllerRevision"):
        churn.cluster.edit(
            "ControllerRevision", record["metadata"]["name"], lambda found: found["metadata"].update(ownerReferences=[])
        )
    churn.wipe_status()


@by_name
@pytest.mark.parametrize(
    "fault", [Fault.CONFLICT, Fault.THROTTLED, Fault.SERVER_ERROR, Fault.LOSE_ANSWER, Fault.LOSE_REQUEST],
    ids=lambda fault: fault.name.lower().replace("_", " "),
)  # fmt: skip
def test_a_write_fails(scenario: Scenario, fault: Fault) -> None:
    """The process lives on; every fourth write is enough, since kills have covered them all."""
    expected, writes = undisturbed(scenario)

    def failing(churn: Churn, k: int) -> None:
        at_write(churn, k, fault)
        assert scenario.tell(churn) == expected, f"{fault.value} at write {k}"
        assert churn.world.restarts == 0

    scenario.for_each(range(1, writes.cluster + 1, 4), failing)


@by_name
def test_killed_in_pairs(scenario: Scenario, record_property: Callable[[str, object], None]) -> None:
    """Killed after write k, and again at the m-th write after that."""
    expected, writes = undisturbed(scenario)
    pairs = [(k, m) for k in range(1, writes.cluster + 1, 4) for m in (1, 2)]

    def killed(churn: Churn, pair: tuple[int, int]) -> None:
        k, m = pair
        at_write(churn, k, Fault.KILL_AFTER, then=partial(at_write, k=m, fault=Fault.KILL_BEFORE))
        assert scenario.tell(churn) == expected, f"killed at write {k} and {m} later"

    scenario.for_each(pairs, killed)
    record_property(KILLS, f"{scenario.name}: {len(pairs)} pairs (killed twice)")


def collected(churn: Churn) -> None:
    """The garbage collector and the operator go on, and nothing is left of the ModelDeployment."""
    world: OperatorWorld = churn.world
    world.run(60)
    left = [str(reference) for reference in world.cluster.present().objects if reference.kind in OWNED]
    assert left == []
    world.rest(resyncs=1)


OWNED = (
    "ModelDeployment",
    "Deployment",
    "Service",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "ControllerRevision",
    "Pod",
)


@pytest.mark.parametrize(
    "fault", [None, Fault.KILL_AFTER, Fault.KILL_BEFORE], ids=["alive", "answer lost", "write never arrived"]
)
def test_deleted_at_every_write(fault: Fault | None, record_property: Callable[[str, object], None]) -> None:
    """Somebody deletes the ModelDeployment at the k-th write of a first deployment, a promotion and a revert."""
    told = 0
    for scenario in SCENARIOS:
        _, writes = undisturbed(scenario)
        scenario.for_each(range(1, writes.cluster + 1), partial(deleted_at_write, scenario, fault))
        told += writes.cluster
    record_property(KILLS, f"deletion: {told} ks ({fault.value if fault else 'the operator lives on'})")


def deleted_at_write(scenario: Scenario, fault: Fault | None, churn: Churn, k: int) -> None:
    delete_at_write(churn, k, fault)
    try:
        scenario.then(churn)
    except AssertionError:
        # The story cannot come to its end; what counts is what is left of it.
        assert churn.cluster.find(MODEL_DEPLOYMENT, "churn") is None, f"{scenario.name}, write {k}"
    collected(churn)


def delete_at_write(churn: Churn, k: int, fault: Fault | None) -> None:
    if fault is not None:
        at_write(churn, k, fault, then=lambda churn: churn.cluster.remove(MODEL_DEPLOYMENT, "churn"))
        return
    seen = 0

    def look(call: object) -> None:
        nonlocal seen
        seen += getattr(call, "mutating", False)
        if seen == k and getattr(call, "mutating", False):
            churn.cluster.remove(MODEL_DEPLOYMENT, "churn")

    churn.cluster.before_call = look
