"""What the watch showed of Jobs and pods that are not there any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from viridian.api.names import RETRAIN_POLICY, RETRAIN_POLICY_LABEL, RUN_LABEL
from viridian.controller.keys import Key
from viridian.controller.last_seen import WATCH_LAG, LastSeen

POLICY = Key(RETRAIN_POLICY, "ml", "churn")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENDED = {"conditions": [{"type": "Complete", "status": "True"}]}
TERMINATED = {"containerStatuses": [{"name": "train", "state": {"terminated": {"exitCode": 0}}}]}


def child(kind: str, name: str, status: dict[str, Any] | None = None, **labels: str) -> dict[str, Any]:
    own = {RETRAIN_POLICY_LABEL: "churn", RUN_LABEL: "1", **labels}
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "ml", "uid": name, "labels": own},
        "status": status or {},
    }


def pod(name: str, status: dict[str, Any] | None = None) -> dict[str, Any]:
    return child("Pod", name, status, **{"batch.kubernetes.io/job-name": "job"})


@pytest.mark.parametrize(
    ("status", "deleted", "kept"), [({}, False, False), ({}, True, True), (ENDED, False, True)], ids=str
)
def test_a_job_is_kept_once_it_has_ended_or_is_gone(status: dict[str, Any], deleted: bool, kept: bool) -> None:
    seen = LastSeen()
    seen.saw(child("Job", "job", status), deleted)
    assert (list(seen.objects(POLICY, ["job"])) == ["job"]) is kept


def test_pods_that_have_ended_are_added_to_those_that_are_there() -> None:
    seen = LastSeen()
    seen.saw(pod("ended", TERMINATED), deleted=False)
    seen.saw(pod("at work"), deleted=False)
    seen.saw(pod("there", TERMINATED), deleted=False)
    found = seen.pods(POLICY, "job", [pod("there")])
    assert [one["metadata"]["name"] for one in found] == ["there", "ended"]
    assert found[0]["status"] == {}, "what was read now counts"


def test_what_nobody_asks_about_any_more_is_forgotten() -> None:
    seen = LastSeen()
    seen.saw(child("Job", "job", ENDED), deleted=True)
    seen.saw(pod("ended", TERMINATED), deleted=True)
    assert seen.objects(POLICY, []) == {}
    assert seen.objects(POLICY, ["job"]) == {}
    assert seen.pods(POLICY, "job", []) == []


def test_a_job_that_is_missed_may_still_be_told_of_for_a_moment() -> None:
    seen = LastSeen()
    first = seen.watched_until(POLICY, ["job"], NOW)
    assert first == {"job": NOW + WATCH_LAG}
    assert seen.watched_until(POLICY, ["job"], NOW + timedelta(seconds=1)) == first
    assert seen.watched_until(POLICY, [], NOW) == {}


def test_other_children_are_of_no_interest() -> None:
    seen = LastSeen()
    for other in (child("Deployment", "job"), {"kind": "Job", "metadata": {"name": "job", "uid": "u"}}):
        seen.saw(other, deleted=True)
    assert seen.objects(POLICY, ["job"]) == {}
