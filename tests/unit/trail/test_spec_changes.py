"""What an edit of a spec changed, in short; no value that may be a secret is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from viridian.api.trail_status import MAX_CHANGES
from viridian.trail.spec_changes import author, differences, kept

STEPS = [{"name": "few", "weight": 5}, {"name": "half", "weight": 50}]


def changes(before: Any, after: Any) -> tuple[str, ...]:
    return differences(kept(before), kept(after))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"suspend": False}, {"suspend": False}, ()),
        ({"suspend": False}, {"suspend": True}, ("suspend: false → true",)),
        ({"gate": {"margin": 0.005}}, {"gate": {"margin": 0.01}}, ("gate.margin: 0.005 → 0.01",)),
        ({}, {"audit": "Strict"}, ("audit: Strict",)),
        ({"audit": "Strict"}, {}, ("audit: removed",)),
        ({}, {"budget": {"maxRuns": 3}}, ("budget: added",)),
        ({"steps": STEPS}, {"steps": [{"name": "few", "weight": 10}, STEPS[1]]}, ("steps[few].weight: 5 → 10",)),
        ({"steps": STEPS}, {"steps": STEPS[1:]}, ("steps[few]: removed",)),
        ({"steps": [{"weight": 5}]}, {"steps": [{"weight": 6}]}, ("steps[0].weight: 5 → 6",)),
        ({"features": ["age"]}, {"features": ["age", "plan"]}, ('features: ["age"] → ["age", "plan"]',)),
    ],
)
def test_each_difference_names_its_field(before: Any, after: Any, expected: tuple[str, ...]) -> None:
    assert changes(before, after) == expected


def with_environment(value: str) -> dict[str, Any]:
    container = {"name": "train", "env": [{"name": "DATABASE", "value": value}]}
    return {"stages": {"training": {"template": {"spec": {"containers": [container]}}}}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            with_environment("hunter2"),
            with_environment("hunter3"),
            "stages.training.template.spec.containers[train].env[DATABASE].value: changed",
        ),
        ({"data": {"uri": "hunter2"}}, {"data": {"uri": "hunter3"}}, "data.uri: changed"),
        ({"note": "https://a:hunter2@b"}, {"note": "https://a:hunter3@b"}, "note: changed"),
        ({"query": {"expression": "hunter2"}}, {"query": {"expression": "hunter3"}}, "query.expression: changed"),
        ({"long": "hunter2" * 20}, {"long": "hunter3" * 20}, "long: changed"),
    ],
)
def test_what_may_be_a_secret_is_neither_kept_nor_shown(before: Any, after: Any, expected: str) -> None:
    assert changes(before, after) == (expected,)
    assert "hunter" not in json.dumps([kept(before), kept(after)])


def test_many_differences_are_cut_and_counted() -> None:
    found = changes({}, {f"field{number:02}": number for number in range(30)})
    assert len(found) == MAX_CHANGES
    assert found[-1] == f"and {30 - MAX_CHANGES + 1} more"


def test_a_huge_spec_is_kept_by_its_fields() -> None:
    huge = {"a": {f"field{number}": number for number in range(20_000)}, "b": 1}
    assert len(json.dumps(kept(huge))) < 200
    assert changes(huge, {**huge, "b": 2}) == ("b: changed",)


def test_the_author_is_who_wrote_to_the_spec_last() -> None:
    def entry(manager: str, at: str, *, field: str = "f:spec", subresource: str = "") -> dict[str, Any]:
        fields: dict[str, Any] = {field: {"f:suspend": {}}}
        return {"manager": manager, "time": at, "fieldsV1": fields, "subresource": subresource}

    entries = [
        entry("kubectl-edit", "2026-11-28T10:00:00Z"),
        entry("argocd-controller", "2026-11-28T09:00:00Z"),
        entry("kubectl-annotate", "2026-11-28T11:00:00Z", field="f:metadata"),
        entry("viridian-rollout", "2026-11-28T12:00:00Z", subresource="status"),
    ]
    name, at = author({"metadata": {"managedFields": entries}})
    assert (name, at and at.hour) == ("kubectl-edit", 10)
    assert author({"metadata": {}}) == ("", None)
