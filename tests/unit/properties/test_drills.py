"""Drills of the rollback, told whole: users are served at every moment, and the champion has them back at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.support.churn import Churn
from tests.support.cluster.deployments import NEVER_READY
from tests.support.memory_gateway import TRAFFIC, MemoryGateway, RoutedWorld
from tests.support.memory_pods import BROKEN, Behaviour
from tests.support.operator_world import OperatorWorld
from tests.support.safety import violations
from tests.unit.conftest import KILLS
from tests.unit.properties.kills import Scenario, killed_at_writes
from viridian.api.names import SLOT_LABEL

QUICK: dict[str, Any] = {"steps": [], "probation": "2s", "progressDeadline": "20s"}
DRILL = {"cron": "0 4 * * 3", "mode": "Live", "duration": "15s"}
MIRRORED = {**DRILL, "mode": "Mirrored"}


def two_champions(churn: Churn, **parts: Any) -> None:
    """Version 2 serves, and version 1 is warm."""
    churn.publish()
    churn.apply(**{"rollout": QUICK, "drill": DRILL, "server": {"replicas": 2}, **parts})
    assert churn.world.run(30, until=lambda: churn.serves("1"))
    churn.publish()
    assert churn.world.run(30, until=lambda: churn.serves("2"))
    churn.world.run(5)
    churn.world.pods.lost = 0.0


def two_by_gateway(churn: Churn) -> None:
    two_champions(churn, traffic=TRAFFIC)


def two_with_copies(churn: Churn) -> None:
    two_champions(churn, traffic=TRAFFIC, drill=MIRRORED)


def order_a_drill(churn: Churn, again: str = "") -> None:
    churn.annotate("drill", f"{churn.revision('2')}{again}")


def outcome(churn: Churn) -> str:
    return str(churn.status.get("drill", {}).get("outcome"))


def fallback_serves(churn: Churn) -> bool:
    return "startedAt" in churn.status.get("drill", {})


def rehearse(churn: Churn) -> None:
    order_a_drill(churn)
    assert churn.world.run(60, until=lambda: outcome(churn) == "Passed")


PASSES = Scenario("drill", two_champions, rehearse, settle=20)
ROUTED = replace(PASSES, name="drill through a gateway", before=two_by_gateway, make=RoutedWorld)
COPIED = replace(ROUTED, name="drill with copies", before=two_with_copies)


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(OperatorWorld()) as world:
        yield Churn(world)


def at_the_end(churn: Churn) -> None:
    """The champion serves as before, the fallback is warm, nobody was rejected, and no request was lost."""
    churn.world.run(20)
    churn.world.rest(resyncs=1)
    live = churn.cluster.find("Service", "churn")
    assert live is not None
    assert live["spec"]["selector"][SLOT_LABEL] == churn.status["champion"]["slot"]
    assert (churn.champion, churn.rejected) == ("2", [])
    assert churn.condition("RollbackReady")["status"] == "True"
    assert churn.condition("Ready")["reason"] == "Serving"
    assert violations(churn.cluster.worlds) == []
    assert churn.world.pods.lost == 0.0


@pytest.mark.parametrize("scenario", [PASSES, ROUTED, COPIED], ids=lambda scenario: scenario.name)
def test_a_drill_passes_without_a_lost_request(scenario: Scenario) -> None:
    with scenario.begun() as churn:
        order_a_drill(churn)
        assert churn.world.run(30, until=lambda: fallback_serves(churn))
        assert churn.condition("Ready")["reason"] == "DrillRunning"
        assert churn.world.run(60, until=lambda: outcome(churn) == "Passed")
        drill = churn.status["drill"]
        assert drill["revision"] == churn.revision("1")
        assert drill["requests"] > 500
        assert drill["errors"] == 0
        assert 0 <= drill["seconds"] <= 5
        assert 0 <= drill["secondsUntilReady"] <= 10
        assert drill["failedShare"] == 0
        assert churn.condition("RollbackUntested")["status"] == "False"
        at_the_end(churn)


@pytest.mark.parametrize("scenario", [PASSES, ROUTED, COPIED], ids=lambda scenario: scenario.name)
def test_killed_at_every_write(scenario: Scenario, record_property: Callable[[str, object], None]) -> None:
    def nobody_noticed(churn: Churn) -> None:
        assert churn.world.pods.lost == 0.0

    writes = killed_at_writes(scenario, least=4, also=nobody_noticed)
    record_property(KILLS, f"{scenario.name}: {writes} ks (killed at every write)")


def test_a_fallback_that_breaks_a_bound_fails_the_drill_at_once(churn: Churn) -> None:
    two_champions(churn)
    churn.world.pods.behaviours["1"] = BROKEN
    order_a_drill(churn)
    assert churn.world.run(60, until=lambda: outcome(churn) == "Failed")
    drill, untested = churn.status["drill"], churn.condition("RollbackUntested")
    assert drill["errors"] > 0
    assert drill["requests"] < 15 * churn.world.pods.rate, "it did not last to its end"
    assert (untested["status"], untested["reason"]) == ("True", "DrillFailed")
    assert any(event["reason"] == "DrillFailed" for event in churn.cluster.all("Event"))
    at_the_end(churn)


@pytest.fixture
def routed() -> Iterator[Churn]:
    with closing(RoutedWorld()) as world:
        yield Churn(world)


def gateway_of(churn: Churn) -> MemoryGateway:
    assert isinstance(churn.world, RoutedWorld)
    return churn.world.gateway


def test_copies_leave_the_users_where_they_are(routed: Churn) -> None:
    """The fallback has its full size before a copy comes, and all requests are copied until the end."""
    two_with_copies(routed)
    gateway, champion = gateway_of(routed), routed.status["champion"]["slot"]
    fallback = "churn-blue" if champion == "green" else "churn-green"
    routed.world.pods.behaviours["1"] = Behaviour(errors=0.004)
    order_a_drill(routed)
    assert routed.world.run(30, until=lambda: gateway.copies == {fallback: 100})
    found = routed.cluster.find("Deployment", fallback)
    assert found is not None
    assert found["status"]["readyReplicas"] == 2
    users = {name: weight for name, weight in gateway.split.items() if weight}
    assert users == {f"churn-{champion}": 100}
    assert "gets copies" in routed.condition("Ready")["message"]
    assert routed.world.run(60, until=lambda: outcome(routed) == "Passed")
    drill = routed.status["drill"]
    assert (drill["mode"], drill["errors"] > 0) == ("Mirrored", True)
    assert drill["failedShare"] == pytest.approx(drill["errors"] / drill["requests"], abs=1e-6)
    routed.world.run(5)
    assert gateway.copies == {}
    at_the_end(routed)


def test_a_fallback_that_fails_at_copies_harms_nobody(routed: Churn) -> None:
    two_with_copies(routed)
    routed.world.pods.behaviours["1"] = BROKEN
    routed.world.pods.closed.clear()
    served = routed.world.pods.served(routed.revision("2"))
    order_a_drill(routed)
    assert routed.world.run(60, until=lambda: outcome(routed) == "Failed")
    drill, untested = routed.status["drill"], routed.condition("RollbackUntested")
    assert drill["failedShare"] == pytest.approx(0.3, abs=0.05)
    assert (untested["status"], untested["reason"]) == ("True", "DrillFailed")
    routed.world.run(5)
    assert gateway_of(routed).copies == {}
    assert routed.world.pods.served(routed.revision("2")) > served
    assert routed.world.pods.closed == [], "nobody has to call anew"
    at_the_end(routed)


def test_a_gateway_that_takes_no_copies_over_proves_nothing(routed: Churn) -> None:
    two_with_copies(routed)
    gateway_of(routed).frozen = True
    order_a_drill(routed)
    assert routed.world.run(60, until=lambda: outcome(routed) == "NoTraffic")
    assert "has not taken over the newest split" in routed.status["drill"]["message"]
    assert routed.condition("RollbackUntested")["status"] == "True"
    gateway_of(routed).frozen = False
    at_the_end(routed)


def test_a_new_version_ends_copies_and_is_rolled_out(routed: Churn) -> None:
    two_with_copies(routed)
    order_a_drill(routed)
    assert routed.world.run(30, until=lambda: fallback_serves(routed))
    routed.publish()
    assert routed.world.run(3, until=lambda: outcome(routed) == "Interrupted")
    assert routed.world.run(60, until=lambda: routed.serves("3"))
    assert gateway_of(routed).copies == {}
    assert routed.world.pods.lost == 0.0


def test_a_fallback_that_never_gets_ready_meets_no_user(churn: Churn) -> None:
    two_champions(churn)
    churn.cluster.readiness[churn.revision("1")] = NEVER_READY
    churn.cluster.remove("Deployment", "churn-blue")
    order_a_drill(churn)
    assert churn.world.run(60, until=lambda: outcome(churn) == "Failed")
    assert "not ready within 20s" in churn.status["drill"]["message"]
    assert churn.status["drill"]["requests"] == 0
    assert churn.world.pods.lost == 0.0
    assert violations(churn.cluster.worlds) == []


def test_without_users_a_drill_proves_nothing(churn: Churn) -> None:
    two_champions(churn)
    churn.world.pods.rate = 0.0
    order_a_drill(churn)
    assert churn.world.run(60, until=lambda: outcome(churn) == "NoTraffic")
    assert churn.condition("RollbackUntested")["status"] == "True"
    at_the_end(churn)


def test_a_new_version_ends_a_drill_and_is_rolled_out(churn: Churn) -> None:
    two_champions(churn)
    order_a_drill(churn)
    assert churn.world.run(30, until=lambda: fallback_serves(churn))
    churn.publish()
    assert churn.world.run(3, until=lambda: outcome(churn) == "Interrupted")
    assert churn.world.run(60, until=lambda: churn.serves("3"))
    churn.world.run(30)
    churn.world.rest(resyncs=1)
    assert outcome(churn) == "Interrupted", "the order was about the champion before"
    assert churn.world.pods.lost == 0.0


def test_a_rollback_in_a_drill_lets_the_fallback_stay(churn: Churn) -> None:
    two_champions(churn)
    order_a_drill(churn)
    assert churn.world.run(30, until=lambda: fallback_serves(churn))
    churn.annotate("rollback", f"{churn.revision('2')}#ada")
    assert churn.world.run(5, until=lambda: churn.champion == "1")
    churn.world.run(30)
    churn.world.rest(resyncs=1)
    assert churn.rejected == ["2"]
    assert violations(churn.cluster.worlds) == []
    assert churn.world.pods.lost == 0.0


def test_a_champion_that_dies_in_a_drill_leaves_users_with_the_fallback(churn: Churn) -> None:
    two_champions(churn)
    order_a_drill(churn)
    assert churn.world.run(30, until=lambda: fallback_serves(churn))
    champion = churn.revision("2")
    churn.cluster.readiness[champion] = NEVER_READY
    churn.cluster.run_controllers()
    churn.world.run(60)
    assert fallback_serves(churn)
    assert churn.world.pods.lost == 0.0
    del churn.cluster.readiness[champion]
    assert churn.world.run(60, until=lambda: outcome(churn) == "Passed")
    at_the_end(churn)


def test_the_schedule_starts_a_drill_and_each_time_counts_once(churn: Churn) -> None:
    two_champions(churn)
    now = churn.world.clock()
    at = f"{(now.minute + 2) % 60} {(now.hour + (now.minute + 2) // 60) % 24} * * *"
    churn.apply(rollout=QUICK, drill={**DRILL, "cron": at}, server={"replicas": 2})
    churn.world.run(1)
    assert churn.condition("RollbackUntested")["reason"] == "DrillOverdue"
    assert churn.world.run(180, until=lambda: outcome(churn) == "Passed")
    assert churn.condition("RollbackUntested")["status"] == "False"
    ended = churn.status["drill"]["endedAt"]
    churn.world.run(180)
    assert churn.status["drill"]["endedAt"] == ended
    at_the_end(churn)
