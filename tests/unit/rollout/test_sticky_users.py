"""Users who stay with a version: exactly as many as the weight says, at each weight, and nobody goes back."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from tests.support.snapshots import snapshot, spec
from tests.unit.rollout.cases import FIRST_STEP, ONE_STEADY, on_trial
from tests.unit.rollout.test_gateway import TRAFFIC
from viridian.rollout.traffic.gateway import GatewayTraffic, frame_in, frame_of, sticky_of

STICKY = {**TRAFFIC, "gateway": {**TRAFFIC["gateway"], "sticky": {"cookie": "churn-version"}}}  # type: ignore[dict-item]
Users = Mapping[str, Fraction]
"""The share of all users who have this value of the cookie; empty: none."""


def rules_at(weight: int, steps: Sequence[int], *, trial: bool = True) -> list[dict[str, Any]]:
    whole = spec(traffic=STICKY, rollout={"steps": [{"weight": one} for one in steps]})
    gateway = whole.traffic.gateway
    assert gateway is not None
    traffic = on_trial(replace(FIRST_STEP, weight=weight)) if trial else ONE_STEADY
    route = GatewayTraffic(frame_of(gateway), sticky_of(gateway, whole.rollout.steps)).objects(
        snapshot(), 8080, traffic
    )[0]
    rules: list[dict[str, Any]] = route["spec"]["rules"]
    return rules


def met(rules: list[dict[str, Any]], users: Users) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """After a request of each user: the shares of the slots, and who has which cookie."""
    slots: dict[str, Fraction] = defaultdict(Fraction)
    after: dict[str, Fraction] = defaultdict(Fraction)
    for cookie, share in users.items():
        rule = max((one for one in rules if matches(one, cookie)), key=lambda one: len(one["matches"][0]["headers"]))
        whole = sum(ref["weight"] for ref in rule["backendRefs"])
        for ref in rule["backendRefs"]:
            part = share * Fraction(ref["weight"], whole)
            slots[ref["name"]] += part
            after[given(ref) or cookie] += part
    return slots, after


def matches(rule: dict[str, Any], cookie: str) -> bool:
    sent = {"cookie": f"a=b; churn-version={cookie}; c=d" if cookie else "a=b"}
    return all(_fits(header, sent.get(header["name"], "")) for header in rule["matches"][0]["headers"])


def _fits(header: dict[str, str], sent: str) -> bool:
    if header["type"] == "Exact":
        return sent == header["value"]
    return re.fullmatch(header["value"], sent) is not None


def given(reference: dict[str, Any]) -> str:
    for setting in reference["filters"]:
        (header,) = setting["responseHeaderModifier"]["add"]
        assert header["name"] == "Set-Cookie"
        return str(header["value"]).partition(";")[0].partition("=")[2]
    return ""


@pytest.mark.parametrize("steps", [(10,), (10, 33, 50), (1, 2, 3, 99), tuple(range(5, 100, 5))])
def test_all_users_together_have_the_weight_and_nobody_goes_back(steps: tuple[int, ...]) -> None:
    users: Users = {"": Fraction(1)}
    challengers = Fraction(0)
    for weight in steps:
        rules = rules_at(weight, steps)
        slots, users = met(rules, users)
        assert slots["churn-green"] == Fraction(weight, 100)
        assert users[FIRST_STEP.revision] == slots["churn-green"] >= challengers
        again, same = met(rules, users)
        assert (again, same) == (slots, users), "a second request meets the same version"
        challengers = slots["churn-green"]


def test_new_users_are_split_by_the_weight() -> None:
    rules = rules_at(50, (10, 50))
    assert [(ref["name"], ref["weight"]) for ref in rules[0]["backendRefs"]] == [
        ("churn-blue", 50),
        ("churn-green", 50),
    ]
    assert met(rules, {"of-an-earlier-trial": Fraction(1)})[0]["churn-green"] == Fraction(1, 2)


def test_the_rule_of_users_keeps_its_place() -> None:
    """Envoy Gateway names what a rule leads to by the place of the rule."""
    for rules in (rules_at(0, (10, 50)), rules_at(10, (10, 50)), rules_at(50, (10, 50)), rules_at(0, (), trial=False)):
        assert rules[0]["matches"][0]["headers"] == []
        assert [rule["matches"][0]["headers"][0]["name"] for rule in rules[1:2]] in ([], ["x-canary"])


def test_testers_come_before_users_who_stay() -> None:
    of_testers = rules_at(10, (10,))[1]
    assert of_testers["matches"][0]["headers"][0]["name"] == "x-canary"
    assert [ref["name"] for ref in of_testers["backendRefs"]] == ["churn-green"]


@pytest.mark.parametrize("weight", [0, 100])
def test_where_all_users_meet_one_version_nobody_gets_a_cookie(weight: int) -> None:
    of_users, *_ = rules = rules_at(weight, (10,))
    assert len(rules) == len(["testers", "users"])
    assert not [ref for ref in of_users["backendRefs"] if ref["filters"]]
    assert len(rules_at(0, (10,), trial=False)) == 1


def test_a_route_has_no_more_rules_than_the_gateway_api_allows() -> None:
    assert len(rules_at(99, tuple(range(3, 99, 3)))) == 16


def test_rules_about_cookies_are_no_rules_for_testers_of_a_spec_that_is_gone() -> None:
    route = {"spec": {"rules": rules_at(50, (10, 50))}}
    traffic = on_trial(replace(FIRST_STEP, weight=50))
    again = GatewayTraffic(frame_in(route)).objects(snapshot(), 8080, traffic)[0]
    of_users, of_testers = again["spec"]["rules"]
    assert of_testers["matches"][0]["headers"][0]["name"] == "x-canary"
    assert {ref["name"]: ref["weight"] for ref in of_users["backendRefs"]} == {"churn-blue": 50, "churn-green": 50}
    assert not [ref for ref in of_users["backendRefs"] if ref["filters"]]
