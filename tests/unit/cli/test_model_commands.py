"""How a model is summed up, what a person may do about it, and what a command would write."""

from __future__ import annotations

from typing import Any

import pytest

from viridian.cli.main import application, plugin
from viridian.people import person_orders
from viridian.people.model_summary import ModelHealth, ModelSummary, most_urgent_first, summary
from viridian.people.next_step import next_steps
from viridian.people.person_orders import NothingToOrder
from viridian.rollout.decision import WaitKind

CHAMPION = {"slot": "blue", "revision": "aaa", "version": "1"}
REJECTED = {"revision": "bbb", "reason": "MetricBreach", "at": "2026-11-28T12:00:00Z"}
CHALLENGER = {"slot": "green", "revision": "bbb", "version": "2", "step": {"name": "few", "index": 0}, "weight": 5}
READY = {"type": "Ready", "status": "True", "reason": "Serving", "lastTransitionTime": "2026-11-28T12:00:00Z"}


def model(name: str = "churn", *conditions: dict[str, Any], **status: Any) -> ModelSummary:
    annotations = status.pop("annotations", {})
    whole = {"champion": CHAMPION, "conditions": [READY, *conditions], **status}
    return summary({"metadata": {"namespace": "ml", "name": name, "annotations": annotations}, "status": whole})


def true(type_: str) -> dict[str, Any]:
    return {**READY, "type": type_, "reason": type_, "message": "look"}


def waiting(reason: str) -> dict[str, Any]:
    return {**CHALLENGER, "waitingReason": reason, "waitingFor": "something"}


STATES: dict[str, tuple[ModelSummary, ModelHealth]] = {
    "serves": (model(), ModelHealth.WELL),
    "on trial": (model(challenger=waiting("StepDuration")), ModelHealth.ROLLING_OUT),
    "waits for an approval": (model(challenger=waiting("Approval")), ModelHealth.NEEDS_A_PERSON),
    "drifts": (model("churn", true("DataDrift")), ModelHealth.NEEDS_A_PERSON),
    "untested": (model("churn", true("RollbackUntested")), ModelHealth.NEEDS_A_PERSON),
    "stalled": (model("churn", true("Stalled")), ModelHealth.BROKEN),
    "not ready": (model(conditions=[{**READY, "status": "False"}]), ModelHealth.BROKEN),
    "never seen": (model(champion=None, conditions=[]), ModelHealth.BROKEN),
}


@pytest.mark.parametrize("state", STATES)
def test_health(state: str) -> None:
    found, health = STATES[state]
    assert found.health is health


def test_the_broken_ones_come_first() -> None:
    well, broken, trial = model("a"), model("z", true("Stalled")), model("b", challenger=waiting("StepDuration"))
    assert [one.name for one in most_urgent_first([well, trial, broken])] == ["z", "b", "a"]


def test_what_is_told_first_is_what_is_wrong() -> None:
    told = [model("churn", true("DataDrift")).about, model().about]
    assert [one.reason for one in told if one is not None] == ["DataDrift", "Serving"]


@pytest.mark.parametrize(
    ("state", "commands"),
    [
        ("waits for an approval", ["approve churn -n ml", "reject churn -n ml"]),
        ("untested", ["drill churn -n ml"]),
        ("on trial", []),
        ("serves", []),
    ],
)
def test_what_would_move_it_on(state: str, commands: list[str]) -> None:
    assert [one.command for one in next_steps(STATES[state][0])] == [f"kubectl viridian {one}" for one in commands]


def test_no_drill_is_suggested_beside_a_version_on_trial() -> None:
    trial = model("churn", true("RollbackUntested"), challenger=waiting("StepDuration"))
    assert next_steps(trial) == []


def test_each_command_that_is_suggested_exists() -> None:
    known = {one.name for one in application().registered_commands}
    alarmed = [model("churn", true("Stalled"), true("RollbackUntested"), true("ReviewRequired"), rejected=[REJECTED])]
    waits = [model(challenger=waiting(kind)) for kind in WaitKind]
    steps = [step for one in (*alarmed, *waits) for step in next_steps(one)]
    assert len(steps) > 8
    assert {step.command.split()[2] for step in steps} <= known


def written(order: person_orders.PersonOrder) -> Any:
    return order.patch["metadata"]["annotations"]


def test_an_order_names_what_it_is_about_and_who_gives_it() -> None:
    trial = model(challenger=waiting("Approval"), fallback=None)
    assert written(person_orders.approve(trial, "alice")) == {"viridian.dev/approve": "bbb#alice"}
    assert written(person_orders.promote(trial, "alice")) == {"viridian.dev/promote": "bbb#alice"}
    assert written(person_orders.skip(trial, ["few"], "alice")) == {"viridian.dev/skip": "bbb/few#alice"}
    several = person_orders.skip(trial, ["schema", "features"], "alice")
    assert written(several) == {"viridian.dev/skip": "bbb/schema,features#alice"}
    assert written(person_orders.reject(trial, "alice")) == {"viridian.dev/reject": "bbb#alice"}


def test_a_version_that_waits_for_a_probation_is_let_through_by_the_command_that_is_suggested() -> None:
    newer = {
        "revision": "ccc",
        "version": "3",
        "waitingFor": "the end of the probation",
        "waitingReason": "ProbationEnd",
    }
    waits = model(next=newer)
    assert [one.command for one in next_steps(waits)] == ["kubectl viridian skip churn probation -n ml"]
    assert written(person_orders.skip(waits, ["probation"], "alice")) == {"viridian.dev/skip": "ccc/probation#alice"}


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        ("bbb#alice", "bbb#2#alice"),
        ("bbb#2#alice", "bbb#3#alice"),
        ("bbb", "bbb#2#alice"),
        ("old#7#alice", "bbb#alice"),
    ],
)
def test_an_order_that_stands_there_already_is_given_again_with_a_number(standing: str, expected: str) -> None:
    trial = model(challenger=CHALLENGER, annotations={"viridian.dev/approve": standing})
    assert written(person_orders.approve(trial, "alice")) == {"viridian.dev/approve": expected}


def test_a_rollback_names_a_former_champion_by_its_version() -> None:
    past = [{"revision": "old", "version": "0", "outcome": "Promoted", "at": "2026-11-01T00:00:00Z"}]
    known = model(history=past)
    assert written(person_orders.rollback(known, "0", "alice")) == {"viridian.dev/rollback": "aaa/old#alice"}
    with pytest.raises(NothingToOrder, match="the history of churn has no version or revision 9"):
        person_orders.rollback(known, "9", "alice")
    with pytest.raises(NothingToOrder, match="no fallback: name a former champion with --to"):
        person_orders.rollback(known, "", "alice")


@pytest.mark.parametrize("verb", person_orders.WITHOUT_MORE)
def test_what_makes_no_sense_now_says_so(verb: str) -> None:
    with pytest.raises(NothingToOrder):
        person_orders.WITHOUT_MORE[verb](model(), "alice")


def test_a_pause_is_a_field_that_the_opposite_removes() -> None:
    assert person_orders.pause(model()).patch == {"spec": {"rollout": {"paused": True}}}
    assert person_orders.resume(model()).patch == {"spec": {"rollout": {"paused": None}}}


def test_a_shell_completes_the_name_of_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["kubectl-viridian"])
    for name, value in {
        "_KUBECTL_VIRIDIAN_COMPLETE": "complete_bash", "COMP_WORDS": "kubectl-viridian wat", "COMP_CWORD": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    plugin()
    assert capsys.readouterr().out.split() == ["watch"]
