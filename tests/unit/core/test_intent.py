"""Whether the world already is what we intend: the strict form of "nothing to do"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.child_kinds import child_kind
from viridian.core.intent import apply_unless_covered, covers, intent_hash, with_intent_hash

Object = dict[str, Any]
DEPLOYMENT, SERVICE = child_kind("Deployment"), child_kind("Service")


@pytest.mark.parametrize(
    ("sentence", "observed", "intended", "covered"),
    [
        ("what the server added does not count", {"a": 1, "defaulted": 2}, {"a": 1}, True),
        ("what somebody changed does", {"a": 2}, {"a": 1}, False),
        ("what somebody removed does", {}, {"a": 1}, False),
        ("maps are looked into", {"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}, True),
        ("maps are looked into for differences", {"a": {"b": 1, "c": 3}}, {"a": {"c": 2}}, False),
        ("an empty map is dropped by the server", {}, {"emptyDir": {}}, True),
        ("so is a map of nothing but emptiness", {}, {"a": {"b": {}, "c": None}}, True),
        ("so is a null", {}, {"a": None}, True),
        ("so is false", {}, {"hostNetwork": False}, True),
        ("so is zero", {}, {"initialDelaySeconds": 0}, True),
        ("a zero that became something is a change", {"initialDelaySeconds": 5}, {"initialDelaySeconds": 0}, False),
        ("so is an empty list", {}, {"tolerations": []}, True),
        ("an empty list that was filled is a change", {"tolerations": [{}]}, {"tolerations": []}, False),
        ("a scalar where a map was is a change", {"a": 1}, {"a": {"b": 1}}, False),
        ("a list where a map was is a change", {"a": [1]}, {"a": {"b": 1}}, False),
        ("plain lists are compared in order", {"command": ["a", "b"]}, {"command": ["b", "a"]}, False),
        ("plain lists are compared whole", {"command": ["a", "b"]}, {"command": ["a"]}, False),
        (
            "named entries are found by name, others may stand beside them",
            {"containers": [{"name": "sidecar"}, {"name": "server", "image": "i", "tty": False}]},
            {"containers": [{"name": "server", "image": "i"}]},
            True,
        ),
        ("a named entry that is gone is a change", {"env": [{"name": "B"}]}, {"env": [{"name": "A"}]}, False),
        (
            "ports without names are found by number",
            {"ports": [{"containerPort": 1, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 1}]},
            True,
        ),
        ("tuples are lists", {"a": [1, 2]}, {"a": (1, 2)}, True),
        ("half a processor is 500 millis", {"cpu": "500m"}, {"cpu": 0.5}, True),
        ("one is one thousand millis", {"cpu": "1"}, {"cpu": "1000m"}, True),
        ("1024Mi are a Gi", {"memory": "1Gi"}, {"memory": "1024Mi"}, True),
        ("a kilobyte is not a kibibyte", {"memory": "1Ki"}, {"memory": "1k"}, False),
        ("exponents are numbers too", {"memory": "1k"}, {"memory": "1e3"}, True),
        ("petabytes", {"storage": "1Pi"}, {"storage": "1024Ti"}, True),
        ("micros and nanos", {"cpu": "1u"}, {"cpu": "1000n"}, True),
        ("words are no quantities", {"a": "Mi"}, {"a": "Ki"}, False),
        ("true is not one", {"a": True}, {"a": "1"}, False),
        ("not a number is nothing", {"a": "NaN"}, {"a": "sNaN"}, False),
        ("an exponent beyond all measure is a word", {"a": "1e999999999"}, {"a": "1e999999998"}, False),
    ],
)
def test_covers(sentence: str, observed: Object, intended: Object, covered: bool) -> None:
    assert covers(observed, intended, DEPLOYMENT) is covered, sentence


LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.text("am1.eE-+Gi", max_size=5) | st.floats(-2, 2)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=3)
)


@given(ANYTHING, ANYTHING)
def test_it_has_an_answer_for_anything(observed: Any, intended: Any) -> None:
    assert covers(observed, intended, DEPLOYMENT) in (True, False)
    assert covers(intended, intended, DEPLOYMENT) is True


@given(st.dictionaries(st.sampled_from("abcd"), ANYTHING), st.dictionaries(st.sampled_from("wxyz"), ANYTHING))
def test_additions_of_others_never_uncover_an_intent(intended: Object, added: Object) -> None:
    assert covers({**intended, **added}, intended, DEPLOYMENT)


def manifest(**spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "churn", "annotations": {"a": "b"}},
        "spec": spec,
    }


def test_an_object_that_follows_the_intent_is_not_written() -> None:
    observed = with_intent_hash(manifest(port=80))
    assert apply_unless_covered(manifest(port=80), {**observed, "status": {}}) is None


def test_a_missing_object_is_written_with_its_hash() -> None:
    action = apply_unless_covered(manifest(port=80), None)
    assert action is not None
    assert intent_hash(action.manifest) == intent_hash(with_intent_hash(manifest(port=80)))
    assert action.manifest["metadata"]["annotations"]["a"] == "b"


def test_an_intent_that_dropped_a_field_is_written_although_it_is_covered() -> None:
    observed = with_intent_hash(manifest(port=80, extra=1))
    assert covers(observed, manifest(port=80), SERVICE)
    assert apply_unless_covered(manifest(port=80), observed) is not None


def test_a_field_that_somebody_changed_is_written_although_the_hash_stands() -> None:
    observed = with_intent_hash(manifest(port=80))
    assert apply_unless_covered(manifest(port=80), {**observed, "spec": {"port": 81}}) is not None


def test_the_hash_does_not_depend_on_the_order_of_fields() -> None:
    assert intent_hash(with_intent_hash(manifest(a=1, b=2))) == intent_hash(with_intent_hash(manifest(b=2, a=1)))
