"""Rollouts with copies that the champion's own servers make, told whole: no user meets a challenger before its time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.support.churn import METRICS, Churn
from tests.support.memory_gateway import TRAFFIC, RoutedWorld
from tests.support.memory_pods import Behaviour
from tests.support.operator_world import SETTINGS, OperatorWorld
from tests.unit.properties.kills import Scenario, killed_at_writes
from tests.unit.properties.test_killed_at_every_write import promote
from viridian.api.input_schema import InputColumn, InputSchema
from viridian.api.names import MODEL_DEPLOYMENT, Slot
from viridian.rollout.traffic.service import record_of

WITH_KEY = replace(SETTINGS, orders_key="the operator's key")
COPIED = {"shadow": 50, "duration": "5s", "minRequests": 20}
DISAGREEMENT = {"name": "disagreement", "max": 0.05, "tolerance": 0.1}
SHIFT = {"name": "prediction-shift", "max": 0.2}


def world() -> OperatorWorld:
    return OperatorWorld(settings=WITH_KEY)


def rollout(*metrics: Any) -> dict[str, Any]:
    bounds = [METRICS[0], *metrics]
    return {
        "steps": [COPIED, {"weight": 50, "duration": "3s"}],
        "probation": "10s",
        "analysis": {"window": "10s", "metrics": bounds},
    }


def shadowed(churn: Churn) -> None:
    churn.publish()
    churn.apply(rollout=rollout(DISAGREEMENT, SHIFT))
    assert churn.world.run(30, until=lambda: churn.serves("1"))


def reject_what_differs(churn: Churn) -> None:
    churn.publish(differs=0.4)
    assert churn.world.run(60, until=lambda: churn.rejected == ["2"])


SCENARIOS = (
    Scenario("copies before weights", shadowed, promote, make=world),
    Scenario("rejected by its answers to copies", shadowed, reject_what_differs, make=world),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_killed_at_writes_of_all_kinds(scenario: Scenario) -> None:
    def copies_have_ended(churn: Churn) -> None:
        assert churn.world.pods.copying == frozenset()
        assert churn.world.pods.copied > 0

    # What comes before and after the copies is killed at every write elsewhere.
    killed_at_writes(scenario, least=3, every=3, also=copies_have_ended)


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(world()) as shadowing:
        yield Churn(shadowing)


def exposed(churn: Churn) -> set[int]:
    """The shares of the users' requests that challengers get from now on, as it fills."""
    shares: set[int] = set()

    def look() -> None:
        traffic = record_of(churn.cluster.find("Service", "churn"))
        shares.add(traffic.share if traffic is not None else 0)

    churn.cluster.more_controllers.append(look)
    return shares


def begin_a_trial(churn: Churn, **behaviour: Any) -> None:
    shadowed(churn)
    churn.publish(**behaviour)
    assert churn.world.run(30, until=lambda: bool(churn.world.pods.copying))


def test_a_sound_version_passes_its_copies_and_then_meets_users(churn: Churn) -> None:
    begin_a_trial(churn)
    pods = churn.world.pods
    assert churn.status["challenger"]["step"]["name"] == "shadow-50%"
    assert pods.copying == {pod["metadata"]["uid"] for pod in churn.cluster.ready_pods(slot(Slot.BLUE))}
    assert churn.world.run(60, until=lambda: churn.status["challenger"]["weight"] == 50)
    churn.world.run(1)
    assert pods.copying == frozenset(), "the copies end with the step"
    assert pods.copied >= 20
    assert {metric["name"] for metric in churn.status["challenger"]["metrics"]} == {"error-rate"}
    assert churn.world.run(60, until=lambda: churn.serves("2"))
    churn.world.run(30)
    churn.world.rest(resyncs=1)


def slot(name: Slot) -> dict[str, str]:
    return {"viridian.dev/model-deployment": "churn", "viridian.dev/slot": str(name)}


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ({"errors": 0.3}, "error-rate "),
        ({"differs": 0.4}, "disagreement "),
        ({"shifted": 0.6}, "prediction-shift "),
    ],
    ids=["errors", "other answers", "other predictions"],
)
def test_a_bad_version_is_rejected_before_any_user_meets_it(churn: Churn, behaviour: Any, says: str) -> None:
    begin_a_trial(churn, **behaviour)
    shares = exposed(churn)
    assert churn.world.run(60, until=lambda: churn.rejected == ["2"])
    churn.world.run(1)
    assert shares == {0}
    assert churn.world.pods.copying == frozenset()
    assert says in churn.status["rejected"][0]["message"]


def test_pods_that_come_up_later_copy_as_well(churn: Churn) -> None:
    begin_a_trial(churn)
    churn.cluster.edit(MODEL_DEPLOYMENT, "churn", lambda found: found["spec"]["server"].update(replicas=4))

    def all_four_copy() -> bool:
        return len(churn.cluster.ready_pods(slot(Slot.BLUE))) == len(churn.world.pods.copying) == 4

    assert churn.world.run(10, until=all_four_copy)


