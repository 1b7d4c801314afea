"""Back to any recorded version: what is served, the aliases and the records agree, wherever the operator is killed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.churn import Churn
from tests.support.memory_gateway import TRAFFIC, RoutedWorld
from tests.unit.conftest import KILLS
from tests.unit.properties.kills import Scenario, killed_at_writes
from viridian.api.names import REVISION_LABEL, SLOT_LABEL
from viridian.rollout.traffic import service as traffic

QUICK: dict[str, Any] = {
    "steps": [],
    "probation": "2s",
    "rollbackWindow": {"duration": "1d"},
    "analysis": {"window": "10s", "metrics": []},
}
FORMER = ("1", "2", "3")


def four_champions(churn: Churn, **parts: Any) -> None:
    """One after the other; the last one serves, the one before it is warm."""
    churn.publish()
    churn.apply(rollout=QUICK, **parts)
    for version in (*FORMER, "4"):
        assert churn.world.run(30, until=partial(churn.serves, version))
        churn.world.run(5)
        if version != "4":
            churn.publish()
    assert churn.champion == "4"


def four_by_gateway(churn: Churn) -> None:
    four_champions(churn, traffic=TRAFFIC)
    churn.world.pods.lost = 0.0


def roll_back_three(churn: Churn) -> None:
    churn.annotate("rollback", f"{churn.revision('4')}/{churn.revision('1')}#ada")
    assert churn.world.run(60, until=lambda: churn.serves("1"))


def revert_by_one(churn: Churn) -> None:
    churn.point("3")
    assert churn.world.run(60, until=lambda: churn.serves("3"))


def revert_by_three(churn: Churn) -> None:
    churn.point("1")
    assert churn.world.run(60, until=lambda: churn.serves("1"))


BY_NAME = Scenario("rollback three back", four_champions, roll_back_three, settle=20)
WARM = Scenario("Git revert to a warm version", four_champions, revert_by_one, settle=20)
COLD = Scenario("Git revert three back", four_champions, revert_by_three, settle=20)
ROUTED_BY_NAME, ROUTED_WARM, ROUTED_COLD = (
    replace(one, name=f"{one.name}, through a gateway", before=four_by_gateway, make=RoutedWorld)
    for one in (BY_NAME, WARM, COLD)
)


def served(churn: Churn) -> str:
    """The version of the pods that users meet."""
    live = churn.cluster.find("Service", "churn")
    record = traffic.record_of(live)
    assert live is not None
    assert record is not None
    pods = [
        pod["metadata"]["labels"].get(REVISION_LABEL)
        for pod in churn.cluster.all("Pod")
        if live["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    ]
    versions = {churn.revision(version): version for version in (*FORMER, "4")}
    assert set(pods) == {record.revision}
    return versions[record.revision]


@pytest.mark.parametrize(
    ("scenario", "version", "previous", "candidate"),
    [
        (BY_NAME, "1", "3", "4"),
        (WARM, "3", "4", "3"),
        (COLD, "1", "4", "1"),
        (ROUTED_BY_NAME, "1", "3", "4"),
        (ROUTED_WARM, "3", "4", "3"),
        (ROUTED_COLD, "1", "4", "1"),
    ],
    ids=lambda value: value.name if isinstance(value, Scenario) else "",
)
def test_what_is_served_the_aliases_and_the_records_agree(
    scenario: Scenario, version: str, previous: str, candidate: str
) -> None:
    with scenario.begun() as churn:
        end = scenario.tell(churn)
        assert (served(churn), churn.champion) == (version, version)
        assert end["aliases"]["churn"] == {"candidate": candidate, "champion": version, "previous": previous}
        assert churn.condition("RollbackReady")["status"] == "True"
        newest = {(entry["outcome"], entry["version"]) for entry in churn.status["history"][:2]}
        assert ("Reinstated", version) in newest
        assert churn.rejected == (["4"] if scenario.then is roll_back_three else [])
        if isinstance(churn.world, RoutedWorld):
            live = churn.cluster.find("Service", "churn")
            assert live is not None
            slot = live["spec"]["selector"][SLOT_LABEL]
            assert {name for name, weight in churn.world.gateway.split.items() if weight} == {f"churn-{slot}"}
            assert churn.world.pods.lost == 0.0


@pytest.mark.parametrize("then", [roll_back_three, revert_by_one, revert_by_three], ids=lambda then: then.__name__)
def test_a_gateway_that_comes_late_costs_no_request(then: Callable[[Churn], None]) -> None:
    """The records say that another version serves; until the gateway follows, the one before keeps its pods."""
    with closing(RoutedWorld()) as world:
        churn = Churn(world)
        four_by_gateway(churn)
        before = dict(world.gateway.split)
        world.gateway.frozen = True
        if then is roll_back_three:
            churn.annotate("rollback", f"{churn.revision('4')}/{churn.revision('1')}#ada")
        else:
            churn.point("3" if then is revert_by_one else "1")
        world.run(60)
        assert world.gateway.split == before
        world.gateway.frozen = False
        then(churn)
        world.run(30)
        assert world.pods.lost == 0.0


@pytest.mark.parametrize("scenario", [BY_NAME, WARM, ROUTED_BY_NAME], ids=lambda scenario: scenario.name)
def test_killed_at_every_write(scenario: Scenario, record_property: Callable[[str, object], None]) -> None:
    writes = killed_at_writes(scenario, least=4)
    record_property(KILLS, f"{scenario.name}: {writes} ks (killed at every write)")
