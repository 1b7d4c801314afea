"""The life of a model on one axis."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from tests.support.dashboard_models import NOW, model, on_trial, policy
from viridian.api.modeldeployment_status import ModelDeploymentStatus
from viridian.api.retrainpolicy_status import RetrainPolicyStatus
from viridian.core.times import format_time
from viridian.dashboard.views.timeline import WIDTH, Timeline, timeline


def life(manifest: dict[str, object], *policies: dict[str, object]) -> Timeline | None:
    status = msgspec.convert(manifest.get("status", {}), ModelDeploymentStatus)
    known = [("churn-weekly", msgspec.convert(one["status"], RetrainPolicyStatus)) for one in policies]
    return timeline(status, known, NOW)


def test_each_version_serves_from_its_promotion_to_the_next() -> None:
    found = life(on_trial())
    assert found is not None
    served = [(event.label, event.at.day, event.until) for event in found.events if event.lane == "served"]
    assert [(label, day) for label, day, _ in served] == [("v6", 26), ("v4", 21)]
    assert served[0][2] == NOW
    assert served[1][2] == found.events[[event.label for event in found.events].index("v6")].at


def test_everything_that_happened_is_on_it() -> None:
    found = life(on_trial(), policy())
    assert found is not None
    assert [name for name, _ in found.lanes] == ["served", "on trial", "decisions", "drift", "runs", "edits"]
    texts = "\n".join(event.text for event in found.events)
    for part in (
        "version 7 is on trial",
        "version 5: Rejected, by Viridian",
        "by viridian.dev/approve#ada",
        "drill of the rollback: Passed",
        "inputs fires: PSI of age 0.41 (still)",
        "run 9d290bcc of churn-weekly: HandedOver, version 7",
        "run 77aa00bb of churn-weekly is in its stage training",
        "edit 4 by argocd: rollout.steps: 2 → 3",
    ):
        assert part in texts


def test_all_of_it_lies_within_the_picture() -> None:
    found = life(on_trial(), policy())
    assert found is not None
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in found.bars)
    assert all(0 <= mark.x <= WIDTH for mark in found.marks)
    assert 2 <= len(found.ticks) <= 9
    assert len(found.bars) + len(found.marks) == len(found.events)


def test_a_model_without_a_past_has_no_picture() -> None:
    assert life({"status": {}}) is None


def test_a_life_of_seconds_and_one_of_years_have_ticks_alike() -> None:
    for ago in (timedelta(seconds=5), timedelta(hours=5), timedelta(days=3), timedelta(days=800)):
        since = format_time(NOW - ago)
        found = life(model(champion={"slot": "blue", "revision": "aa", "since": since}))
        assert found is not None
        assert len(found.ticks) <= 9
        assert found.bars[0].width > 0


def test_times_that_no_clock_shows_are_left_out() -> None:
    odd = [{"revision": "aa", "outcome": "Promoted", "at": "yesterday"}]
    ahead = {"slot": "blue", "revision": "bb", "since": "2999-01-01T00:00:00Z"}
    found = life(model(history=odd, champion=ahead))
    assert found is not None
    assert all(bar.width > 0 and bar.x + bar.width <= WIDTH for bar in found.bars)