def test_nothing_is_copied_for_an_operator_that_is_gone(churn: Churn) -> None:
    begin_a_trial(churn)
    churn.world.pass_time_without_operator(31)
    assert churn.world.pods.copying == frozenset()
    churn.world.restart()
    assert churn.world.run(60, until=lambda: churn.serves("2"))


def test_an_operator_that_starts_again_goes_on_with_what_was_compared(churn: Churn) -> None:
    begin_a_trial(churn)
    churn.world.run(2)
    before = {order.comparison for _, order in churn.world.pods.orders if order is not None}
    churn.world.restart()
    churn.world.run(2)
    assert {order.comparison for _, order in churn.world.pods.orders if order is not None} == before


def test_a_long_step_is_prolonged_and_costs_few_orders(churn: Churn) -> None:
    shadowed(churn)
    steps = [{**COPIED, "duration": "10m"}, {"weight": 50}]
    churn.cluster.edit(MODEL_DEPLOYMENT, "churn", lambda found: found["spec"]["rollout"].update(steps=steps))
    churn.publish()
    pods = churn.world.pods
    assert churn.world.run(30, until=lambda: bool(pods.copying))
    pods.orders.clear()
    silent = []
    churn.cluster.more_controllers.append(lambda: silent.append(not pods.copying))
    churn.world.run(300)
    assert not any(silent)
    assert len(pods.orders) <= 2 * 31, "an order a pod each ten seconds"


@pytest.mark.parametrize("how", ["newer version", "deployment deleted", "rejected by a person"])
def test_copies_end_when_the_challenger_is_gone(churn: Churn, how: str) -> None:
    begin_a_trial(churn)
    pods, first = churn.world.pods, churn.revision("2")
    comparison = pods.orders[-1][1].comparison  # type: ignore[union-attr]
    churn.world.run(1)
    if how == "newer version":
        churn.publish()
    elif how == "deployment deleted":
        churn.cluster.remove("Deployment", "churn-green")
    else:
        churn.annotate("reject", first)
    churn.world.run(1)
    last = dict(pods.orders)
    assert all(order is None or order.comparison != comparison for order in last.values())


def test_servers_that_take_no_orders_hold_the_step_and_reject_nobody(churn: Churn) -> None:
    shadowed(churn)
    churn.world.pods.behaviours["1"] = Behaviour(takes_orders=False)
    shares = exposed(churn)
    churn.publish()
    churn.world.run(120)
    assert churn.status["challenger"]["waitingReason"] == "Copies"
    assert "no server has taken the order yet" in churn.status["challenger"]["waitingFor"]
    assert (shares, churn.rejected) == ({0}, [])
    churn.world.pods.behaviours.pop("1")
    assert churn.world.run(60, until=lambda: churn.serves("2"))


def test_a_version_whose_columns_do_not_fit_gets_no_request_and_no_copy(churn: Churn) -> None:
    """The next version of the same alias goes on, and a person may try it all the same."""
    age, plan = (InputColumn(name=name, datatype="FP64") for name in ("age", "plan"))
    pods = churn.world.pods
    pods.behaviours["1"] = Behaviour(schema=InputSchema(columns=(age,)))
    shadowed(churn)
    churn.publish(schema=InputSchema(columns=(age, plan)))
    assert churn.world.run(60, until=lambda: churn.rejected == ["2"])
    rejected = churn.status["rejected"][0]
    assert rejected["reason"] == "SchemaMismatch"
    assert "it needs the column plan, which requests do not have" in rejected["message"]
    assert (pods.copied, pods.served(churn.revision("2"))) == (0, 0)
    for command in ("skip", "retry"):
        churn.annotate(command, churn.revision("2") + ("/schema" if command == "skip" else ""))
    assert churn.world.run(90, until=lambda: churn.serves("2"))


def test_an_operator_without_a_key_says_so() -> None:
    with closing(OperatorWorld()) as keyless:
        churn = Churn(keyless)
        shadowed(churn)
        churn.publish()
        churn.world.run(60)
        assert "the operator has no key of orders" in churn.status["challenger"]["waitingFor"]
        assert keyless.pods.orders == []


def test_with_a_gateway_the_servers_copy_what_is_to_be_compared() -> None:
    with closing(RoutedWorld(replace(WITH_KEY, gateway_api=True))) as routed:
        churn = Churn(routed)
        churn.publish()
        churn.apply(traffic=TRAFFIC, rollout=rollout(DISAGREEMENT))
        assert routed.run(30, until=lambda: churn.serves("1"))
        churn.publish(differs=0.4)
        assert routed.run(30, until=lambda: bool(routed.pods.copying))
        assert routed.gateway.copies == {}
        assert routed.run(60, until=lambda: churn.rejected == ["2"])
        assert routed.gateway.split["churn-green"] == 0
