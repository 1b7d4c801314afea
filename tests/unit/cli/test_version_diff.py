"""What differs between two versions, from the records and the runs that a cluster holds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.manifests import retrain_policy
from tests.support.snapshots import promoted, record
from viridian.cli.version_diff import UnknownVersion, version_diff

RECORDS = [record("1", promoted()).manifest, record("2").manifest]


def policy() -> dict[str, Any]:
    found = retrain_policy("ml")
    found["status"] = {
        "runs": [
            {"id": "b", "outcome": "HandedOver", "version": "2", "metrics": {"auc": 0.91, "rows": 5.0},
             "lineage": {"dataRevision": "d2", "codeRevision": "same"}},
            {"id": "a", "outcome": "HandedOver", "version": "1", "metrics": {"auc": 0.88, "rows": 5.0},
             "lineage": {"dataRevision": "d1", "codeRevision": "same"}},
        ]
    }  # fmt: skip
    return found


def test_only_what_differs_is_shown_with_the_older_value_first() -> None:
    rows = {field: values for field, *values in version_diff(("1", "2"), RECORDS, [policy()])}
    assert rows["metric auc"] == ["0.88", "0.91"]
    assert rows["lineage dataRevision"] == ["d1", "d2"]
    assert rows["outcome"][0].startswith("Promoted at ")
    assert "revision" in rows
    assert not {"metric rows", "lineage codeRevision", "image of server"} & set(rows)


def test_what_is_known_of_one_version_alone_stands_beside_a_dash() -> None:
    rows = {field: values for field, *values in version_diff(("1", "2"), RECORDS[:1], [policy()])}
    assert rows["image of server"][1] == "-"
    assert version_diff(("1", "1"), RECORDS, [policy()]) == []


def test_a_version_that_nothing_is_known_of() -> None:
    with pytest.raises(UnknownVersion, match="is about version 9"):
        version_diff(("1", "9"), RECORDS, [policy()])
