"""The panel of an experiment, and the shares over time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.dashboard_models import NOW, experimenting, live_service, model
from viridian.dashboard.views.experiment_view import ExperimentView, experiment_view
from viridian.dashboard.views.share_curve import share_curve
from viridian.people.model_summary import summary
from viridian.rollout.traffic.service import record_of
from viridian.rollout.traffic.split_log import SplitRecord


def view(manifest: dict[str, object]) -> ExperimentView:
    found = experiment_view(manifest, summary(manifest).status)
    assert found is not None
    return found


def test_an_experiment_under_way_has_two_arms_and_an_interval() -> None:
    found = view(experimenting())
    assert (found.word, found.kind) == ("under way", "go")
    assert [(arm.role, arm.version, arm.share, arm.samples) for arm in found.arms] == [
        ("challenger", "7", 64, 21840),
        ("champion", "6", 36, 14793),
    ]
    assert found.spec is not None
    assert (found.spec.min_samples, found.spec.max_duration) == (1000, "14d")
    picture = found.effect
    assert picture is not None
    assert picture.same is not None
    assert picture.same[0] < picture.low < picture.zero < picture.middle < picture.same[1] < picture.high


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ("Better", "good"),
        ("Worse", "bad"),
        ("NoDifference", "neutral"),
        ("Inconclusive", "neutral"),
        ("SchemaMismatch", "bad"),
    ],
)
def test_every_verdict_has_a_word_and_what_it_does(verdict: str, kind: str) -> None:
    found = view(experimenting(verdict=verdict, endedAt="2026-11-29T10:00:00Z"))
    assert found.kind == kind
    assert [one.word for one in found.verdicts if one.given] == [found.word]
    assert len(found.verdicts) == 5


def test_a_step_that_is_not_in_the_spec_any_more_leaves_the_figures() -> None:
    manifest = experimenting()
    manifest["spec"]["rollout"]["steps"] = [{"weight": 5}, {"experiment": {"weight": "all of it"}}]
    found = view(manifest)
    assert (found.spec, found.verdicts) == (None, ())
    assert found.effect is not None
    assert found.effect.same is None


def test_without_figures_there_is_no_interval() -> None:
    assert view(experimenting(effect=None, intervalLow=None, intervalHigh=None)).effect is None
    assert view(experimenting(effect=0.0, intervalLow=0.0, intervalHigh=0.0)).effect is not None
    assert experiment_view(model(), summary(model()).status) is None


def test_shares_are_a_line_of_steps_that_goes_on() -> None:
    traffic = record_of(live_service())
    assert traffic is not None
    found = share_curve(traffic.splits, "9a1b02ee", NOW)
    assert found is not None
    assert [(one.share, one.until is None) for one in found.periods] == [
        (64, True),
        (58, False),
        (41, False),
        (50, False),
        (5, False),
    ]
    assert found.path.startswith("M52.0 110.0H52.0V105.0H")
    assert found.path.endswith("H946.0")


def split(hours: int, champion: str, other: str = "", share: int = 0) -> SplitRecord:
    return SplitRecord(champion, other, share, NOW + timedelta(hours=hours))


def test_a_promoted_revision_ends_with_everything_and_a_rejected_one_with_nothing() -> None:
    begun = [split(-9, "old", "older", 5), split(-8, "old"), split(-5, "old", "new", 10), split(-4, "old", "new", 10)]
    promoted = share_curve([*begun, split(-3, "new"), split(-2, "new", "next", 30)], "new", NOW)
    assert promoted is not None
    assert [one.share for one in promoted.periods] == [70, 100, 10]
    rejected = share_curve([*begun, split(-3, "old")], "new", NOW)
    assert rejected is not None
    assert [one.share for one in rejected.periods] == [0, 10]
    assert rejected.periods[0].at == NOW - timedelta(hours=3)


@pytest.mark.parametrize(
    "splits", [[], [split(-1, "new")], [SplitRecord("old", "new", 5)], [split(-1, "old", "another", 5)]]
)
def test_a_revision_that_the_log_does_not_know_has_no_line(splits: list[SplitRecord]) -> None:
    assert share_curve(splits, "new", NOW) is None


def test_one_share_that_lies_ahead_of_this_clock_is_a_line() -> None:
    found = share_curve([split(1, "old", "new", 5)], "new", NOW)
    assert found is not None
    assert found.path == "M52.0 110.0H52.0V105.0H946.0"
