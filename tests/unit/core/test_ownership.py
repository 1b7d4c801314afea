"""Whose an object is, and which records tell of this very owner."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from viridian.api.names import API_VERSION, OWNER_ANNOTATION
from viridian.core.ownership import Belongs, believed, belongs, is_left_behind

CREATED = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
BEFORE, AFTER = "2026-01-05T11:59:59Z", "2026-01-05T12:00:01Z"


def owner(uid: str = "me", *, api_version: str = API_VERSION, controller: bool = True) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": "ModelDeployment",
        "name": "churn",
        "uid": uid,
        "controller": controller,
    }


def child(*owners: dict[str, Any], managed: bool = True, made: str = AFTER) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "viridian"} if managed else {}
    return {
        "kind": "X",
        "metadata": {"name": "x", "labels": labels, "ownerReferences": list(owners), "creationTimestamp": made},
    }


@pytest.mark.parametrize(
    ("found", "whose"),
    [
        (child(owner()), Belongs.OURS),
        (child(owner(controller=False)), Belongs.OURS),
        (child(owner(), managed=False), Belongs.OURS),
        (child(), Belongs.ORPHAN),
        (child(owner("app", api_version="argoproj.io/v1", controller=False)), Belongs.ORPHAN),
        (child(managed=False), Belongs.OTHERS),
        (child(owner("earlier")), Belongs.OTHERS),
        (child(owner("earlier", controller=False)), Belongs.OTHERS),
        (child(owner("app", api_version="argoproj.io/v1")), Belongs.OTHERS),
        ({"kind": "X", "metadata": {"name": "x", "labels": None, "ownerReferences": None}}, Belongs.OTHERS),
    ],
)
def test_whose_an_object_is(found: dict[str, Any], whose: Belongs) -> None:
    assert belongs(found, "me") is whose


@pytest.mark.parametrize(
    ("companions", "orphans_count"),
    [
        ([], False),
        ([child(owner())], False),
        ([child(owner("earlier"), made=BEFORE)], False),
        ([child(managed=False, made=BEFORE)], False),
        ([child()], True),
        ([child(owner()), child()], True),
        ([child(owner(), made=BEFORE)], True),
    ],
    ids=["alone", "made since", "an earlier one's", "a stranger", "adopted now", "one of two", "adopted before"],
)
def test_orphaned_records_are_believed_beside_what_is_adopted(
    companions: list[dict[str, Any]], orphans_count: bool
) -> None:
    ours, orphan, others = child(owner()), child(), child(owner("earlier"))
    expected = (ours, orphan) if orphans_count else (ours,)
    assert believed([ours, orphan, others], "me", CREATED, companions) == expected


@pytest.mark.parametrize(("named", "counts"), [("me", True), ("earlier", False), ("", False)])
def test_an_orphaned_record_that_names_its_owner_is_believed_by_that_one_alone(named: str, counts: bool) -> None:
    orphan = child()
    orphan["metadata"]["annotations"] = {OWNER_ANNOTATION: named}
    assert believed([orphan], "me", CREATED, [child(owner())]) == ((orphan,) if counts else ())
    assert believed([child(owner("earlier"))], "me", CREATED, [child(owner())]) == ()


def test_what_an_earlier_namesake_left() -> None:
    assert is_left_behind(child(owner("earlier")), "me", "ModelDeployment", "churn")
    assert not is_left_behind(child(owner("earlier")), "me", "ModelDeployment", "other")
    assert not is_left_behind(child(owner("earlier")), "me", "RetrainPolicy", "churn")
    assert not is_left_behind(child(owner()), "me", "ModelDeployment", "churn")
    assert not is_left_behind(child(), "me", "ModelDeployment", "churn")
