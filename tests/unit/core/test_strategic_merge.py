"""Strategic merge of pod templates, as people know it from Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from viridian.core.strategic_merge import merge

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("base", "patch", "expected"),
        [
            ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
            ({"a": 1, "b": 2}, {"b": None}, {"a": 1}),
            ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
            ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
            ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
            ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
            (
                {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                {"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
                {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
            ),
            (
                {"volumeMounts": [{"mountPath": "/a", "name": "x"}]},
                {"volumeMounts": [{"mountPath": "/a", "readOnly": True}]},
                {"volumeMounts": [{"mountPath": "/a", "name": "x", "readOnly": True}]},
            ),
            ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
            ({"a": {"b": 1}, "c": 2}, {"a": {"$patch": "delete"}}, {"c": 2}),
            ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
            ({"a": {"b": 1}}, {"a": {"$patch": "merge", "c": 2}}, {"a": {"b": 1, "c": 2}}),
            ({}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
            ({"env": [{"name": "A"}, {"name": "B"}]}, {"env": [{"name": "A", "$patch": "delete"}]},
             {"env": [{"name": "B"}]}),
            ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "$patch": "replace", "valueFrom": {}}]},
             {"env": [{"name": "A", "valueFrom": {}}]}),
            ({"env": [{"name": "A"}]}, {"env": [{"$patch": "replace"}, {"name": "B"}]}, {"env": [{"name": "B"}]}),
            ({}, {"env": [{"name": "A", "$patch": "delete"}, {"name": "B", "$patch": "replace"}]},
             {"env": [{"name": "B"}]}),
            ({}, {"ports": [{"containerPort": 53, "protocol": p} for p in ("TCP", "UDP")]},
             {"ports": [{"containerPort": 53, "protocol": p} for p in ("TCP", "UDP")]}),
            ({"a": {"b": 1}}, {"a": 1}, {"a": 1}),
        ],
)  # fmt: skip
def test_merge(base: Object, patch: Object, expected: Object) -> None:
    assert merge(base, patch) == expected


def test_neither_side_is_changed() -> None:
    base: Object = {"env": [{"name": "A"}], "a": {"b": 1}}
    merge(base, {"env": [{"name": "A", "value": "1"}], "a": {"b": 2}})
    assert base == {"env": [{"name": "A"}], "a": {"b": 1}}


@pytest.mark.parametrize(
    ("field", "base", "patch", "expected"),
    [
        ("env", {"value": "1"}, {"valueFrom": {"fieldRef": {}}}, {"valueFrom": {"fieldRef": {}}}),
        ("env", {"valueFrom": {"fieldRef": {}}}, {"value": "1"}, {"value": "1"}),
        ("env", {"valueFrom": {"fieldRef": {}}}, {"valueFrom": {"secretKeyRef": {"key": "a"}}},
         {"valueFrom": {"secretKeyRef": {"key": "a"}}}),
        ("volumes", {"emptyDir": {"sizeLimit": "1Gi"}}, {"persistentVolumeClaim": {"claimName": "a"}},
         {"persistentVolumeClaim": {"claimName": "a"}}),
        ("volumes", {"emptyDir": {"sizeLimit": "1Gi"}}, {"emptyDir": {"medium": "Memory"}},
         {"emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}}),
    ],
)  # fmt: skip
def test_of_two_kinds_of_which_an_entry_has_one_the_users_stays(
    field: str, base: Object, patch: Object, expected: Object
) -> None:
    """With both of them the API server would refuse the pod."""
    sides = ({field: [{"name": "a", **side}]} for side in (base, patch, expected))
    mine, theirs, merged = sides
    assert merge(mine, theirs) == merged
