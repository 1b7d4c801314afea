"""The page of a review: what was asked of a person, the last review, and the figures beside it."""

from __future__ import annotations

from tests.support.dashboard_models import NOW, condition, model, on_trial, policy
from viridian.dashboard.views.review_view import ReviewView, review_view


def view(manifest: dict[str, object], *policies: dict[str, object]) -> ReviewView:
    return review_view(manifest, policies, NOW)


def test_a_review_has_what_people_decided_and_what_runs_came_to() -> None:
    found = view(on_trial(), policy(), policy("other", of="fraud"))
    assert found.last is not None
    assert (found.last.answer, found.last.by) == ("fits", "ada@example.com")
    assert [section.title for section in found.sections][:2] == ["What people have decided", "Runs of churn-weekly"]
    assert ("champion", "6", "3.1d") in found.sections[0].rows
    assert not any("other" in section.title for section in found.sections)


def test_what_is_asked_of_a_person_comes_first() -> None:
    assert [one.type for one in view(on_trial()).asked] == ["ReviewDue"]
    both = [condition("ReviewRequired", "True", "FeatureShift"), condition("ReviewDue", "False", "ReviewNotDue")]
    assert [one.type for one in view(model(conditions=both)).asked] == ["ReviewRequired"]


def test_versions_stand_on_one_holdout_with_their_trend() -> None:
    manifest = policy()
    manifest["status"]["quality"] = {
        "holdout": "sha256:aa",
        "champion": "7",
        "trend": 0.02,
        "versions": [{"version": "7", "score": 0.0, "metrics": {"auc": 0.86}}],
    }
    (section,) = [one for one in view(on_trial(), manifest).sections if "one holdout" in one.title]
    assert section.rows == [("7", "-", "+0.00%", "auc 0.86")]
    assert "changes by +2.00%" in section.text[1]


def test_a_spec_of_another_release_costs_the_value_of_its_runs_alone() -> None:
    costly = policy()
    costly["status"]["runs"][0]["cpuSeconds"] = 5400
    value = "Cost and change of the runs of churn-weekly"
    known = [section.title for section in view(model(), costly).sections]
    assert value in known
    strange = {**costly, "spec": {"modelDeployment": "churn", "stages": "all"}}
    assert [section.title for section in view(model(), strange).sections] == [one for one in known if one != value]


def test_a_status_of_another_release_costs_its_unknown_part_alone() -> None:
    strange = policy()
    strange["status"]["runs"].append({"id": 7})
    assert view(model(), strange).sections == view(model(), policy()).sections
