"""A challenger that cannot be judged, by a mistake of the operator's own, does not keep its users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.churn import Churn
from viridian.api import reasons
from viridian.controller import observe_model_deployment

PARTS = {
    "deciding fails": "decide",
    "reading the metrics fails": "queries",
    "reading the records fails": "parse_records",
}


@pytest.fixture
def on_trial(churn: Churn) -> Churn:
    """Version 1 serves, and version 2 has half of the traffic for a long time."""
    churn.publish()
    churn.apply(rollout={"steps": [{"weight": 50, "duration": "1h"}]})
    assert churn.world.run(30, until=lambda: churn.serves("1"))
    churn.publish()
    assert churn.world.run(60, until=lambda: weight(churn) == 50)
    return churn


def weight(churn: Churn) -> int:
    return int((churn.status.get("challenger") or {}).get("weight", 0))


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_it_loses_the_traffic_within_seconds(on_trial: Churn, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(observe_model_deployment, part, raising)
        on_trial.world.mistakes_expected = True
        assert on_trial.world.run(10, until=lambda: live_selector(on_trial)["viridian.dev/slot"] == "blue")
        on_trial.world.run(60)
    on_trial.world.mistakes_expected = False
    assert on_trial.world.run(60, until=lambda: on_trial.rejected == ["2"])
    on_trial.world.run(60)
    assert on_trial.champion == "1"
    assert on_trial.status["rejected"][0]["reason"] == reasons.DECISION_FAILED
    assert [reason for kind, reason, _ in on_trial.cluster.events() if kind == "Warning"].count("RolledBack") == 1


def test_a_champion_that_nobody_can_judge_goes_on(churn: Churn, monkeypatch: pytest.MonkeyPatch) -> None:
    churn.publish()
    churn.apply()
    assert churn.world.run(30, until=lambda: churn.serves("1"))
    monkeypatch.setattr(observe_model_deployment, "decide", raising)
    churn.world.mistakes_expected = True
    churn.world.settle_now()
    churn.cluster.forget_calls()
    churn.world.run(60)
    assert churn.cluster.writes == []


def live_selector(churn: Churn) -> dict[str, str]:
    live = churn.cluster.find("Service", "churn")
    assert live is not None
    return {"viridian.dev/slot": "", **live["spec"]["selector"]}


def raising(*_: Any) -> Callable[..., Any]:
    raise OverflowError("cannot convert float infinity to integer")
