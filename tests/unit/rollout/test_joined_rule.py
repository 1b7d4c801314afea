"""A rule of a user's route: how it is found and marked, what keeps it from being joined, and what is given back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from viridian.api.names import JOINED_ANNOTATION
from viridian.rollout.traffic.joined_rule import (
    JoinedRule,
    JoinMark,
    backends_of,
    given_back,
    joined,
    led_before,
    mark_of,
    place_of,
    problem_of,
)

BEFORE = ({"name": "old", "port": 80, "weight": 1},)
SLOTS = tuple(
    {"group": "", "kind": "Service", "name": f"churn-{slot}", "port": 8080, "weight": 50} for slot in ("blue", "green")
)
MARK = JoinMark("churn", "uid-1", "predict", BEFORE, SLOTS)
PREDICT = JoinedRule("shop", "predict")


def route(*rules: Any, mark: str = "", agrees: str = "churn") -> Any:
    metadata: dict[str, Any] = {"name": "shop", "namespace": "ml", "uid": "u", "resourceVersion": "5"}
    metadata |= {"labels": {"adopt.viridian.dev/model-deployment": agrees}, "annotations": {JOINED_ANNOTATION: mark}}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "metadata": metadata, "spec": {"rules": list(rules)}}


CART = {"name": "cart", "backendRefs": [{"name": "cart", "port": 80}], "filters": [{"type": "URLRewrite"}]}
RULE = {"name": "predict", "matches": [{"path": {"value": "/é"}}], "backendRefs": list(BEFORE)}


def test_a_rule_without_a_name_is_meant_only_where_it_is_the_only_one() -> None:
    assert place_of(route(RULE), "") == 0
    assert place_of(route(CART, RULE), "") is None
    assert place_of(route(CART, RULE), "predict") == 1
    assert place_of(route(), "") is None


def test_all_but_the_backends_is_written_as_it_was_read() -> None:
    written = joined(route(CART, RULE), MARK)
    assert written["spec"]["rules"] == [CART, {**RULE, "backendRefs": list(SLOTS)}]
    assert set(written["spec"]) == {"rules"}
    assert written["metadata"]["resourceVersion"] == "5"
    there = route(*written["spec"]["rules"], mark=written["metadata"]["annotations"][JOINED_ANNOTATION])
    assert mark_of(there) == MARK
    assert given_back(there, MARK)["spec"]["rules"] == [CART, RULE]
    assert {"labels", "annotations"}.isdisjoint(given_back(there, MARK)["metadata"])


def test_what_others_have_led_elsewhere_stays_there_when_the_rule_is_given_back() -> None:
    theirs = {**RULE, "backendRefs": [{"name": "third", "port": 80}]}
    assert given_back(route(theirs, mark=MARK.text()), MARK)["spec"]["rules"] == [theirs]
    assert given_back(route(CART, mark=MARK.text()), MARK)["spec"]["rules"] == [CART]


def test_a_copy_of_the_rule_follows_the_split() -> None:
    """Else a challenger would get all requests of the copy, as soon as it is in the slot that served then."""
    copy = {**RULE, "name": "copy", "backendRefs": [{**SLOTS[0], "weight": 100}]}
    written = joined(route(CART, RULE, copy), MARK)
    assert written["spec"]["rules"] == [
        CART,
        {**RULE, "backendRefs": list(SLOTS)},
        {**copy, "backendRefs": list(SLOTS)},
    ]


@pytest.mark.parametrize("rule", ["predict", ""], ids=["renamed", "one of several"])
def test_a_rule_that_no_name_leads_to_is_given_back_by_where_it_leads(rule: str) -> None:
    led = {**RULE, "name": "renamed", "backendRefs": list(SLOTS)}
    mark = JoinMark("churn", "uid-1", rule, BEFORE, SLOTS)
    assert given_back(route(CART, led), mark)["spec"]["rules"] == [CART, {**RULE, "name": "renamed"}]


@pytest.mark.parametrize(
    "edited",
    [{"edits": 10**30, "editedAt": "2026-01-05T12:00:00Z"}, {"edits": -1}, {"edits": "3"}, {"editedAt": "yesterday"}],
)
def test_edits_that_nobody_has_counted_are_none(edited: Any) -> None:
    """The status, which shows them, would be refused."""
    there = route(RULE, mark=json.dumps({**json.loads(MARK.text()), "edits": 0, **edited}))
    assert mark_of(there) == MARK


def test_a_rule_that_led_nowhere_leads_nowhere_again() -> None:
    bare = {"name": "predict", "filters": [{"type": "RequestRedirect"}]}
    mark = JoinMark("churn", "uid-1", "predict", (), SLOTS)
    led = joined(route(bare), mark)["spec"]["rules"]
    assert given_back(route(*led), mark)["spec"]["rules"] == [bare]


def test_where_a_rule_led_before_survives_a_lost_mark() -> None:
    led = {**RULE, "backendRefs": list(SLOTS)}
    assert led_before("churn", route(led, mark=MARK.text()), PREDICT, 8080) == BEFORE
    (live,) = led_before("churn", route(led), PREDICT, 8080)
    assert (live["name"], live["port"]) == ("churn", 8080)
    assert led_before("churn", route(RULE, mark=MARK.text()), PREDICT, 8080) == BEFORE


@pytest.mark.parametrize(
    "mark", ["", "{", "[]", '"x"', '{"owner": 1, "uid": "u"}', "[" * 100_000, '{"owner": "churn"}']
)
def test_a_mark_that_somebody_has_damaged_counts_as_none(mark: str) -> None:
    assert mark_of(route(RULE, mark=mark)) is None
    assert problem_of("churn", route(RULE, mark=mark), PREDICT) is None


@pytest.mark.parametrize(
    ("there", "reason", "says"),
    [
        (None, "RouteNotFound", "create it, or change join.route"),
        (
            route(RULE, agrees=""),
            "RouteNotAgreed",
            "kubectl label httproute shop adopt.viridian.dev/model-deployment=churn",
        ),
        (route(RULE, agrees="other"), "RouteNotAgreed", "does not agree"),
        (route(RULE, mark=JoinMark("other", "u", "cart", (), ()).text()), "RouteTaken", "by the ModelDeployment other"),
        (route(CART), "RuleNotFound", "the rule predict of the HTTPRoute shop is not there"),
        ({"metadata": {"labels": None}, "spec": None}, "RouteNotAgreed", ""),
    ],
)
def test_what_keeps_a_rule_from_being_joined(there: Any, reason: str, says: str) -> None:
    found = problem_of("churn", there, PREDICT)
    assert found is not None
    assert found[0] == reason
    assert says in found[1]


def test_a_damaged_route_leads_nowhere() -> None:
    for broken in ({}, {"spec": None}, {"spec": {"rules": "x"}}, {"spec": {"rules": [{"backendRefs": 1}]}}):
        assert backends_of(broken, "") == ()
