"""The advice on a workflow: every line of its table, and how the lines go together."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from viridian.api.context import Context
from viridian.api.workflow import Workflow
from viridian.judgement.advice import MANY_MODELS, SAFEGUARDS, Advice, ObservedContext, recommend

LINEAR, ITERATIVE, AGILE = Workflow.LINEAR, Workflow.ITERATIVE, Workflow.AGILE


def advice(observed: ObservedContext | None = None, **answers: Any) -> Advice:
    found = recommend(msgspec.convert(answers, Context), observed)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("answers", "workflow"),
    [
        ({"dataStability": "Stable"}, LINEAR),
        ({"dataStability": "Moderate"}, ITERATIVE),
        ({"dataStability": "Changing"}, ITERATIVE),
        ({"dataStability": "Changing", "responseTime": "Days"}, AGILE),
        ({"models": 3}, ITERATIVE),
        ({"models": MANY_MODELS - 1}, ITERATIVE),
        ({"models": MANY_MODELS}, AGILE),
        ({"models": 300}, AGILE),
        ({"maturity": "New"}, LINEAR),
        ({"maturity": "Experienced"}, AGILE),
        ({"responseTime": "Days"}, AGILE),
        ({"responseTime": "Weeks"}, ITERATIVE),
        ({"resources": "Limited"}, LINEAR),
        ({"resources": "Moderate"}, ITERATIVE),
        ({"resources": "Ample"}, AGILE),
        ({"teamSize": 2, "responseTime": "Days"}, ITERATIVE),
        ({"teamSize": 3, "responseTime": "Days"}, AGILE),
        ({"purpose": "Core"}, ITERATIVE),
        ({"purpose": "Experimental"}, AGILE),
    ],
)
def test_each_line_of_the_table(answers: dict[str, Any], workflow: Workflow) -> None:
    assert advice(**answers).workflow is workflow


@pytest.mark.parametrize("maturity", ["New", "Experienced"])
@pytest.mark.parametrize("stability", ["Stable", "Moderate", "Changing"])
@pytest.mark.parametrize("models", [1, 100])
def test_a_high_cost_of_failure_asks_for_safeguards_whatever_else_is_answered(
    maturity: str, stability: str, models: int
) -> None:
    careful = advice(failureCost="High", maturity=maturity, dataStability=stability, models=models)
    assert careful.safeguards == (SAFEGUARDS,)
    assert careful.sentence.startswith(SAFEGUARDS)
    careless = advice(failureCost="Low", maturity=maturity, dataStability=stability, models=models)
    assert careless.safeguards == ()
    assert careless.workflow is careful.workflow


def test_a_very_stable_model_with_high_stakes_keeps_trial_and_way_back() -> None:
    found = advice(failureCost="High", dataStability="Stable")
    assert found.workflow is LINEAR
    assert "minRequests" in found.sentence
    assert "spec.fallback.replicas" in found.sentence


def test_a_new_team_with_many_models_begins_linear_and_knows_the_next_step() -> None:
    found = advice(maturity="New", models=100)
    assert (found.workflow, found.next) == (LINEAR, ITERATIVE)
    assert "choose workflow: Linear, and grow into Iterative" in found.sentence


def test_a_team_that_can_do_all_that_is_needed_has_no_next_step() -> None:
    assert advice(maturity="Experienced", models=3).next is None


def test_what_is_counted_goes_before_what_was_declared() -> None:
    """The model that makes it a dozen changes the advice at once."""
    assert advice(ObservedContext(models=MANY_MODELS - 1), models=3).workflow is ITERATIVE
    found = advice(ObservedContext(models=MANY_MODELS), models=3)
    assert found.workflow is AGILE
    assert found.contradictions == (f"context.models is 3, and 12 were counted: write models: {MANY_MODELS}",)


@pytest.mark.parametrize(
    ("answers", "observed", "contradiction"),
    [
        (
            {"dataStability": "Stable"},
            ObservedContext(drift_fired=True),
            "context.dataStability is Stable, and a monitor",
        ),
        ({"responseTime": "Days"}, ObservedContext(response_days=20.0), "the last change took 20 days"),
    ],
)
def test_answers_that_do_not_fit_what_is_observed_are_shown_and_count(
    answers: dict[str, Any], observed: ObservedContext, contradiction: str
) -> None:
    found = advice(observed, **answers)
    assert contradiction in found.contradictions[0]
    assert found.workflow is advice(**answers).workflow


@pytest.mark.parametrize(
    ("answers", "observed"),
    [
        ({"dataStability": "Stable"}, ObservedContext(drift_fired=False)),
        ({"dataStability": "Changing"}, ObservedContext(drift_fired=True)),
        ({"models": 3}, ObservedContext(models=5)),
        ({"responseTime": "Days"}, ObservedContext(response_days=2.0)),
        ({"responseTime": "Weeks"}, ObservedContext(response_days=20.0)),
    ],
)
def test_answers_that_fit_are_not_contradicted(answers: dict[str, Any], observed: ObservedContext) -> None:
    assert advice(observed, **answers).contradictions == ()


def test_every_answer_has_a_reason() -> None:
    answers: dict[str, Any] = {
        "dataStability": "Changing",
        "models": 20,
        "maturity": "Experienced",
        "responseTime": "Weeks",
        "resources": "Moderate",
        "teamSize": 1,
        "purpose": "Core",
    }
    assert len(advice(**answers).reasons) == len(answers)


def test_without_an_answer_there_is_no_advice() -> None:
    assert recommend(Context()) is None
    assert recommend(Context(team_size=10)) is None
