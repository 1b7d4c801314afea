"""One model's page: conditions, steps, verdicts, and the orders that make sense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.dashboard_models import NOW, condition, model, on_trial, policy
from viridian.dashboard.views.drift_view import drift_view
from viridian.dashboard.views.model_view import ModelView, model_view
from viridian.dashboard.views.offered_orders import order_of
from viridian.dashboard.views.verdict import Verdict
from viridian.people.model_summary import summary
from viridian.people.person_orders import NothingToOrder


def view(manifest: dict[str, Any]) -> ModelView:
    return model_view(manifest, [policy(), policy("other", of="fraud")], NOW)


def test_a_trial_shows_slots_steps_and_what_moves_it_on() -> None:
    found = view(on_trial())
    assert [(slot.role, slot.share) for slot in found.slots] == [("champion", 90), ("challenger", 10)]
    assert [(step.name, step.state) for step in found.steps] == [
        ("few", "passed"),
        ("sign-off", "present"),
        ("half", "next"),
        ("promotion", "next"),
        ("probation", "next"),
    ]
    assert found.steps[0].what == "10 % of the traffic, at least 10m and 500 requests"
    assert found.next_steps[0].command == "kubectl viridian approve churn -n ml"
    assert found.policies == ["churn-weekly"]
    assert found.source == "churn@candidate"


def test_evidence_grows_on_a_logarithmic_scale_towards_what_counts_as_a_breach() -> None:
    errors, latency, conversion = view(on_trial()).verdicts
    assert errors.breach is not None
    assert (errors.bound, errors.breach.percent, errors.kind) == ("at most 0.01", 0.0, "good")
    assert latency.bound == "at most 0.25, champion + 0.1 of it"
    assert latency.breach is not None
    assert latency.breach.needed == "300", "three bounds share the chance of a false verdict"
    assert latency.breach.percent == pytest.approx(32.5, abs=0.1)
    assert (conversion.symbol, conversion.breach, conversion.bound) == ("?", None, "at least 0.05")
    assert errors.no_worse is None
    assert latency.no_worse is not None
    assert latency.no_worse.needed == "20"
    assert latency.no_worse.percent == pytest.approx(37.8, abs=0.1)


@pytest.mark.parametrize(("evidence", "percent"), [(0.0, 0.0), (1.0, 0.0), (10.0, 50.0), (100.0, 100.0), (1e9, 100.0)])
def test_no_evidence_is_outside_of_the_scale(evidence: float, percent: float) -> None:
    (found,) = judged({"name": "error-rate", "max": 0.01}, evidence=evidence)
    assert found.breach is not None
    assert found.breach.percent == pytest.approx(percent)


def judged(bound: dict[str, Any], **figures: float) -> Sequence[Verdict]:
    """The verdict about the figures of one metric."""
    manifest = on_trial()
    manifest["spec"]["rollout"]["analysis"] = {"metrics": [bound]}
    manifest["status"]["challenger"]["metrics"] = [{"name": bound["name"], "verdict": "Pass", **figures}]
    return view(manifest).verdicts


def test_figures_stand_beside_their_bound() -> None:
    _, latency, conversion = view(on_trial()).verdicts
    picture = latency.picture
    assert picture is not None
    assert picture.champion is not None
    assert picture.champion < picture.value < picture.breaches[0][0], "the margin is nearer than the maximum"
    assert picture.text == "challenger 0.213, champion 0.198, bound at most 0.25, champion + 0.1 of it"
    assert conversion.picture is None


@pytest.mark.parametrize(
    ("bound", "figures", "breaks"),
    [
        ({"name": "success-rate", "worseThanChampionBy": {"absolute": 0.01}}, {"value": 0.9, "champion": 0.99}, True),
        ({"name": "success-rate", "min": 0.9}, {"value": 0.95}, False),
        ({"name": "quality", "performance": "auc", "worseThanChampionBy": {"absolute": 0.1}}, {"value": 0.8}, None),
        ({"name": "wait", "query": "x", "max": 3.0}, {"value": 4.0}, True),
        ({"name": "wait", "query": "x", "max": 3.0, "min": 1.0}, {"value": 2.0}, False),
        ({"name": "wait", "query": "x", "max": 3.0}, {"value": 3.0}, False),
        ({"name": "wait", "query": "x", "max": 3.0}, {}, None),
    ],
    ids=str,
)
def test_a_value_lies_in_the_red_area_where_it_breaks_the_bound(
    bound: dict[str, Any], figures: dict[str, float], breaks: bool | None
) -> None:
    (found,) = judged(bound, **figures)
    picture = found.picture
    beyond = None if picture is None else any(x < picture.value < x + width for x, width in picture.breaches)
    assert beyond is breaks


def test_bounds_of_another_release_leave_the_figures() -> None:
    manifest = on_trial()
    manifest["spec"]["rollout"]["analysis"] = {"metrics": "all of them"}
    errors, *_ = view(manifest).verdicts
    assert (errors.value, errors.bound, errors.breach, errors.picture) == ("0.004", "–", None, None)


def test_a_promotable_challenger_stands_before_its_promotion() -> None:
    manifest = on_trial()
    manifest["status"]["challenger"]["promotable"] = True
    assert [step.state for step in view(manifest).steps] == ["passed", "passed", "passed", "present", "next"]


def test_every_kind_of_step_says_what_it_does() -> None:
    manifest = model()
    manifest["spec"]["rollout"]["steps"] = [
        {"shadow": 20, "duration": "1h"},
        {"experiment": {"weight": 30, "maxDuration": "7d"}},
        {"experiment": {}},
        {"weight": 50},
    ]
    assert [step.what for step in view(manifest).steps][:4] == [
        "copies of 20 % of the requests, at least 1h",
        "an experiment with 30 % of the traffic at first, for 7d at most",
        "an experiment with 50 % of the traffic at first, for 14d at most",
        "50 % of the traffic",
    ]


def test_without_a_trial_the_steps_are_a_plan() -> None:
    manifest = on_trial()
    del manifest["status"]["challenger"]
    assert {step.state for step in view(manifest).steps} == {"planned"}


def test_conditions_that_ask_for_a_look_come_first() -> None:
    found = view(on_trial())
    assert [(one.type, one.kind) for one in found.conditions] == [
        ("DataDrift", "bad"),
        ("ReviewDue", "bad"),
        ("RollbackUntested", "bad"),
        ("Reconciling", "neutral"),
        ("Ready", "good"),
        ("RollbackReady", "good"),
    ]


@pytest.mark.parametrize(
    ("type_", "status", "kind"),
    [
        ("Ready", "False", "bad"),
        ("RollbackReady", "Unknown", "neutral"),
        ("Stalled", "True", "bad"),
        ("DataDrift", "False", "good"),
        ("RegistrySynced", "False", "bad"),
        ("SomethingNew", "True", "neutral"),
    ],
)
def test_what_a_condition_means(type_: str, status: str, kind: str) -> None:
    (found,) = view(model(conditions=[condition(type_, status, "R")])).conditions
    assert found.kind == kind


FALLBACK = {"slot": "green", "revision": "aa", "version": "5", "ready": True}
LOST = [{"revision": "bb", "reason": "MetricBreach", "at": "2026-11-24T16:12:00Z"}]


@pytest.mark.parametrize(
    ("manifest", "verbs"),
    [
        (on_trial(), ["approve", "promote", "reject", "rollback", "pause"]),
        (on_trial(waiting="StepDuration"), ["promote", "reject", "rollback", "pause"]),
        (model(), ["pause"]),
        (model(fallback=FALLBACK), ["rollback", "drill", "pause"]),
        (model(rejected=LOST), ["retry", "pause"]),
        ({**model(), "spec": {"rollout": {"paused": True}}}, ["resume"]),
        ({**model(), "status": {}}, ["pause"]),
    ],
    ids=str,
)
def test_only_orders_that_make_sense_are_offered(manifest: dict[str, Any], verbs: list[str]) -> None:
    assert [order.verb for order in view(manifest).orders] == verbs


def test_every_order_that_is_offered_can_be_given() -> None:
    for manifest in (on_trial(), model(fallback=FALLBACK), model(rejected=LOST)):
        for order in view(manifest).orders:
            assert order_of(order.verb, order.about, summary(manifest), "ada").patch


@pytest.mark.parametrize(
    ("verb", "about", "why"),
    [
        ("approve", "another revision", "has changed since"),
        ("retry", "", "no version of churn is rejected"),
        ("explode", "", "no order 'explode'"),
    ],
)
def test_an_order_that_makes_no_sense_any_more_says_so(verb: str, about: str, why: str) -> None:
    manifest = on_trial()
    manifest["status"]["rejected"] = []
    with pytest.raises(NothingToOrder, match=why):
        order_of(verb, about, summary(manifest), "ada")


def test_drift_is_sorted_by_its_effect() -> None:
    found = drift_view(summary(on_trial()).status)
    assert found is not None
    assert [monitor.name for monitor in found.monitors] == ["inputs", "accuracy", "predictions"]
    bars = found.monitors[0].bars
    assert [(bar.about, bar.fired, bar.width) for bar in bars] == [
        ("age", True, 82.0),
        ("tenure_months", True, 46.0),
        ("region", False, 12.0),
    ]
    assert {bar.limit for bar in bars} == {40.0}
    assert drift_view(summary(model()).status) is None


@pytest.mark.parametrize("figure", [{"value": 1.0}, {"threshold": 0.2}, {"value": 1.0, "threshold": 0.0}, {}])
def test_a_figure_without_a_threshold_has_no_bar(figure: dict[str, float]) -> None:
    monitors = [{"name": "m", "verdict": "Quiet", "figures": [{"measure": "PSI", "verdict": "Quiet", **figure}]}]
    monitoring = {"revision": "aa", "start": "x", "end": "y", "monitors": monitors}
    found = drift_view(summary(model(monitoring=monitoring)).status)
    assert found is not None
    assert found.monitors[0].bars[0].width is None
