"""Reference and window of a feature, side by side."""

from __future__ import annotations

from tests.support.dashboard_models import on_trial
from viridian.api.monitoring_status import Distribution, ValueGroups
from viridian.dashboard.views.distribution_view import HEIGHT, distribution_view
from viridian.dashboard.views.drift_view import drift_view
from viridian.people.model_summary import summary


def test_a_feature_has_its_groups_side_by_side() -> None:
    found = drift_view(summary(on_trial()).status)
    assert found is not None
    age, tenure, region = found.distributions
    assert age.moved == "group 1: 10.1 % in the training data, 21 % in the window"
    assert max(bar.window_height for bar in age.groups) == HEIGHT
    assert [bar.label for bar in tenure.groups][-2:] == ["group 9", "missing"]
    assert [bar.label for bar in region.groups] == ["category 1", "category 2", "category 3", "all others"]
    assert found.predictions is not None
    assert found.predictions.moved == "group 1: 10 % in the holdout, 9 % in the window"


def test_a_feature_without_groups_is_an_empty_picture() -> None:
    nothing = Distribution(groups=ValueGroups.NUMBERS, reference=(), window=())
    found = distribution_view("x", nothing, "the training data")
    assert (found.groups, found.width) == ([], 0.0)
