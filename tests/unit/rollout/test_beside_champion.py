"""A challenger beside the champion that serves at the same time: what both share rejects nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.support.snapshots import NOW, ago_time, answers, sample, slot, spec, unreadable
from tests.unit.rollout.cases import (
    BLUE,
    FIRST_STEP,
    GREEN,
    V2,
    met,
    move_of,
    on_trial,
    said_of,
    trial_world,
    with_metrics,
)
from viridian.api import reasons
from viridian.judgement.canary import CanaryVerdict
from viridian.judgement.detector import Tally
from viridian.judgement.split_test import SlotTallies
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.input import RolloutInput
from viridian.rollout.state import read
from viridian.rollout.status import status
from viridian.rollout.traffic.compared import ComparedTrial
from viridian.rollout.traffic.exposure import CounterBaseline, Exposure
from viridian.rollout.traffic.record import Trial, dump, parse

CHAMPION, CHALLENGER = slot(BLUE, "1", 3), slot(GREEN, "2", 1)
BESIDE = ComparedTrial(Exposure(ago_time(11), {f"blue-{number}": CounterBaseline() for number in range(3)}))
COMPARED = replace(FIRST_STEP, compared=BESIDE)
BOUND: dict[str, Any] = {"name": "error-rate", "max": 0.05}
MARGIN: dict[str, Any] = {"name": "error-rate", "worseThanChampionBy": {"relative": 0.5}}
SLOWER: dict[str, Any] = {"name": "latency-p95", "worseThanChampionBy": {"relative": 0.2}}


def world(
    metric: dict[str, Any],
    ours: tuple[float, float],
    theirs: tuple[float, float],
    *,
    seconds: tuple[float, float] = (0.02, 0.02),
    trial: Trial = COMPARED,
    **analysis: Any,
) -> RolloutInput:
    """Requests and errors of challenger and champion in the last ten seconds, and how long each answer took."""
    return trial_world(
        trial,
        whole=with_metrics(metrics=[metric], **analysis),
        readings={
            **answers(CHALLENGER, *ours, seconds=seconds[0]),
            **answers(CHAMPION, *theirs, seconds=seconds[1]),
        },
    )


def is_held(move: RolloutDecision) -> bool:
    return move.traffic is not None and move.traffic.trial is not None and move.traffic.reverted is None


class TestBothBreach:
    def test_an_outage_of_both_holds_the_challenger(self) -> None:
        shown = world(BOUND, (500, 150), (1500, 450))
        move = move_of(shown)
        assert move.reason == reasons.CHAMPION_BREACHES_TOO
        assert is_held(move)
        assert "the champion breaks the bound as well" in said_of(shown, move)

    def test_it_shows_in_the_conditions(self) -> None:
        shown = world(BOUND, (500, 150), (1500, 450))
        assert shown.spec is not None
        state = read(shown, shown.spec, NOW)
        found = {one["type"]: one for one in status(state, move_of(shown), {})["conditions"]}
        assert found["Ready"]["reason"] == reasons.CHAMPION_BREACHES_TOO
        assert found["ChallengerHealthy"]["status"] == "Unknown"
        assert "error-rate" in found["ChallengerHealthy"]["message"]

    @pytest.mark.parametrize("theirs", [(1500, 0), (1500, 60), (0, 0)], ids=["good", "within the bound", "not asked"])
    def test_a_breach_of_the_challenger_alone_is_its_own(self, theirs: tuple[float, float]) -> None:
        assert move_of(world(BOUND, (500, 150), theirs)).reason == reasons.METRIC_BREACH

    def test_so_is_one_far_beyond_that_of_the_champion(self) -> None:
        assert move_of(world(BOUND, (500, 400), (1500, 150))).reason == reasons.METRIC_BREACH

    def test_a_champion_that_cannot_be_read_saves_nobody(self) -> None:
        shown = world(BOUND, (500, 150), (1500, 450))
        unread = replace(shown, readings={uid: read for uid, read in shown.readings.items() if "green" in uid})
        assert move_of(unread).reason == reasons.METRIC_BREACH

    def test_a_latency_that_both_have_is_shared_too(self) -> None:
        slow = {"name": "latency-p95", "max": 0.25}
        assert move_of(world(slow, (500, 0), (1500, 0), seconds=(0.8, 0.8))).reason == reasons.CHAMPION_BREACHES_TOO
        assert move_of(world(slow, (500, 0), (1500, 0), seconds=(0.8, 0.1))).reason == reasons.METRIC_BREACH

    def test_what_was_counted_in_the_incident_is_no_evidence_once_it_is_over(self) -> None:
        """The whole trial is beyond the bound for both, the last minute for nobody: the memory begins anew."""
        trial = replace(
            COMPARED,
            since=ago_time(900),
            exposure=met(900),
            compared=replace(BESIDE, champion=replace(BESIDE.champion, since=ago_time(900))),
        )
        shown = world(BOUND, (1, 0), (3, 0), trial=trial, window="1m")
        long_ago, ours, theirs = 70, (5000, 1500), (15_000, 4500)
        readings = {
            **{
                pod.uid: [
                    sample(pod.uid, long_ago - age * 10, asked + 50 * age, bad)
                    for age in range(8)
                    for asked, bad in [(total[0] / count, total[1] / count)]
                ]
                for pods, total in ((CHALLENGER.pods, ours), (CHAMPION.pods, theirs))
                for count in [len(pods)]
                for pod in pods
            }
        }
        move = move_of(replace(shown, readings=readings))
        assert is_held(move)
        assert move.traffic is not None
        after = move.traffic.trial
        assert after is not None
        assert after.exposure is not None
        assert after.exposure.since == NOW
        assert after.exposure.earlier == 5350
        assert after.weight == trial.weight


class TestMargin:
    def test_a_challenger_that_is_worse_by_more_is_rejected(self) -> None:
        shown = world(MARGIN, (500, 40), (1500, 15))
        move = move_of(shown)
        assert move.reason == reasons.METRIC_BREACH
        assert "error-rate is worse than the champion's by more than 50 %" in said_of(shown, move)

    def test_one_that_is_as_bad_is_not(self) -> None:
        assert is_held(move_of(world(MARGIN, (500, 150), (1500, 450))))

    def test_a_slower_one_is_rejected(self) -> None:
        shown = world(SLOWER, (500, 0), (1500, 0), seconds=(0.8, 0.2))
        move = move_of(shown)
        assert move.reason == reasons.METRIC_BREACH
        assert "latency-p95 is worse than the champion's by more than 20 %" in said_of(shown, move)

    def test_a_step_ends_only_with_evidence(self) -> None:
        shown = world(MARGIN, (500, 0), (1500, 0))
        move = move_of(shown)
        assert is_held(move)
        assert (
            said_of(shown, move)
            == "evidence 1 of 20 that error-rate is not worse than the champion's by more than 50 %"
        )

    def test_with_evidence_it_ends(self) -> None:
        move = move_of(world(MARGIN, (5000, 100), (15_000, 300)))
        assert move.traffic is not None
        assert move.traffic.trial is not None
        assert move.traffic.trial.step == 1

    def test_or_without_where_none_is_asked_for(self) -> None:
        move = move_of(world(MARGIN, (500, 0), (1500, 0), judge={"promoteEvidence": 1}))
        assert move.traffic is not None
        assert move.traffic.trial is not None
        assert move.traffic.trial.step == 1

    def test_without_any_figures_the_policy_for_no_data_decides(self) -> None:
        """Else `Proceed` would end in a wait for evidence that nobody can bring."""
        blind = replace(COMPARED, blind_since=ago_time(4000))
        shown = world(MARGIN, (0, 0), (1500, 15), trial=blind, onNoData="Proceed", maxHold="1h")
        move = move_of(shown)
        assert move.traffic is not None
        assert move.traffic.trial is not None
        assert move.traffic.trial.step == 1

    def test_the_status_has_both_values_and_the_evidence(self) -> None:
        shown = world(MARGIN, (5000, 100), (15_000, 150))
        assert shown.spec is not None
        state = read(shown, shown.spec, NOW)
        (judgement,) = state.judgements
        assert judgement.verdict is CanaryVerdict.PASS or judgement.verdict is CanaryVerdict.BREACH
        assert judgement.champion == pytest.approx(0.01)
        assert judgement.value == pytest.approx(0.02)
        assert judgement.no_worse is not None


class TestSteps:
    def test_the_next_step_keeps_what_was_answered_in_this_one(self) -> None:
        later = replace(COMPARED, passed=("25%",), since=None, entered=ago_time(1))
        whole = with_metrics(metrics=[MARGIN])
        pods = slot(GREEN, "2", 2, of=whole), slot(BLUE, "1", 2, of=whole)
        shown = trial_world(
            later, whole=whole, challenger=pods[0], champion=pods[1],
            readings={**answers(pods[0], 500, 5), **answers(pods[1], 1500, 15)},
        )  # fmt: skip
        move = move_of(shown)
        assert move.traffic is not None
        trial = move.traffic.trial
        assert trial is not None
        assert (trial.weight, trial.since) == (50, NOW)
        assert trial.compared is not None
        assert trial.compared.earlier["error-rate"] == (SlotTallies(Tally(5, 500), Tally(15, 1500)),)
        assert trial.compared.champion.pods["blue-0"].requests == 750
        assert trial.compared.challenger is not None
        assert trial.compared.challenger.pods["green-0"].requests == 250

    def test_the_record_outlives_the_operator(self) -> None:
        earlier = {"error-rate": (SlotTallies(Tally(5, 500), Tally(15, 1500)),)}
        trial = replace(COMPARED, compared=replace(BESIDE, challenger=met(3), earlier=earlier))
        found = parse(dump(on_trial(trial)))
        assert found is not None
        assert found.trial == trial


class TestExposedRequests:
    @pytest.mark.parametrize(("most", "rejected"), [(499, True), (500, True), (501, False), (None, False)])
    def test_no_more_users_meet_it_than_are_allowed(self, most: int | None, rejected: bool) -> None:
        whole = with_metrics(metrics=[BOUND]) if most is None else limited(most)
        move = move_of(trial_world(FIRST_STEP, whole=whole, requests=500))
        assert (move.reason == reasons.EXPOSURE_LIMIT_REACHED) == rejected
        if rejected:
            assert move.traffic is not None
            assert move.traffic.reverted is not None
            assert move.traffic.reverted.revision == V2
            assert "500 requests answered before the end of its steps" in move.traffic.reverted.message

    def test_the_status_counts_as_the_servers_do(self) -> None:
        exposure = met(11, green_0=CounterBaseline(requests=120))
        shown = trial_world(replace(FIRST_STEP, exposure=exposure), whole=limited(1000), requests=500)
        assert shown.spec is not None
        state = read(shown, shown.spec, NOW)
        assert status(state, move_of(shown), {})["challenger"]["exposedRequests"] == 380

    def test_a_pod_that_cannot_be_read_now_has_answered_what_it_had_before(self) -> None:
        shown = trial_world(FIRST_STEP, whole=limited(500), requests=500)
        blind = {uid: (*read, *unreadable(CHALLENGER)[uid]) for uid, read in shown.readings.items()}
        assert move_of(replace(shown, readings=blind)).reason == reasons.EXPOSURE_LIMIT_REACHED

    def test_an_incident_of_both_does_not_suspend_it(self) -> None:
        """Users go on to meet a challenger that is held."""
        shown = world(BOUND, (500, 150), (1500, 450))
        assert shown.spec is not None
        bounded = msgspec.structs.replace(shown.spec.rollout, max_exposed_requests=500)
        move = move_of(replace(shown, spec=msgspec.structs.replace(shown.spec, rollout=bounded)))
        assert move.reason == reasons.EXPOSURE_LIMIT_REACHED

    def test_one_that_has_passed_its_steps_is_promoted(self) -> None:
        passed = replace(FIRST_STEP, passed=("25%", "50%"), weight=50)
        assert move_of(trial_world(passed, whole=limited(10), requests=500)).reason != reasons.EXPOSURE_LIMIT_REACHED


def limited(most: int) -> Any:
    return spec(rollout={"maxExposedRequests": most, "analysis": {"metrics": [BOUND]}})
