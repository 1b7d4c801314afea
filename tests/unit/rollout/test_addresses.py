"""Another address of MLflow or the collector: which pods are told which, and that it restarts nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.support.churn import manifest
from tests.support.cluster.deployments import Readiness
from tests.support.operator_world import OperatorWorld
from tests.support.snapshots import SETTINGS
from viridian.api import reasons
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.rollout.addresses import Addresses, moved

COLLECTOR = "http://viridian-collector.viridian-system.svc:8090"
BEFORE = replace(SETTINGS, collector_url=COLLECTOR, orders_key="the former key")
AFTER = replace(
    BEFORE, mlflow_uri="http://mlflow.new:5000", collector_url="http://collector.new:8090", orders_key="the new key"
)
OutcomeInput = tuple[str, str, str]
OLD, NEW = (
    (str(BEFORE.mlflow_uri), COLLECTOR, str(BEFORE.orders_key)),
    (str(AFTER.mlflow_uri), str(AFTER.collector_url), str(AFTER.orders_key)),
)


@pytest.fixture
def world() -> Iterator[OperatorWorld]:
    """Version 1 serves with two pods that know the former addresses."""
    with closing(OperatorWorld(settings=BEFORE)) as made:
        made.registry.add_version("churn")
        made.registry.move_alias("churn", "candidate", "1")
        made.cluster.create(manifest(feedback={"sampling": 100}))
        assert made.run(120, until=lambda: "champion" in status(made) and condition(made, "Reconciling") is None)
        made.rest()
        yield made


def move(world: OperatorWorld) -> None:
    """The operator is started again with other addresses."""
    world.settings = AFTER
    world.restart()


def turn_off_the_former_registry(world: OperatorWorld) -> None:
    """From now on no pod that asks there gets its model."""

    def fares(type_: str, found: Mapping[str, Any]) -> None:
        if (type_, found["kind"]) == ("ADDED", "Pod") and told(found) == OLD:
            gone = Readiness(after=None, init_failure="ModelUnavailable: MLflow cannot be reached")
            world.cluster.readiness[found["metadata"]["name"]] = gone

    world.cluster.on_change.append(fares)


def status(world: OperatorWorld) -> Mapping[str, Any]:
    return (world.cluster.find(MODEL_DEPLOYMENT, "churn") or {}).get("status") or {}


def condition(world: OperatorWorld, kind: str) -> Mapping[str, Any] | None:
    return next((found for found in status(world).get("conditions", ()) if found["type"] == kind), None)


def told(pod: Mapping[str, Any]) -> OutcomeInput:
    """Addresses of MLflow and of the collector, and the key of orders."""
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    environment = {entry["name"]: entry.get("value", "") for one in containers for entry in one.get("env", ())}
    return environment["MLFLOW_TRACKING_URI"], environment["VIRIDIAN_COLLECTOR_URL"], environment["VIRIDIAN_ORDERS_KEY"]


def pods(world: OperatorWorld) -> dict[str, OutcomeInput]:
    """By uid."""
    return {pod["metadata"]["uid"]: told(pod) for pod in world.cluster.all("Pod")}


def revisions(world: OperatorWorld) -> set[str]:
    return {record["metadata"]["name"] for record in world.cluster.all("ControllerRevision")}


def test_a_changed_address_makes_no_revision_and_restarts_no_pod_and_is_told(world: OperatorWorld) -> None:
    before, known = pods(world), revisions(world)
    assert set(before.values()) == {OLD}
    move(world)
    world.run(300)
    assert (pods(world), revisions(world)) == (before, known)
    found = condition(world, reasons.ADDRESSES_CURRENT)
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", reasons.FORMER_ADDRESS)
    assert all(address in found["message"] for address in (*OLD, *NEW))
    assert "viridian.dev/restart=" in found["message"]
    world.rest()


def test_a_pod_that_is_made_anew_gets_the_present_addresses_and_with_it_its_slot(world: OperatorWorld) -> None:
    known = revisions(world)
    move(world)
    turn_off_the_former_registry(world)
    world.run(30)
    world.cluster.remove("Pod", world.cluster.all("Pod")[0]["metadata"]["name"])
    assert world.run(120, until=lambda: set(pods(world).values()) == {NEW} and len(pods(world)) == 2)
    assert revisions(world) == known
    world.run(60)
    assert condition(world, reasons.ADDRESSES_CURRENT) is None
    world.rest()


def test_the_next_revision_is_told_the_present_addresses_and_a_former_one_too_when_it_comes_back(
    world: OperatorWorld,
) -> None:
    move(world)
    world.registry.add_version("churn")
    world.registry.move_alias("churn", "candidate", "2")
    assert world.run(600, until=lambda: status(world)["champion"]["version"] == "2")
    (champion,) = {status(world)["champion"]["slot"]}
    of_champion = [p for p in world.cluster.all("Pod") if p["metadata"]["labels"]["viridian.dev/slot"] == champion]
    assert {told(pod) for pod in of_champion} == {NEW}
    # The fallback still runs with what it began with; its Deployment is lost, and made again from its record.
    other = {"blue": "green", "green": "blue"}[champion]
    world.cluster.remove("Deployment", f"churn-{other}")
    world.run(120)
    assert set(pods(world).values()) == {NEW}


def test_what_the_user_chose_is_nobody_else_s_to_change() -> None:
    template = {
        "spec": {
            "initContainers": [
                {"name": "fetch", "env": [{"name": "MLFLOW_TRACKING_URI", "value": "http://mine:5000"}]}
            ],
            "containers": [{"name": "server"}],
        }
    }
    assert BEFORE.addresses.in_template(template) == Addresses()


def test_no_address_takes_the_place_of_none_and_none_of_one() -> None:
    assert Addresses("a", "b").in_place_of(Addresses("c", "")) == Addresses("a", "")
    assert Addresses("", "b").in_place_of(Addresses("c", "d")) == Addresses("c", "b")
    assert moved(Addresses("c", "d"), Addresses("c", "d")) == ""
    assert Addresses("a", "b", "k").in_place_of(Addresses("c", "d")).orders == "", "an older server knows no key"
    assert Addresses("a", "b").in_place_of(Addresses("c", "d", "k")).orders == "k"


def test_an_operator_that_has_no_key_of_orders_any_more_says_what_does_not_happen(world: OperatorWorld) -> None:
    world.settings = replace(BEFORE, orders_key=None)
    world.restart()
    assert world.run(60, until=lambda: condition(world, "AddressesCurrent") is not None)
    found = condition(world, "AddressesCurrent") or {}
    assert (found["status"], found["reason"]) == ("False", reasons.NO_KEY_OF_ORDERS)
    assert "take orders by the key the former key" in found["message"]
    assert "--orders-secret" in found["message"]
    world.settings = BEFORE
    world.restart()
    assert world.run(60, until=lambda: condition(world, "AddressesCurrent") is None)
    world.rest()
