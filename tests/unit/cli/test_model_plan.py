"""What `plan` says is what the operator does: both are asked about the same world."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.support.churn import NAME, Churn, manifest, pinned
from tests.support.memory_gateway import JOINING, SHOP, JoiningWorld
from tests.support.operator_world import OperatorWorld
from tests.unit.properties.test_joined_routes import by_join
from tests.unit.properties.test_killed_at_every_write import SHORT, two_champions
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.cli.live_model import LiveModel, decided, new_model
from viridian.cli.model_plan import model_plan


@pytest.fixture
def churn() -> Iterator[Churn]:
    """Version 2 serves, and version 1 is the fallback."""
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        two_champions(churn)
        yield churn


def live(churn: Churn) -> LiveModel:
    found = churn.cluster.find(MODEL_DEPLOYMENT, NAME)
    assert found is not None
    kinds = ("Deployment", "Service", "ControllerRevision", "Pod")
    return LiveModel(
        found, [child for kind in kinds for child in churn.cluster.all(kind)], churn.cluster.all("HTTPRoute")
    )


def planned(churn: Churn, **spec: Any) -> list[str]:
    edited = {**live(churn).manifest["spec"], **spec}
    return [line.strip() for line in model_plan(live(churn), edited, churn.world.clock())][1:]


def edit(churn: Churn, **spec: Any) -> None:
    churn.cluster.edit(MODEL_DEPLOYMENT, NAME, lambda found: found["spec"].update(spec))


def test_without_an_edit_nothing_would_be_written(churn: Churn) -> None:
    revision, *more = planned(churn)
    assert revision == f"version 2 ({churn.revision('2')}) is the champion: this spec makes no new revision."
    assert more == ["The next pass says Serving."]


def test_another_server_is_a_new_revision_with_the_name_that_the_operator_gives_it(churn: Churn) -> None:
    churn.world.run(60)
    server = {"replicas": 2, "port": 9000}
    said = planned(churn, server=server)
    edit(churn, server=server)
    churn.world.settle_now()
    revision = churn.status["challenger"]["revision"]
    assert said[0] == f"version 2 ({revision}) is a new revision."
    assert f"version 2 ({revision}) is deployed to blue, without traffic." in said
    assert "write Deployment churn-blue" in "\n".join(said)
    assert said[-2:] == [
        "Step 1: 50 % of the traffic for at least 3s.",
        "It loses its traffic when it breaks a bound of error-rate; after all steps it is promoted, and "
        "then its probation lasts 10s.",
    ]


def test_a_former_champion_comes_back_at_once(churn: Churn) -> None:
    said = planned(churn, model=pinned("1"))
    edit(churn, model=pinned("1"))
    before = decided(live(churn), churn.world.clock())
    churn.world.settle_now()
    assert f"version 1 ({churn.revision('1')})" in said[0]
    assert f"The next pass says {before.plan.summary}." in said


def test_a_version_that_was_rejected_stays_so(churn: Churn) -> None:
    churn.publish(errors=0.5)
    assert churn.world.run(60, until=lambda: churn.rejected == ["3"])
    churn.world.run(30)
    said = planned(churn)
    assert said[0].startswith(f"version 3 ({churn.revision('3')}) was rejected at ")
    assert "unless by `kubectl viridian retry churn -n default`" in said[0]


def test_more_pods_are_no_new_revision(churn: Churn) -> None:
    said = planned(churn, server={"replicas": 5})
    assert said[0].endswith("this spec makes no new revision.")
    assert "It would write Deployment churn-green." in said


def test_a_model_that_is_not_there_yet() -> None:
    with closing(OperatorWorld()) as world:
        wanted = manifest(model=pinned("1"), rollout=SHORT)
        said = list(model_plan(new_model(wanted, "ml"), wanted["spec"], world.clock()))
    assert said[0] == "ml/churn:"
    assert "the first champion" in "\n".join(said)
    assert said[-1].strip().startswith("The first version serves all users")


def test_a_new_version_of_an_alias_is_not_known_without_the_registry() -> None:
    with closing(OperatorWorld()) as world:
        said = list(model_plan(new_model(manifest(), "ml"), manifest()["spec"], world.clock()))
    unknown = "where the alias candidate of the registered model churn points is not known yet"
    assert said == ["ml/churn:", f"  The next pass says FirstDeployment: the model to be resolved: {unknown}."]


def test_an_unknown_version_is_reported_where_the_next_pass_is_about_something_else(churn: Churn) -> None:
    before = live(churn)
    lost = replace(before, manifest={**before.manifest, "status": {}})
    said = list(model_plan(lost, before.manifest["spec"], churn.world.clock()))
    unknown = "where the alias candidate of the registered model churn points is not known yet"
    assert said[1:] == [f"  No revision follows from this spec: {unknown}.", "  The next pass says Serving."]


@pytest.fixture
def joined() -> Iterator[Churn]:
    """Version 1 serves by a rule of the users' own route."""
    with closing(JoiningWorld()) as world:
        churn = Churn(world)
        by_join(churn)
        world.run(30)
        yield churn


def test_a_rule_that_is_joined_stays_as_it_is(joined: Churn) -> None:
    said = planned(joined)
    assert "The next pass says Serving." in said
    leads = "the rule predict of the HTTPRoute shop leads to the split of this ModelDeployment"
    assert f"RouteJoined is True (Joined): {leads}." in said
    assert "HTTPRoute" not in "".join(line for line in said if line.startswith("It would"))


def test_a_rule_that_the_spec_names_no_more_is_given_back(joined: Churn) -> None:
    said = planned(joined, traffic={"provider": "Service"})
    assert "It would give back the rule predict of the HTTPRoute shop." in said
    assert "write HTTPRoute shop" in "\n".join(said)
    assert not [line for line in said if line.startswith("RouteJoined")]


def test_a_rule_is_joined_only_where_the_owner_of_the_route_agrees(churn: Churn) -> None:
    """Before the edit the model is served by its Service, and the route leads elsewhere."""
    route = {**SHOP, "metadata": {**SHOP["metadata"], "labels": {}, "uid": "u", "resourceVersion": "1"}}
    before = live(churn)
    edited = {**before.manifest["spec"], "traffic": JOINING}
    for routes, reason, advice in (
        ((), "RouteNotFound", "create it, or change join.route"),
        ((route,), "RouteNotAgreed", "kubectl label httproute shop adopt.viridian.dev/model-deployment=churn"),
    ):
        said = "\n".join(model_plan(replace(before, user_routes=routes), edited, churn.world.clock()))
        assert f"RouteJoined is False ({reason})" in said
        assert advice in said
        assert "HTTPRoute shop," not in said


def test_an_operator_without_the_gateway_api_joins_nothing(churn: Churn) -> None:
    stalled = {"type": "Stalled", "status": "True", "reason": "GatewayApiOff"}
    before = live(churn)
    without = replace(before, manifest={**before.manifest, "status": {"conditions": [stalled]}})
    said = list(model_plan(without, {**before.manifest["spec"], "traffic": JOINING}, churn.world.clock()))
    assert not [line for line in said if "RouteJoined" in line]
