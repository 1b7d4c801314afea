"""Servers with another feature definition than their version was made with: who gets no traffic, and what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.support.snapshots import NOW, SETTINGS, commands, model, slot, snapshot, spec
from tests.unit.rollout.cases import (
    BLUE,
    ENTERED,
    FIRST_STEP,
    GREEN,
    KNOWN,
    ONE_STEADY,
    TWO_PROBATION,
    TWO_WARM,
    V1,
    V2,
    move_of,
    on_trial,
    said_of,
)
from viridian.api import reasons
from viridian.api.features import FEATURES_ANNOTATION, ModelFeatures
from viridian.api.names import Slot
from viridian.rollout.conditions import conditions, needs_a_person
from viridian.rollout.decide import decide
from viridian.rollout.decision import ChangeKind, RolloutDecision, WaitKind
from viridian.rollout.feature_skew import slots_with_pinned_features
from viridian.rollout.input import RolloutInput
from viridian.rollout.policies.choose import choose
from viridian.rollout.records import RevisionRecord, parse
from viridian.rollout.render import objects
from viridian.rollout.render.pod_template import pod_template
from viridian.rollout.render.revision import revision_of
from viridian.rollout.state import read
from viridian.rollout.traffic.record import Traffic

OLD, NEW = f"sha256:{'0' * 64}", f"sha256:{'f' * 64}"


def pinned(record: RevisionRecord, digest: str | None, marked: str = "") -> RevisionRecord:
    """The record of a version that was made with this definition; its pods are marked with another one."""
    annotations = {**record.template["metadata"]["annotations"], **({FEATURES_ANNOTATION: marked} if marked else {})}
    template = {**record.template, "metadata": {**record.template["metadata"], "annotations": annotations}}
    return replace(record, model=replace(record.model, features=digest), template=template)


def world(
    digest: str | None,
    *shown: str,
    marked: str = "",
    traffic: Traffic = ONE_STEADY,
    champion: Mapping[str, Any] | None = None,
    **more: Any,
) -> RolloutInput:
    """Version 2 is ready in green: made with this definition, and its servers show the others."""
    one, two = KNOWN
    found = snapshot(
        wanted="2",
        traffic=traffic,
        slots=(slot(BLUE, "1", 3), slot(GREEN, "2", 1)),
        known=(pinned(one, (champion or {}).get("pinned")), pinned(two, digest, marked)),
        **more,
    )
    served = {GREEN: frozenset(shown), BLUE: frozenset((champion or {}).get("shown", ()))}
    return replace(found, served_features=served)


def conditions_of(shown: RolloutInput, move: RolloutDecision | None = None) -> list[tuple[str, str, str]]:
    assert shown.spec is not None
    state = read(shown, shown.spec, NOW)
    found = conditions(state, move or choose(state))
    return [(one.status, one.reason, one.message) for one in found if one.type == reasons.FEATURES_MATCH]


SKEWED = {
    "its servers show another one": world(OLD, NEW),
    "one of its servers does": world(OLD, OLD, NEW),
    "its pods are marked with another one": world(OLD, marked=NEW),
    "servers are believed before marks": world(OLD, NEW, marked=OLD),
    "what is pinned is no digest": world("churn v3", "churn v3"),
    "what is pinned was cut": world("x" * 79 + "…", "x" * 79 + "…"),
}


@pytest.mark.parametrize("shown", SKEWED.values(), ids=list(SKEWED))
def test_a_challenger_is_rejected_before_it_gets_a_request(shown: RolloutInput) -> None:
    move = move_of(shown)
    assert (move.reason, move.change and move.change.kind) == (reasons.FEATURE_SKEW, ChangeKind.REJECTED)
    assert move.change is not None
    assert not move.change.exposed
    assert move.traffic is not None
    assert move.traffic.trial is None
    assert f"viridian.dev/skip={V2}/features and viridian.dev/retry={V2}" in said_of(shown, move)


def test_the_message_names_both_digests_and_what_to_do() -> None:
    shown = world(OLD, NEW)
    said = said_of(shown, move_of(shown))
    assert f"made with the feature definition {OLD}, and its servers have {NEW}" in said
    assert "spec.model.features.digest" in said
    assert "train a version" in said


FITTING = {
    "both are the same": world(OLD, OLD),
    "nothing is pinned": world(None, NEW, marked=NEW),
    "the servers show nothing": world(OLD),
    "the mark is the pinned one": world(OLD, marked=OLD),
    "servers are believed before marks": world(OLD, OLD, marked=NEW),
    "a person lets it through": world(OLD, NEW, annotations=commands(skip=f"{V2}/features#ada")),
}


@pytest.mark.parametrize("shown", FITTING.values(), ids=list(FITTING))
def test_its_trial_begins(shown: RolloutInput) -> None:
    move = move_of(shown)
    assert move.change is not None
    assert move.change.kind is ChangeKind.STEP_ENTERED
    assert conditions_of(shown) == []


def test_a_person_lets_one_revision_through_and_no_other() -> None:
    shown = world(OLD, NEW, annotations=commands(skip=f"{V1}/features"))
    assert move_of(shown).reason == reasons.FEATURE_SKEW


@pytest.mark.parametrize("trial", [ENTERED, FIRST_STEP], ids=["no user has met it", "users meet it"])
def test_pods_that_join_with_another_definition_end_the_trial(trial: Any) -> None:
    move = move_of(world(OLD, OLD, NEW, traffic=on_trial(trial)))
    assert (move.reason, move.change and move.change.kind) == (reasons.FEATURE_SKEW, ChangeKind.REJECTED)
    assert move.change is not None
    assert move.change.exposed == (trial.weight > 0)
    through = commands(skip=f"{V2}/features")
    assert move_of(world(OLD, OLD, NEW, traffic=on_trial(trial), annotations=through)).reason != reasons.FEATURE_SKEW


# ---- A champion


def test_a_champion_goes_on_serving_and_a_condition_shows_it() -> None:
    steady = snapshot(wanted="1", traffic=ONE_STEADY, slots=(slot(BLUE, "1"),), known=(pinned(KNOWN[0], OLD),))
    skewed = replace(steady, served_features={BLUE: frozenset((NEW,))})
    assert move_of(skewed) == move_of(steady)
    ((status, reason, message),) = conditions_of(skewed)
    assert (status, reason) == ("False", reasons.FEATURE_SKEW)
    assert message.startswith(f"the champion, version 1 ({V1}), goes on serving, but it was made with")
    assert OLD in message
    assert NEW in message


def test_in_its_probation_the_traffic_stays_as_well() -> None:
    shown = world(OLD, NEW, traffic=TWO_PROBATION)
    move = move_of(shown)
    assert move.change is None
    assert [reason for _, reason, _ in conditions_of(shown)] == [reasons.FEATURE_SKEW]


def test_what_was_found_last_counts_while_no_server_answers() -> None:
    """A look by lists asks none, and must not take the condition away."""
    steady = snapshot(wanted="1", traffic=ONE_STEADY, slots=(slot(BLUE, "1"),), known=(pinned(KNOWN[0], OLD),))
    found = decide(replace(steady, served_features={BLUE: frozenset((NEW,))}), NOW).status
    assert found is not None
    silent = replace(steady, status=found)
    assert conditions_of(silent) == conditions_of(replace(steady, served_features={BLUE: frozenset((NEW,))}))
    assert conditions_of(replace(silent, served_features={BLUE: frozenset((OLD,))})) == []
    assert conditions_of(snapshot(**TWO_WARM, status=found)) == [], "another one is the champion by now"


def test_the_condition_says_why_the_wanted_version_gets_no_traffic() -> None:
    shown = world(OLD, NEW)
    plan = decide(shown, NOW)
    assert plan.status is not None
    assert shown.spec is not None
    move = move_of(shown)
    assert move.traffic is not None
    after = replace(world(OLD, NEW, traffic=move.traffic), status=plan.status)
    ((_, reason, message),) = conditions_of(after)
    assert reason == reasons.FEATURE_SKEW
    assert message.startswith(f"version 2 ({V2}) gets no traffic: it was made with")


# ---- The first champion


def first(*shown: str, marked: str = "", **more: Any) -> RolloutInput:
    found = snapshot(wanted="2", slots=(slot(BLUE, "2"),), known=(pinned(KNOWN[1], OLD, marked),), **more)
    return replace(found, served_features={BLUE: frozenset(shown)})


@pytest.mark.parametrize("shown", [first(NEW), first(marked=NEW)], ids=["shown", "marked"])
def test_the_first_version_is_held_and_not_rejected(shown: RolloutInput) -> None:
    move = move_of(shown)
    assert move.traffic is None
    assert move.change is None
    assert move.wait is not None
    assert move.wait.kind is WaitKind.FEATURES
    assert shown.spec is not None
    asked = needs_a_person(read(shown, shown.spec, NOW), move)
    assert asked is not None
    assert asked[0] == reasons.FEATURE_SKEW
    assert asked[1].startswith(f"version 2 ({V2}) gets no traffic")
    assert f"viridian.dev/skip={V2}/features" in asked[1]
    assert "retry" not in asked[1]
    assert [reason for _, reason, _ in conditions_of(shown)] == [reasons.FEATURE_SKEW]


@pytest.mark.parametrize(
    "shown", [first(OLD), first(), first(NEW, annotations=commands(skip=f"{V2}/features"))],
    ids=["the same", "unknown", "let through"],
)  # fmt: skip
def test_otherwise_it_serves(shown: RolloutInput) -> None:
    move = move_of(shown)
    assert move.change is not None
    assert move.change.kind is ChangeKind.FIRST_PROMOTED


# ---- What servers are asked and started with


def test_servers_are_asked_of_versions_that_have_one_pinned() -> None:
    assert slots_with_pinned_features(world(OLD)) == (GREEN,)
    assert slots_with_pinned_features(world(None)) == ()
    assert set(slots_with_pinned_features(world(OLD, champion={"pinned": OLD}))) == set(Slot)


def started_with(features: ModelFeatures | None, **server: Any) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    """Variables and annotations of the server's pods."""
    template = pod_template("churn", model("1"), spec(server=server).server, SETTINGS, features=features)
    (container,) = (one for one in template["spec"]["containers"] if one["name"] == "server")
    variables = {one["name"]: one.get("value", "") for one in container["env"] if "FEATURES" in one["name"]}
    marks = {name: value for name, value in template["metadata"]["annotations"].items() if "features" in name}
    return variables, marks


