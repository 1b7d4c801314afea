"""A definition of features that changes: no user meets a server with another one than its version was made with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.support.churn import Churn, pinned
from tests.support.memory_pods import Behaviour
from tests.support.operator_world import OperatorWorld
from tests.unit.properties.kills import Scenario, killed_at_writes
from tests.unit.properties.test_any_story import Story
from tests.unit.properties.test_killed_at_every_write import SHORT
from viridian.api import reasons
from viridian.api.features import FEATURES_ANNOTATION
from viridian.api.registry import TAG_FEATURES
from viridian.rollout.records import parse
from viridian.rollout.traffic import service as traffic

OLD, NEW = f"sha256:{'0' * 64}", f"sha256:{'f' * 64}"


def made_with(churn: Churn, digest: str, shown: str = "") -> str:
    """A version that was made with this definition gets the alias; what its servers show, where they show anything."""
    version = churn.world.registry.add_version("churn", {TAG_FEATURES: digest})
    churn.world.pods.behaviours[version] = Behaviour(features=shown)
    churn.point(version)
    return version


def started_with(churn: Churn, digest: str, version: str = "") -> None:
    """An edit in Git: servers are started with this definition, of the alias or of a version."""
    model = pinned(version) if version else {"registry": {"name": "churn", "alias": "candidate"}}
    churn.apply(model={**model, "features": {"ref": "churn", "digest": digest}}, rollout=SHORT)


@pytest.fixture
def churn() -> Iterator[Churn]:
    """Version 1 serves, with the definition that it was made with."""
    with closing(OperatorWorld()) as world:
        told = Churn(world)
        first(told)
        yield told


def first(churn: Churn) -> None:
    made_with(churn, OLD)
    started_with(churn, OLD)
    assert churn.world.run(30, until=lambda: churn.serves("1"))
    churn.world.run(30)


def rejected_then_served(churn: Churn) -> None:
    """A version of the new definition is refused until servers are started with that."""
    made_with(churn, NEW)
    assert churn.world.run(60, until=lambda: churn.rejected == ["2"])
    refused = churn.revision("2")
    started_with(churn, NEW)
    assert churn.world.run(60, until=lambda: churn.serves("2"))
    assert churn.world.pods.served(refused) == 0


def test_a_version_of_another_definition_gets_no_request_until_servers_are_started_with_it(churn: Churn) -> None:
    made_with(churn, NEW)
    assert churn.world.run(60, until=lambda: churn.rejected == ["2"])
    (entry,) = churn.status["rejected"]
    assert entry["reason"] == reasons.FEATURE_SKEW
    skew = churn.condition(reasons.FEATURES_MATCH)
    assert (skew["status"], skew["reason"]) == ("False", reasons.FEATURE_SKEW)
    assert NEW in skew["message"]
    assert OLD in skew["message"]
    assert churn.world.pods.served(churn.revision("2")) == 0
    churn.world.run(30)
    churn.world.rest()
    started_with(churn, NEW)
    assert churn.world.run(60, until=lambda: churn.serves("2"))
    assert churn.status["champion"]["featuresDigest"] == NEW
    assert churn.condition(reasons.FEATURES_MATCH) == {}


def test_an_edit_that_comes_before_the_version_leaves_the_traffic_where_it_is(churn: Churn) -> None:
    started_with(churn, NEW)
    assert churn.world.run(60, until=lambda: bool(churn.rejected))
    assert churn.champion == "1"
    assert churn.condition(reasons.FEATURES_MATCH)["message"].startswith("version 1 (")
    made_with(churn, NEW)
    assert churn.world.run(60, until=lambda: churn.serves("2"))


def test_a_revert_in_git_brings_version_and_definition_back_together(churn: Churn) -> None:
    rejected_then_served(churn)
    started_with(churn, NEW, "1")
    churn.world.run(60)
    assert churn.champion == "2"
    assert churn.condition("Stalled")["reason"] == reasons.REVISION_REJECTED
    started_with(churn, OLD, "1")
    assert churn.world.run(90, until=lambda: churn.serves("1"))
    assert churn.condition(reasons.FEATURES_MATCH) == {}


def test_pods_that_are_started_anew_in_the_trial_end_it(churn: Churn) -> None:
    version = made_with(churn, OLD, shown=OLD)
    assert churn.world.run(60, until=lambda: churn.status.get("challenger", {}).get("weight", 0) > 0)
    churn.world.pods.behaviours[version] = Behaviour(features=NEW)
    assert churn.world.run(10, until=lambda: churn.rejected == [version])
    assert churn.status["rejected"][0]["reason"] == reasons.FEATURE_SKEW
    assert churn.champion == "1"


def test_a_champion_whose_pods_are_started_anew_with_another_one_goes_on_serving(churn: Churn) -> None:
    churn.world.pods.behaviours["1"] = Behaviour(features=NEW)
    churn.cluster.remove("Pod", churn.cluster.all("Pod")[0]["metadata"]["name"])
    assert churn.world.run(60, until=lambda: bool(churn.condition(reasons.FEATURES_MATCH)))
    churn.world.run(60)
    assert churn.serves("1")
    churn.world.rest()
    churn.world.pods.behaviours["1"] = Behaviour(features=OLD)
    churn.cluster.remove("Pod", churn.cluster.all("Pod")[0]["metadata"]["name"])
    assert churn.world.run(60, until=lambda: not churn.condition(reasons.FEATURES_MATCH))


def test_the_first_version_waits_for_servers_with_its_definition() -> None:
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        made_with(churn, OLD)
        started_with(churn, NEW)
        assert world.run(30, until=lambda: churn.condition("Stalled").get("reason") == reasons.FEATURE_SKEW)
        world.run(30)
        assert churn.champion is None
        assert churn.condition("Ready")["reason"] == reasons.FEATURE_SKEW
        world.rest()
        started_with(churn, OLD)
        assert world.run(60, until=lambda: churn.serves("1"))
        assert churn.condition(reasons.FEATURES_MATCH) == {}


def test_killed_at_its_writes() -> None:
    killed_at_writes(Scenario("features", first, rejected_then_served), least=15, every=4)


class FeatureStory(Story):
    """Versions of three kinds, and servers of three, in any order with all that people and faults do besides."""

    @initialize()
    def begin(self) -> None:
        self._first_champion()
        self.start_servers_with(OLD)

    @precondition(lambda self: not self.world.registry.unavailable)
    @rule(digest=st.sampled_from([OLD, NEW, "no digest"]))
    def publish_with_features(self, digest: str) -> None:
        self.versions.append(made_with(self.churn, digest))
        self.world.run(3)

    @rule(digest=st.sampled_from([OLD, NEW, None]))
    def start_servers_with(self, digest: str | None) -> None:
        model = self.parts.get("model") or {"registry": {"name": "churn", "alias": "candidate"}}
        features = {"features": {"ref": "churn", "digest": digest}} if digest else {}
        self._apply(model={"registry": model["registry"], **features})
        self.world.run(3)

    @invariant()
    def no_user_meets_other_features(self) -> None:
        live = traffic.record_of(self.world.cluster.find("Service", "churn"))
        if live is None:
            return
        met = {live.revision, *([live.trial.revision] if live.trial is not None else [])}
        for known in map(parse, self.world.cluster.all("ControllerRevision")):
            if known is not None and known.revision in met and known.model.features:
                marked = known.template["metadata"]["annotations"].get(FEATURES_ANNOTATION)
                assert marked in (None, known.model.features), self.world.story()


FeatureStory.TestCase.settings = settings(max_examples=6, stateful_step_count=8)
TestFeatureStory = FeatureStory.TestCase
