"""The actions of a plan and their order; a world that follows the plan is left alone."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.snapshots import (
    NOW,
    SETTINGS,
    SILENT,
    ago,
    ago_time,
    answers,
    commands,
    outcome,
    promoted,
    record,
    rejected,
    revision,
    slot,
    snapshot,
    spec,
)
from tests.unit.rollout.cases import (
    BLUE,
    BOTH_STEPS,
    FIRST_STEP,
    GREEN,
    KNOWN,
    ONE_STEADY,
    TWO_KNOWN,
    TWO_STEADY,
    TWO_WARM,
    V1,
    V2,
    probation_world,
    trial_world,
)
from tests.unit.rollout.plans import applied, condition, order
from viridian.api import reasons
from viridian.api.names import OUTCOME_ANNOTATION, REVISION_LABEL, SLOT_LABEL, TRAFFIC_ANNOTATION
from viridian.api.samples import Idle
from viridian.core.plan import Annotate, Apply, CloseConnections, Delete
from viridian.rollout import records
from viridian.rollout.decide import decide
from viridian.rollout.traffic.record import Reverted


class TestOrder:
    def test_the_record_comes_before_the_pods(self) -> None:
        plan = decide(snapshot(), NOW)
        assert order(plan) == [
            f"apply ControllerRevision churn-{V1}",
            "apply NetworkPolicy churn-server",
            "apply Deployment churn-blue",
            "apply PodDisruptionBudget churn-blue",
        ]

    def test_a_revert_moves_the_traffic_then_closes_then_records(self) -> None:
        plan = decide(trial_world(FIRST_STEP, errors=150), NOW)
        assert order(plan)[:3] == ["apply Service churn", "close green Close", f"record churn-{V2}"]
        live = applied(plan, "Service", "churn")
        assert live["spec"]["selector"][SLOT_LABEL] == "blue"
        recorded = json.loads(live["metadata"]["annotations"][TRAFFIC_ANNOTATION])
        assert recorded["reverted"] == {**recorded["reverted"], "revision": V2, "reason": "MetricBreach"}
        assert "apply Deployment churn-green" not in order(plan), "what still answers there is left until it is drained"

    def test_the_traffic_is_moved_only_if_nobody_has_moved_it_since(self) -> None:
        shown = trial_world(FIRST_STEP, errors=150)
        assert shown.live is not None
        seen = {**shown.live, "metadata": {**shown.live["metadata"], "resourceVersion": "41"}}
        assert (
            applied(decide(replace(shown, live=seen), NOW), "Service", "churn")["metadata"]["resourceVersion"] == "41"
        )
        first = decide(snapshot(slots=[slot(BLUE, "1")], known=KNOWN[:1]), NOW)
        assert "resourceVersion" not in applied(first, "Service", "churn")["metadata"]

    def test_a_breach_in_probation_moves_the_traffic_first_too(self) -> None:
        plan = decide(probation_world(errors=150), NOW)
        assert order(plan)[:3] == ["apply Service churn", "close green Close", f"record churn-{V2}"]

    def test_a_champion_on_probation_that_nobody_serves_is_looked_at_again_soon(self) -> None:
        gone = slot(GREEN, "2", ready=0, unavailable_for=1)
        plan = decide(probation_world(slots=(slot(BLUE, "1"), gone), readings={}), NOW)
        assert plan.wake == NOW + timedelta(seconds=1)

    def test_a_promotion_moves_the_traffic_then_closes_then_records(self) -> None:
        promote = replace(FIRST_STEP, passed=BOTH_STEPS, weight=50, since=None)
        plan = decide(trial_world(promote, blue=2, green=2), NOW)
        assert order(plan)[:3] == ["apply Service churn", "close blue Keep", f"record churn-{V2}"]

    def test_after_the_drain_the_slot_is_given_back_to_the_fallback(self) -> None:
        lost = Reverted(V2, reasons.REJECTED, reasons.METRIC_BREACH, "bad", ago_time(11))
        rest = snapshot(
            wanted="2",
            traffic=replace(ONE_STEADY, reverted=lost),
            slots=[slot(BLUE, "1"), slot(GREEN, "2", 1)],
            known=[record("1", promoted()), record("2", outcome(reasons.REJECTED, 11))],
        )
        assert order(decide(rest, NOW)) == ["delete Deployment churn-green", "delete PodDisruptionBudget churn-green"]
        assert Delete("apps/v1", "Deployment", "churn-green", "deployment-green") in decide(rest, NOW).actions
        with_former = replace(rest, records={**rest.records, **{r.revision: r for r in [record("3", promoted(7200))]}})
        assert order(decide(with_former, NOW)) == ["apply Deployment churn-green"]

    def test_connections_are_closed_again_by_the_next_process(self) -> None:
        lost = Reverted(V2, reasons.REJECTED, reasons.METRIC_BREACH, "bad", ago_time(3))
        shown = snapshot(
            wanted="2",
            traffic=replace(ONE_STEADY, reverted=lost),
            slots=[slot(BLUE, "1"), slot(GREEN, "2", 1)],
            known=KNOWN,
        )
        assert order(decide(shown, NOW))[:2] == ["close green Close", f"record churn-{V2}"]


class TestSteady:
    def test_a_settled_world_is_left_alone(self) -> None:
        plan = decide(snapshot(**TWO_WARM), NOW)
        assert plan.actions == ()
        assert plan.news == ()

    def test_the_status_of_a_settled_world_is_its_own_successor(self) -> None:
        shown = snapshot(**TWO_WARM)
        first = decide(shown, NOW).status
        assert first is not None
        again = decide(replace(shown, status=copy.deepcopy(first)), NOW).status
        assert again == first

    @pytest.mark.parametrize("image", ["viridian-server:2", "elsewhere/viridian-server:9"])
    def test_a_newer_operator_changes_no_deployment(self, image: str) -> None:
        upgraded = replace(snapshot(**TWO_WARM), settings=replace(SETTINGS, server_image=image))
        assert decide(upgraded, NOW).actions == ()

    def test_the_wish_for_more_pods_is_no_new_revision(self) -> None:
        more = spec(server={"replicas": 5})
        plan = decide(snapshot(of=more, **TWO_WARM), NOW)
        assert order(plan) == ["apply Deployment churn-green"]
        assert applied(plan, "Deployment", "churn-green")["spec"]["replicas"] == 5
        assert condition(plan, "Reconciling") == ("True", reasons.SCALING)

    def test_no_pods_wanted_is_obeyed_for_the_champion_alone(self) -> None:
        plan = decide(snapshot(of=spec(server={"replicas": 0}), **TWO_WARM), NOW)
        assert applied(plan, "Deployment", "churn-green")["spec"]["replicas"] == 0
        assert order(plan) == ["apply Deployment churn-green"]
        assert condition(plan, "Ready")[0] == "True"

    def test_the_fallback_is_at_full_size_in_probation_and_warm_afterwards(self) -> None:
        fresh = snapshot(
            of=spec(rollout={"analysis": {"metrics": []}}),
            **{**TWO_WARM, "traffic": replace(TWO_STEADY, since=ago_time(5))},
        )
        assert applied(decide(fresh, NOW), "Deployment", "churn-blue")["spec"]["replicas"] == 2

    def test_the_fallback_is_made_from_its_record(self) -> None:
        """Neither registry nor spec know it any more."""
        plan = decide(snapshot(**{**TWO_WARM, "wanted": SILENT, "slots": (slot(GREEN, "2"),)}), NOW)
        made = applied(plan, "Deployment", "churn-blue")
        assert made["metadata"]["labels"][REVISION_LABEL] == V1
        fetch = made["spec"]["template"]["spec"]["initContainers"][0]
        assert {"name": "VIRIDIAN_MODEL_URI", "value": "mlflow-artifacts:/churn/1"} in fetch["env"]

    def test_a_champion_that_lost_its_record_gets_it_back(self) -> None:
        plan = decide(snapshot(**{**TWO_WARM, "known": TWO_KNOWN[:1]}), NOW)
        assert order(plan) == [f"apply ControllerRevision churn-{V2}"]

    def test_a_champion_without_record_is_kept_as_fallback_while_it_runs(self) -> None:
        promote = replace(FIRST_STEP, passed=BOTH_STEPS, weight=50, since=None)
        plan = decide(trial_world(promote, blue=2, green=2, known=[record("2")]), NOW)
        assert not any(isinstance(action, Delete) for action in plan.actions)

    def test_old_records_go_those_in_use_stay(self) -> None:
        many = [record(str(number), rejected(10_000 - number)) for number in range(10, 22)]
        shown = snapshot(**{**TWO_WARM, "known": (*TWO_KNOWN, *many)})
        assert order(decide(shown, NOW)) == [
            f"delete ControllerRevision churn-{revision('11')}",
            f"delete ControllerRevision churn-{revision('10')}",
        ]


class TestNamesOfSomebodyElse:
    def test_a_name_that_is_not_needed_is_theirs(self) -> None:
        shown = replace(snapshot(**TWO_WARM), taken=frozenset({("Service", "churn-preview"), ("Service", "mine")}))
        assert decide(shown, NOW).status == decide(snapshot(**TWO_WARM), NOW).status

    def test_only_that_object_is_left_out_and_a_bad_challenger_loses_the_traffic(self) -> None:
        shown = replace(
            trial_world(FIRST_STEP, errors=150), preview=None, taken=frozenset({("Service", "churn-preview")})
        )
        plan = decide(shown, NOW)
        assert order(plan)[:3] == ["apply Service churn", "close green Close", f"record churn-{V2}"]
        assert "apply Service churn-preview" not in order(plan)
        assert condition(plan, "Stalled") == ("True", reasons.NAME_TAKEN)
        assert condition(plan, "Ready")[0] == "True"

    def test_a_slot_that_cannot_be_filled_says_whose_name_it_needs(self) -> None:
        shown = snapshot(wanted="2", known=KNOWN, traffic=ONE_STEADY, slots=[slot(BLUE, "1")])
        plan = decide(replace(shown, taken=frozenset({("Deployment", "churn-green")})), NOW)
        assert "apply Deployment churn-green" not in order(plan)
        assert not [a for a in plan.actions if isinstance(a, Apply) and a.tells], "nothing was deployed"
        assert plan.status is not None
        said = next(c["message"] for c in plan.status["conditions"] if c["type"] == "Stalled")
        assert "the Deployment churn-green exists and does not belong to this ModelDeployment; delete it" in said


class TestCommands:
    def test_a_retry_is_recorded_once_in_its_own_words(self) -> None:
        shown = snapshot(
            wanted="2",
            known=(record("1", promoted()), record("2", rejected())),
            traffic=ONE_STEADY,
            slots=[slot(BLUE, "1")],
            annotations=commands(retry=f"{V2}#2"),
        )
        plan = decide(shown, NOW)
        noted = next(a for a in plan.actions if isinstance(a, Annotate))
        latest = json.loads(noted.annotations[OUTCOME_ANNOTATION])[-1]
        assert (latest["outcome"], latest["by"]) == (records.RETRIED, f"viridian.dev/retry={V2}#2")

    def test_an_approval_is_recorded_with_its_words(self) -> None:
        entered = replace(FIRST_STEP, passed=("25%",), approved=f"viridian.dev/approve={V2}", approved_at=ago_time(1))
        plan = decide(trial_world(entered), NOW)
        noted = next(a for a in plan.actions if isinstance(a, Annotate))
        assert json.loads(noted.annotations[OUTCOME_ANNOTATION])[-1] == {
            "outcome": "Approved",
            "at": ago(1),
            "by": f"viridian.dev/approve={V2}",
        }

    def test_a_restart_is_a_revision_of_its_own(self) -> None:
        shown = snapshot(
            slots=[slot(BLUE, "1")], known=KNOWN[:1], traffic=ONE_STEADY, annotations=commands(restart="now")
        )
        plan = decide(shown, NOW)
        assert plan.status is not None
        assert plan.status["challenger"]["revision"] == revision("1", restart="now") != V1

    def test_another_image_is_a_challenger_like_any_other(self) -> None:
        image = spec(
            server={"replicas": 2, "template": {"spec": {"containers": [{"name": "server", "image": "mine"}]}}}
        )
        plan = decide(snapshot(of=image, slots=[slot(BLUE, "1")], known=KNOWN[:1], traffic=ONE_STEADY), NOW)
        made = applied(plan, "Deployment", "churn-green")
        assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "mine"
        assert "apply Service churn" not in order(plan)


def test_a_breach_is_dated_by_its_own_samples_and_not_by_the_noise_before() -> None:
    challenger = slot(GREEN, "2", 1)
    calm = answers(challenger, 2000, 2, since=20, until=5)["green-0"]
    start = calm[-1]
    bad = answers(challenger, 500, 200, since=4, until=0)["green-0"]
    later = tuple(
        replace(
            reading,
            requests={code: start.requests[code] + count for code, count in reading.requests.items()},
            latency=tuple(
                replace(b, count=a.count + b.count) for a, b in zip(start.latency, reading.latency, strict=True)
            ),
        )
        for reading in bad
    )
    shown = trial_world(FIRST_STEP, readings={"green-0": (*calm, *later)})
    plan = decide(shown, NOW)
    live = applied(plan, "Service", "churn")
    reverted = json.loads(live["metadata"]["annotations"][TRAFFIC_ANNOTATION])["reverted"]
    assert reverted["breach_at"] == ago(3)
    assert [(a.idle, a.forward) for a in plan.actions if isinstance(a, CloseConnections)] == [(Idle.CLOSE, True)]