def test_servers_are_started_with_what_the_spec_names() -> None:
    whole = {"VIRIDIAN_FEATURES_REF": "churn@3", "VIRIDIAN_FEATURES_DIGEST": OLD}
    assert started_with(ModelFeatures(ref="churn@3", digest=OLD)) == (whole, {FEATURES_ANNOTATION: OLD})
    assert started_with(ModelFeatures(ref="churn@3")) == ({"VIRIDIAN_FEATURES_REF": "churn@3"}, {})
    assert started_with(None) == ({}, {})


def test_the_template_of_the_user_wins() -> None:
    template = {
        "metadata": {"annotations": {FEATURES_ANNOTATION: NEW}},
        "spec": {"containers": [{"name": "server", "env": [{"name": "VIRIDIAN_FEATURES_DIGEST", "value": NEW}]}]},
    }
    variables, marks = started_with(ModelFeatures(ref="churn", digest=OLD), template=template)
    assert (variables["VIRIDIAN_FEATURES_DIGEST"], marks) == (NEW, {FEATURES_ANNOTATION: NEW})


def test_another_definition_is_another_revision_and_none_is_the_one_of_before() -> None:
    server = spec().server
    old, new, named = (ModelFeatures(ref="churn", digest=one) for one in (OLD, NEW, None))
    assert revision_of(model("1"), server, "") == V1
    assert len({revision_of(model("1"), server, "", features=one) for one in (None, old, new, named)}) == 4


def test_a_record_keeps_what_is_pinned_and_that_of_an_older_release_has_nothing() -> None:
    bare = snapshot()
    made = objects.record(bare, V1, 1, replace(model("1"), features=OLD), KNOWN[0].template)
    made["metadata"]["uid"] = "record-1"
    known = parse(made)
    assert known is not None
    assert known.model.features == OLD
    assert KNOWN[0].model.features is None
