"""A run whose stage reports an evaluation: what the gate makes of it, and what is remembered of the holdout."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.retraining.world import World, policy
from viridian.api.registry import TAG_DIGEST, TAG_EVALUATION, TAG_GATE, TAG_HOLDOUT, TAG_METRICS, TAG_REASON

AUC = {"metrics": [{"name": "auc"}]}


def evaluation(candidate: float, noise: float, holdout: str = "sha256:h") -> dict[str, Any]:
    """Beside a champion of 0.80, with 97.5 % bounds this far from the difference."""
    difference = candidate - 0.80
    bounds = {"low": difference - noise, "high": difference + noise}
    return {
        "holdout": {"digest": holdout, "rows": 5000, "positives": 500},
        "confidence": 0.975,
        "metrics": {"auc": {"candidate": candidate, "champion": 0.80, **bounds, "method": "DeLong"}},
    }


def served(**spec: Any) -> World:
    """Version 1 serves, and another run trains."""
    world = World(policy=policy(**{"gate": AUC, **spec}))
    world.registry.add_version("churn")
    world.serve("1").settle()
    return another(world, "first")


def another(world: World, cause: str) -> World:
    world.later(hours=1).ask_by_hand(cause).settle()
    return world


def ended(world: World, report: dict[str, Any]) -> World:
    model = {"uri": f"runs:/{world.mlflow_run}/model"}
    world.end(0, {"metrics": {"auc": report["metrics"]["auc"]["candidate"]}, "model": model, "evaluation": report})
    world.settle()
    return world


def test_a_bound_decides_where_the_number_alone_would_pass() -> None:
    world = ended(served(), evaluation(0.81, 0.03))
    assert world.last_run["outcome"] == "Rejected"
    assert "auc 0.81 may be worse than the champion's 0.8 by more than 0.005" in world.last_run["message"]
    version = world.registry.versions("churn")["2"]
    assert "from -0.02 to 0.04 at 97.5 %" in version.tags[TAG_REASON]
    assert json.loads(version.tags[TAG_EVALUATION])["metrics"]["auc"]["low"] == pytest.approx(-0.02)


def test_what_is_shown_to_be_as_good_is_handed_over() -> None:
    world = ended(served(), evaluation(0.81, 0.01))
    assert world.last_run["outcome"] == "HandedOver"
    assert world.registry.versions("churn")["2"].tags[TAG_GATE].startswith("HandedOver: auc 0.81 is not worse")


@pytest.mark.parametrize(("digest", "said"), [("sha256:1", "0.99"), ("sha256:2", "cannot be compared")])
def test_numbers_of_another_model_that_has_the_number_of_the_champion_do_not_count(digest: str, said: str) -> None:
    """A registry that has begun anew: version 1 is not the version 1 that serves."""
    world = World(policy=policy(gate=AUC))
    world.registry.add_version("churn", {TAG_DIGEST: digest, TAG_METRICS: '{"auc": 0.99}', TAG_HOLDOUT: "sha256:h"})
    world.serve("1")
    assert world.deployment is not None
    world.deployment["status"]["champion"]["digest"] = "sha256:1"
    world.settle()
    another(world, "first").train(auc=0.81, tags={TAG_HOLDOUT: "sha256:h"}).settle()
    assert (world.last_run["outcome"], said in world.last_run["message"]) == ("Rejected", True), world.last_run


def test_the_mlflow_run_remembers_an_evaluation_whose_report_was_lost_with_its_pod() -> None:
    world = served()
    world.train(auc=0.81, tags={TAG_EVALUATION: json.dumps(evaluation(0.81, 0.03))}).settle()
    assert "may be worse" in world.last_run["message"]


def test_an_evaluation_beside_another_champion_than_the_present_one_is_not_believed() -> None:
    world = served()
    world.registry.add_version("churn")
    world.serve("2")
    ended(world, evaluation(0.81, 0.01))
    assert "which took over while this candidate was made" in world.last_run["message"]


def test_a_malformed_evaluation_is_a_sentence_in_the_outcome() -> None:
    report = evaluation(0.81, 0.01)
    report["metrics"]["auc"]["low"] = "0.005"
    world = ended(served(), report)
    assert world.last_run["outcome"] == "Rejected"
    assert "evaluation.metrics.auc has no finite number as low: it is left out" in world.last_run["message"]


def test_the_next_run_learns_in_which_slice_the_last_candidate_was_weakest() -> None:
    def of_region(name: str, drop: float) -> dict[str, Any]:
        compared = {"candidate": 0.8 - drop, "champion": 0.8, "low": -drop - 0.02, "high": 0.02 - drop}
        return {"column": "region", "value": name, "metric": "auc", "rows": 400, **compared}

    gate = {**AUC, "slices": [{"column": "region", "maxDrop": 0.02}]}
    world = served(gate=gate)
    ended(world, {**evaluation(0.81, 0.01), "slices": [of_region("north", 0.01), of_region("south", 0.06)]})
    assert world.last_run["outcome"] == "Rejected"
    assert "auc of the 400 rows with region south is worse than the champion's by 0.06" in world.last_run["message"]
    learnt = json.loads(another(world, "second").variables["VIRIDIAN_LAST_EVALUATION"])
    assert (learnt["weakestSlice"]["column"], learnt["weakestSlice"]["value"]) == ("region", "south")
    assert learnt["reason"] == world.last_run["message"]


# ---- a holdout wears out


def test_records_of_runs_count_the_questions_to_a_holdout() -> None:
    """0.0049 below 0.80 passes once; with half the error allowed, the same numbers do not."""
    world = ended(served(), evaluation(0.75, 0.001))
    assert (world.last_run["holdout"], world.last_run["holdoutAsked"]) == ("sha256:h", 1)
    ended(another(world, "second"), evaluation(0.80, 0.0049))
    assert (world.last_run["outcome"], world.last_run["holdoutAsked"]) == ("Rejected", 2)
    assert (
        "2 candidates were judged on this holdout by now, so bounds are those at 98.75 %" in world.last_run["message"]
    )
    ended(another(world, "third"), evaluation(0.80, 0.0049, "sha256:fresh"))
    assert (world.last_run["outcome"], world.last_run["holdoutAsked"]) == ("HandedOver", 1)


def test_the_count_outlives_the_status_and_the_records_that_are_pruned() -> None:
    world = ended(served(history={"runs": 1}), evaluation(0.75, 0.001))
    for cause in ("b", "c", "d"):
        ended(another(world.forget_status(), cause), evaluation(0.75, 0.001))
    assert world.last_run["holdoutAsked"] == 4
    assert len(world.outcomes()) < 4


def test_a_run_without_an_evaluation_asks_no_holdout() -> None:
    world = served()
    world.end(0, {"metrics": {"auc": 0.8, "champion.auc": 0.8}, "model": {"uri": f"runs:/{world.mlflow_run}/model"}})
    world.settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert "holdout" not in world.last_run
