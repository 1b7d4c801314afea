"""Known versions beside the champion: a change of weights looks at them before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.retraining.world import World, policy, reasons_of

METRICS = ("revenue", "satisfaction")
DIGEST = f"sha256:{'a' * 64}"


def objective(revenue: float, satisfaction: float, **more: Any) -> dict[str, Any]:
    weights = zip(METRICS, (revenue, satisfaction), strict=True)
    return {"metrics": [{"name": name, "weight": weight} for name, weight in weights], **more}


def trained(
    world: World, revenue: float, satisfaction: float, holdout: str = DIGEST, champion: dict[str, float] | None = None
) -> World:
    """A run whose candidate has these numbers on a holdout; then its version serves if it was handed over."""
    world.later(hours=1).ask_by_hand(f"{world.now}").settle()
    beside = {f"champion.{name}": value for name, value in (champion or {}).items()}
    report = {
        "metrics": {"revenue": revenue, "satisfaction": satisfaction, **beside},
        "model": {"uri": f"runs:/{world.mlflow_run}/model"},
        "evaluation": {"holdout": {"digest": holdout, "rows": 5000}, "metrics": {}},
    }
    world.end(0, report).settle()
    if world.last_run["outcome"] == "HandedOver":
        world.serve(world.last_run["version"]).settle()
    return world


def two_versions(**spec: Any) -> World:
    """Version 1 pleases people, version 2 earns more and serves."""
    gate = {"rule": "Thresholds", "metrics": [{"name": "revenue", "min": 50}]}
    world = World(policy=policy(**{"objective": objective(1, 0), "gate": gate, **spec}))
    world.settle()
    trained(world, revenue=98.0, satisfaction=4.2)
    return trained(world, revenue=100.0, satisfaction=4.0)


def review(world: World) -> str:
    found = [one for one in world.status["conditions"] if one["type"] == "ReviewRequired"]
    return f"{found[0]['reason']}: {found[0]['message']}" if found else ""


def scores(world: World) -> dict[str, float | None]:
    return {one["version"]: one.get("score") for one in world.status["quality"]["versions"]}


def test_weights_that_are_flipped_recommend_another_version_before_anything_is_trained() -> None:
    world = two_versions()
    assert scores(world) == {"1": -0.02, "2": 0.0}
    assert "best" not in world.status["quality"]
    world.edit(objective=objective(1, 3)).settle()
    assert len(world.made) == 2
    assert scores(world) == {"1": pytest.approx((-0.02 + 3 * 0.05) / 4), "2": 0.0}
    assert world.status["quality"]["best"] == "1"
    assert review(world) == (
        "KnownVersionIsBetter: version 1 is 3.25% better than champion 2 by the weights of spec.objective, on holdout "
        f"{DIGEST[:19]}: set the alias candidate of churn to version 1 in MLflow, or start a run with the annotation "
        "viridian.dev/run"
    )


def test_what_is_recommended_once_is_one_event_and_silence_after_it() -> None:
    world = two_versions()
    world.edit(objective=objective(1, 3)).settle()
    writes = world.writes
    world.later(hours=5).forget_status().settle()
    assert world.writes == writes + 1, "the status that was deleted"
    events = [event for event in world.events if event.reason == "ReviewRequired"]
    assert len(events) == 2  # of the edit, and of the status that was deleted


def test_once_the_better_version_serves_the_run_for_the_new_weights_begins() -> None:
    world = two_versions()
    world.edit(objective=objective(1, 3)).settle()
    world.serve("1").settle()
    assert [reasons[0].split("-")[0] for reasons in reasons_of(world)[2:]] == ["objective:metrics"]
    assert review(world) == ""


def test_a_run_that_a_person_asks_for_answers_the_change_as_well() -> None:
    world = two_versions()
    world.edit(objective=objective(1, 3)).settle()
    trained(world, revenue=97.0, satisfaction=4.1)
    assert len(reasons_of(world)[-1]) == 2
    world.later(days=1).settle()
    assert len(world.made) == 3


@pytest.mark.parametrize(
    ("sentence", "edit"),
    [
        ("no known version is better", objective(4, 1)),
        ("another metric is asked for", {"metrics": [{"name": "satisfaction"}]}),
        ("less of it is better now", {"metrics": [{"name": "revenue", "weight": 3, "direction": "Lower"},
                                                  {"name": "satisfaction"}]}),
    ],
)  # fmt: skip
def test_a_change_that_no_known_version_answers_starts_a_run(sentence: str, edit: dict[str, Any]) -> None:
    world = two_versions(objective=objective(1, 1))
    world.edit(objective=edit).settle()
    assert len(world.made) == 3, sentence


def test_what_a_rollout_has_rejected_is_not_recommended() -> None:
    world = two_versions()
    assert world.deployment is not None
    world.deployment["status"]["rejected"] = [{"version": "1", "revision": "r1"}]
    world.edit(objective=objective(1, 3)).settle()
    assert len(world.made) == 3
    assert "best" not in world.status["quality"]


def test_a_candidate_that_failed_its_gate_is_shown_and_not_recommended() -> None:
    world = two_versions()
    trained(world, revenue=49.0, satisfaction=40.0)
    world.edit(objective=objective(1, 30)).settle()
    assert scores(world)["3"] is not None
    assert world.status["quality"]["best"] == "1"


def test_only_what_was_measured_on_one_holdout_is_compared() -> None:
    world = two_versions()
    newer = f"sha256:{'b' * 64}"
    trained(world, revenue=120.0, satisfaction=4.4, holdout=newer, champion={"revenue": 110.0, "satisfaction": 4.0})
    found = world.status["quality"]
    assert (found["holdout"], found["champion"]) == (newer, "3")
    assert scores(world) == {"2": pytest.approx(110 / 120 - 1, abs=1e-6), "3": 0.0}


def test_without_a_champion_on_a_holdout_nothing_is_compared() -> None:
    world = two_versions()
    world.serve("7").settle()
    assert "quality" not in world.status
    world.edit(objective=objective(1, 3)).settle()
    assert len(world.made) == 3


def test_what_was_measured_under_another_definition_of_the_label_is_left_out() -> None:
    world = two_versions(objective=objective(1, 0, labelDefinition="bought-7d"))
    assert "quality" in world.status
    world.edit(objective=objective(1, 0, labelDefinition="bought-30d")).settle()
    assert "quality" not in world.status


def test_the_trend_is_that_of_the_versions_that_were_handed_over() -> None:
    world = two_versions()
    assert "trend" not in world.status["quality"]
    trained(world, revenue=40.0, satisfaction=4.0)  # rejected
    trained(world, revenue=104.0, satisfaction=4.0)
    assert list(scores(world)) == ["1", "2", "3", "4"]
    # 98, 100 and 104 of 104: from one to the next 2 and 4, from the first to the last 6 in two steps.
    assert world.status["quality"]["trend"] == pytest.approx(3 / 104, abs=1e-6)


def test_without_an_objective_the_metrics_of_the_gate_count() -> None:
    world = two_versions(objective=None)
    assert scores(world) == {"1": -0.02, "2": 0.0}
