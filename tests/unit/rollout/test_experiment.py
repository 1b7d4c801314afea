"""Experiments as the rollout decides about them: begun, allocated, ended, and what each verdict does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.support.snapshots import NOW, SILENT, ago_time, outcome, record, spec
from tests.support.watched import outcomes
from tests.unit.rollout.cases import GREEN, V1, V2, met, move_of, said_of, trial_world
from viridian.api import reasons
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.performance import Performance, Regressed
from viridian.rollout.analysis.experiment_rows import question_of
from viridian.rollout.analysis.selection import questions
from viridian.rollout.answers import Answer, AnsweredRows, CollectedQuestion, Unanswered
from viridian.rollout.decide import decide
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.input import RolloutInput
from viridian.rollout.records import RevisionOutcome
from viridian.rollout.traffic import record as traffic_record
from viridian.rollout.traffic.experiment_record import ExperimentRecord
from viridian.rollout.traffic.record import Traffic, Trial

AB: Final[dict[str, Any]] = {
    "weight": 25,
    "performance": "accuracy",
    "smallestEffect": 0.05,
    "minSamples": 500,
    "maxDuration": "1h",
}
THOMPSON: Final[dict[str, Any]] = {**AB, "allocation": "Thompson", "interval": "1m", "floor": 20}
NO_METRICS: Final[dict[str, Any]] = {"metrics": []}
TRIAL: Final = Trial(V2, weight=25, entered=ago_time(700), since=ago_time(650), exposure=met(650))
SINCE: Final = ago_time(600)


def whole(experiment: dict[str, Any], **feedback: Any) -> ModelDeploymentSpec:
    steps = [{"name": "ab", "experiment": experiment}, {"weight": 50, "duration": "10s"}]
    return spec(rollout={"steps": steps, "analysis": NO_METRICS}, feedback=feedback)


def under_way(asked: ModelDeploymentSpec, **parts: Any) -> Trial:
    """In the experiment since ten minutes."""
    experiment = asked.rollout.steps[0].experiment
    assert experiment is not None
    known = ExperimentRecord(
        step="ab",
        revision=V2,
        champion=V1,
        question=question_of(experiment),
        measure=experiment.measure_name,
        started_at=SINCE,
        weight=25,
        allocated_at=SINCE,
    )
    return replace(TRIAL, experiment=replace(known, **parts))


def trial_of(asked: ModelDeploymentSpec, trial: Trial, **more: Any) -> RolloutInput:
    """The registry is silent, so the revision on trial is the one that is desired."""
    return replace(trial_world(trial, whole=asked, **more), model=SILENT)


def world(
    experiment: dict[str, Any], ours: Answer | None = None, theirs: Answer | None = None, **parts: Any
) -> RolloutInput:
    """Ten minutes into the experiment; the answers are those of the collector about both."""
    asked = whole(experiment)
    shown = trial_of(asked, under_way(asked, **parts))
    given = zip(questions(shown, NOW), (ours, theirs), strict=False)
    return replace(shown, answers={question: answer for question, answer in given if answer is not None})


def rows(labels: int, accuracy: float, **spans: Performance) -> AnsweredRows:
    known = outcomes(labels, accuracy) if labels else Performance(predicted=0, labelled=0)
    return AnsweredRows(NOW, known, spans={int(name.removeprefix("span")): span for name, span in spans.items()})


def numbers() -> AnsweredRows:
    sums = {"error": 0.0, "absolute_error": 0.0, "squared_error": 0.0, "fourth_power_error": 0.0}
    joined = Regressed(rows=900, outcome=0.0, squared_outcome=0.0, **sums)
    return AnsweredRows(NOW, Performance(predicted=900, labelled=900, joined=joined))


def experiment_in(move: RolloutDecision) -> ExperimentRecord:
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert move.traffic.trial.experiment is not None
    return move.traffic.trial.experiment


def test_it_begins_once_its_share_is_in_effect() -> None:
    shown = trial_of(whole(AB), TRIAL)
    begun = experiment_in(move_of(shown))
    assert (begun.step, begun.revision, begun.champion, begun.measure) == ("ab", V2, V1, "accuracy")
    assert (begun.started_at, begun.weight, begun.verdict) == (NOW, 25, "")
    assert questions(shown, NOW) == []


def test_rows_of_both_are_asked_about_since_then() -> None:
    asked = whole(AB, labelMaturity="30s", labelDefinition="churned-30d")
    shown = trial_of(asked, under_way(asked))
    ours = CollectedQuestion(V2, SINCE, timedelta(seconds=30), "churned-30d")
    assert questions(shown, NOW) == [ours, replace(ours, revision=V1)]


def test_another_question_begins_another_experiment() -> None:
    before = under_way(whole(AB), verdict="Inconclusive", ended_at=ago_time(5))
    begun = experiment_in(move_of(trial_of(whole({**AB, "smallestEffect": 0.01}), before)))
    assert (begun.started_at, begun.verdict) == (NOW, "")


@pytest.mark.parametrize(
    ("sentence", "ours", "theirs", "says"),
    [
        ("not asked yet", None, None, "verdict of experiment ab: the collector has not answered yet"),
        ("no answer", Unanswered(NOW, "it is down"), rows(900, 0.8), "verdict of experiment ab: it is down"),
        ("no rows", rows(0, 0.8), rows(0, 0.8), "0 rows of the challenger and 0 of the champion"),
        ("too few rows", rows(499, 0.95), rows(900, 0.7), "900 of the champion; 500 of each are needed"),
        ("nothing proved", rows(900, 0.82), rows(900, 0.8), "over 900 rows of the challenger and 900 of the champion"),
    ],
)
def test_it_waits_for_a_verdict(sentence: str, ours: Answer | None, theirs: Answer | None, says: str) -> None:
    shown = world(AB, ours, theirs)
    move = move_of(shown)
    assert says in said_of(shown, move), sentence
    assert move.traffic == shown.traffic


@pytest.mark.parametrize(
    ("verdict", "ours", "theirs"),
    [
        ("Better", rows(5000, 0.9), rows(5000, 0.8)),
        ("Worse", rows(5000, 0.7), rows(5000, 0.8)),
        ("NoDifference", rows(9000, 0.8), rows(9000, 0.8)),
        ("SchemaMismatch", rows(900, 0.8), numbers()),
    ],
)
def test_it_ends_with_the_first_verdict_that_is_proved(verdict: str, ours: Answer, theirs: Answer) -> None:
    shown = world(AB, ours, theirs)
    move = move_of(shown)
    ended = experiment_in(move)
    assert (ended.verdict, ended.ended_at) == (verdict, NOW)
    assert ended.message.startswith(f"{verdict}: ")
    assert f"has ended, {verdict}: " in said_of(shown, replace(move, wait=None))
    assert (ended.challenger_rows > 0) == (verdict != "SchemaMismatch")


def test_one_without_enough_samples_ends_undecided_and_promotes_nobody() -> None:
    early = world(AB, rows(499, 0.95), rows(900, 0.7), started_at=ago_time(3599))
    late = world(AB, rows(499, 0.95), rows(900, 0.7), started_at=ago_time(3601))
    assert experiment_in(move_of(early)).verdict == ""
    ended = move_of(late)
    assert experiment_in(ended).verdict == "Inconclusive"
    held = world(AB, started_at=ago_time(3601), verdict="Inconclusive", ended_at=ago_time(60), message="Inconclusive")
    move = move_of(held)
    assert (move.reason, move.traffic) == (reasons.AWAITING_APPROVAL, held.traffic)
    assert f"viridian.dev/approve={V2}: experiment ab: Inconclusive" in said_of(held, move)


def test_a_collector_that_is_silent_at_the_end_is_waited_for() -> None:
    """For an hour, which is `maxHold`."""
    down = Unanswered(NOW, "it is down")
    assert experiment_in(move_of(world(AB, down, down, started_at=ago_time(7199)))).verdict == ""
    assert experiment_in(move_of(world(AB, down, down, started_at=ago_time(7201)))).verdict == "Inconclusive"


@pytest.mark.parametrize(
    ("verdict", "says", "follows"),
    [
        ("Better", {}, reasons.ROLLING_OUT),
        ("Worse", {}, reasons.EXPERIMENT_REJECTS),
        ("NoDifference", {}, reasons.AWAITING_APPROVAL),
        ("Inconclusive", {}, reasons.AWAITING_APPROVAL),
        ("SchemaMismatch", {}, reasons.EXPERIMENT_REJECTS),
        ("Better", {"onBetter": "Hold"}, reasons.AWAITING_APPROVAL),
        ("Worse", {"onWorse": "Hold"}, reasons.AWAITING_APPROVAL),
        ("NoDifference", {"onNoDifference": "Proceed"}, reasons.ROLLING_OUT),
        ("NoDifference", {"onNoDifference": "Reject"}, reasons.EXPERIMENT_REJECTS),
        ("Inconclusive", {"onInconclusive": "Reject"}, reasons.EXPERIMENT_REJECTS),
    ],
)
def test_what_follows_from_a_verdict_is_declared(verdict: str, says: dict[str, Any], follows: str) -> None:
    move = move_of(world({**AB, **says}, verdict=verdict, ended_at=ago_time(60), message=f"{verdict}: by far"))
    assert move.reason == follows
    assert move.traffic is not None
    if follows == reasons.ROLLING_OUT:
        assert move.traffic.trial is not None
        assert move.traffic.trial.passed == ("ab experiment-25%",)
    if follows == reasons.EXPERIMENT_REJECTS:
        assert move.traffic.reverted is not None
        assert move.traffic.reverted.message == f"experiment ab: {verdict}: by far"


def test_a_verdict_is_noted_before_anything_follows_from_it() -> None:
    fresh = world(AB, verdict="Worse", ended_at=ago_time(1), message="Worse: by far")
    assert move_of(fresh).traffic == fresh.traffic
    assert fresh.traffic is not None
    assert fresh.traffic.trial is not None
    assert fresh.traffic.trial.experiment is not None
    noted = RevisionOutcome.of_experiment(fresh.traffic.trial.experiment)
    assert noted == replace(outcome("ExperimentEnded", 1), message="experiment ab: Worse: by far")
    known = {V2: record("2", noted)}
    assert move_of(replace(fresh, records={**fresh.records, **known})).reason == reasons.EXPERIMENT_REJECTS


def test_an_approval_lets_a_held_challenger_proceed() -> None:
    held = world(AB, verdict="Inconclusive", ended_at=ago_time(60))
    move = move_of(replace(held, annotations={"viridian.dev/approve": f"{V2}#ada"}))
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert (move.traffic.trial.step, move.traffic.trial.experiment) == (1, None)
    assert move.traffic.trial.approved == f"viridian.dev/approve={V2}#ada"


def test_a_verdict_that_proceeds_uses_up_no_approval() -> None:
    going = world(AB, verdict="Better", ended_at=ago_time(60))
    move = move_of(replace(going, annotations={"viridian.dev/approve": V2}))
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert (move.traffic.trial.step, move.traffic.trial.approved) == (1, "")


# ---- Thompson


def test_the_share_follows_the_chance_to_be_better() -> None:
    shown = world(THOMPSON, rows(400, 0.9), rows(400, 0.7))
    allocated = experiment_in(move_of(shown))
    assert (allocated.weight, allocated.allocated_at, allocated.verdict) == (80, NOW, "")


def test_each_interval_is_asked_about_apart() -> None:
    asked = questions(world(THOMPSON), NOW)
    assert [one.span for one in asked if isinstance(one, CollectedQuestion)] == [timedelta(minutes=1)] * 2


def test_a_base_rate_that_moves_is_no_difference() -> None:
    """The challenger had most of a good minute, and little of a bad one."""
    ours = rows(1000, 0.82, span0=outcomes(100, 0.5), span1=outcomes(900, 0.9))
    theirs = rows(1000, 0.54, span0=outcomes(900, 0.5), span1=outcomes(100, 0.9))
    shown = world(THOMPSON, ours, theirs, allocated_at=ago_time(30))
    assert "accuracy is better by 0 " in said_of(shown, move_of(shown))


def test_the_share_stays_between_two_intervals_and_while_the_collector_is_down() -> None:
    down = Unanswered(NOW, "it is down")
    for shown in (world(THOMPSON, rows(400, 0.9), rows(400, 0.7), allocated_at=ago_time(59)), world(THOMPSON, down)):
        assert move_of(shown).traffic == shown.traffic


def test_a_new_share_gets_its_pods_and_its_split() -> None:
    asked = whole(THOMPSON)
    trial = under_way(asked, weight=50, allocated_at=NOW)
    scaled = trial_of(asked, trial, blue=2, green=2)
    move = move_of(scaled)
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert (move.traffic.trial.weight, move.traffic.trial.since) == (50, NOW)
    assert experiment_in(move).started_at == SINCE


# ---- what outlasts it


def test_the_newest_experiment_outlasts_its_trial() -> None:
    shown = world(AB, verdict="Worse", ended_at=ago_time(60), message="Worse: by far")
    assert shown.traffic is not None
    assert shown.traffic.trial is not None
    plan = decide(shown, NOW)
    assert plan.status is not None
    assert plan.status["experiment"]["verdict"] == "Worse"
    written = Traffic(GREEN, V2, NOW, former=V1, experimented=shown.traffic.trial.experiment)
    assert traffic_record.parse(traffic_record.dump(written)) == written
    assert written.succeeded_by(GREEN, V1, NOW).experimented == written.experimented


def test_one_that_is_cut_short_has_shown_nothing() -> None:
    shown = world(AB, rows(400, 0.9), rows(400, 0.9))
    plan = decide(replace(shown, annotations={"viridian.dev/reject": V2}), NOW)
    assert plan.status is not None
    assert plan.status["experiment"]["verdict"] == "Inconclusive"
    assert plan.status["experiment"]["message"] == "Inconclusive: it was ended before there was a verdict"


def test_the_status_shows_the_figures_of_one_that_is_under_way() -> None:
    shown = world(AB, rows(900, 0.82), rows(900, 0.8))
    plan = decide(shown, NOW)
    assert plan.status is not None
    figures = plan.status["experiment"]
    assert (figures["step"], figures["weight"], figures["challengerSamples"]) == ("ab", 25, 900)
    assert figures["effect"] == pytest.approx(0.02)
    assert figures["intervalLow"] < 0.02 < figures["intervalHigh"]
    moved = replace(shown, answers=world(AB, rows(950, 0.82), rows(950, 0.8)).answers, status=plan.status)
    calm = decide(moved, NOW + timedelta(seconds=1)).status
    assert calm is not None
    assert calm["experiment"] == figures
