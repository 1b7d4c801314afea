"""The operator's metrics: known names, bounded series, and nothing left of an object that is gone."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.controller.world import KEY
from viridian.api import reasons
from viridian.api.names import RETRAIN_POLICY
from viridian.controller.backoff import Backoff
from viridian.controller.exposition import line
from viridian.controller.health import Heartbeat
from viridian.controller.keys import Key
from viridian.controller.queue import Ending, Settled, WorkQueue
from viridian.controller.reconcile import PassResult
from viridian.controller.telemetry import Telemetry

POLICY = Key(RETRAIN_POLICY, "default", "weekly")


def samples(telemetry: Telemetry) -> dict[str, float]:
    """Each series as Prometheus would read it."""
    families = text_string_to_metric_families(b"".join(telemetry.exposition()).decode())
    return {
        f"{sample.name}{{{','.join(f'{key}={value}' for key, value in sorted(sample.labels.items()))}}}": sample.value
        for family in families
        for sample in family.samples
    }


async def test_the_queue_is_told_under_the_names_that_people_know() -> None:
    async def handle(key: Key) -> Ending:
        return Settled()

    telemetry = Telemetry()
    observer = telemetry.of("rollout", KEY.kind)
    queue = WorkQueue(handle, backoff=Backoff(lambda: 0.5), observer=observer)
    telemetry.watch_queue("rollout", queue)
    await queue.drain([KEY])
    queue.add(POLICY)
    observer.retried()
    told = samples(telemetry)
    assert told["workqueue_depth{lane=idle,name=rollout}"] == 1
    assert told["workqueue_depth{lane=at_stake,name=rollout}"] == 0
    assert told["workqueue_adds_total{name=rollout}"] == 2
    assert told["workqueue_retries_total{name=rollout}"] == 1
    assert told["workqueue_queue_duration_seconds_count{lane=idle,name=rollout}"] == 1
    assert told["workqueue_work_duration_seconds_count{name=rollout}"] == 1
    assert told["workqueue_longest_running_processor_seconds{name=rollout}"] == 0
    assert told["workqueue_unfinished_work_seconds{name=rollout}"] == 0


async def test_passes_calls_and_lag() -> None:
    telemetry = Telemetry()
    heartbeat = Heartbeat()
    telemetry.watch_lag(lambda: heartbeat.lag)
    telemetry.of("retraining", POLICY.kind)
    telemetry.of("rollout", KEY.kind).reconciled(KEY, PassResult.CHANGED, 0.2)
    telemetry.called("apply", "deployments", "200", 0.01)
    telemetry.called("watch", "services", "200", 60.0)
    told = samples(telemetry)
    assert told["viridian_reconciles_total{kind=ModelDeployment,outcome=changed,reconciler=rollout}"] == 1
    assert told["viridian_reconciles_total{kind=RetrainPolicy,outcome=error,reconciler=retraining}"] == 0
    assert told["viridian_reconcile_seconds_count{kind=ModelDeployment,reconciler=rollout}"] == 1
    assert told["viridian_api_requests_total{code=200,resource=deployments,verb=apply}"] == 1
    assert told["viridian_api_requests_total{code=200,resource=services,verb=watch}"] == 1
    assert "viridian_api_request_seconds_count{resource=services,verb=watch}" not in told
    assert told["viridian_loop_lag_seconds{name=viridian}"] < 5
    await asyncio.sleep(0)


def test_a_model_on_trial() -> None:
    telemetry = Telemetry()
    challenger = {"weight": 25, "metrics": [{"name": "error-rate", "verdict": "Pass"}]}
    conditions = [{"type": "Ready", "status": "True"}, {"type": "RollbackReady", "status": "Unknown"}]
    telemetry.of("rollout", KEY.kind).seen(
        KEY, {"champion": {"version": "1"}, "challenger": challenger, "conditions": conditions}
    )
    told = samples(telemetry)
    assert told["viridian_model_weight{name=churn,namespace=default,role=champion}"] == 75
    assert told["viridian_model_weight{name=churn,namespace=default,role=challenger}"] == 25
    assert told["viridian_verdict{metric=error-rate,name=churn,namespace=default,verdict=Pass}"] == 1
    assert told["viridian_condition{kind=ModelDeployment,model=churn,name=churn,namespace=default,type=Ready}"] == 1
    assert (
        told["viridian_condition{kind=ModelDeployment,model=churn,name=churn,namespace=default,type=RollbackReady}"]
        == -1
    )


def test_a_rollback_is_counted_once_and_one_from_before_the_start_is_not() -> None:
    telemetry = Telemetry()
    old = {"lastRollback": {"revertedAt": "2026-11-22T00:00:00Z", "seconds": 9.0}}
    new = {"lastRollback": {"revertedAt": "2026-11-23T00:00:00Z", "seconds": 1.2}}
    for status in (old, old, new, new):
        telemetry.of("rollout", KEY.kind).seen(KEY, status)
    told = samples(telemetry)
    assert told["viridian_rollbacks_total{name=churn,namespace=default}"] == 1
    assert told["viridian_time_to_revert_seconds_count{}"] == 1
    assert told["viridian_time_to_revert_seconds_sum{}"] == 1.2
    assert told["viridian_time_to_revert_seconds_bucket{le=1.0}"] == 0
    assert told["viridian_time_to_revert_seconds_bucket{le=1.5}"] == 1
    assert told["viridian_time_to_revert_seconds_bucket{le=+Inf}"] == 1


def test_runs_of_a_policy() -> None:
    telemetry = Telemetry()
    for status in (
        {},
        {"activeRun": {"id": "a"}},
        {"lastRun": {"id": "a", "outcome": "HandedOver"}},
        {"lastRun": {"id": "b", "outcome": "Rejected"}, "activeRun": {"id": "c"}},
    ):
        telemetry.of("retraining", POLICY.kind).seen(POLICY, status)
    told = samples(telemetry)
    assert told["viridian_runs_total{name=weekly,namespace=default,outcome=HandedOver}"] == 1
    assert told["viridian_runs_total{name=weekly,namespace=default,outcome=Rejected}"] == 1
    assert told["viridian_run_active{name=weekly,namespace=default}"] == 1


def test_triggers_that_start_no_run_are_shown_with_the_reason_until_they_fire() -> None:
    telemetry = Telemetry()
    retraining = telemetry.of("retraining", POLICY.kind)
    held = [
        {"name": "drifted", "suppressed": {"count": 3, "reason": "Cooldown"}},
        {"name": "daily", "suppressed": {"reason": "Suspended"}},
        {"name": "fresh"},
    ]
    retraining.seen(POLICY, {"triggers": held})
    told = samples(telemetry)
    assert told["viridian_trigger_suppressed{name=weekly,namespace=default,reason=Cooldown,trigger=drifted}"] == 3
    assert told["viridian_trigger_suppressed{name=weekly,namespace=default,reason=Suspended,trigger=daily}"] == 1
    retraining.seen(POLICY, {"triggers": [{"name": "drifted", "lastFired": "2026-11-22T03:00:00Z"}]})
    assert not [series for series in samples(telemetry) if series.startswith("viridian_trigger_suppressed")]


def test_how_long_a_cause_waited_for_its_run_is_observed_once_for_each_trigger() -> None:
    """R134: how late the loop is as a whole, from what was found to the run that answers it."""
    telemetry = Telemetry()
    retraining = telemetry.of("retraining", POLICY.kind)
    fired = [
        {"name": "drifted", "lastFired": "2026-11-22T03:00:00Z"},
        {"name": "daily", "lastFired": "2026-11-22T03:59:30Z"},
    ]
    run = {"id": "b", "startedAt": "2026-11-22T04:00:00Z"}
    known = [{"name": "daily", "lastFired": "2026-11-21T03:59:30Z"}]
    for status in ({"triggers": known}, {"triggers": fired, "activeRun": run}, {"triggers": fired, "activeRun": run}):
        retraining.seen(POLICY, status)
    retraining.seen(POLICY, {"triggers": fired, "lastRun": run})
    told = samples(telemetry)
    assert told["viridian_trigger_wait_seconds_count{}"] == 2
    assert told["viridian_trigger_wait_seconds_sum{}"] == 3630


def test_a_run_from_before_the_start_says_nothing_about_how_long_its_cause_waited() -> None:
    telemetry = Telemetry()
    status = {"triggers": [{"name": "daily", "lastFired": "2026-11-22T03:00:00Z"}]}
    telemetry.of("retraining", POLICY.kind).seen(POLICY, {**status, "activeRun": {"startedAt": "2026-11-22T04:00:00Z"}})
    assert samples(telemetry)["viridian_trigger_wait_seconds_count{}"] == 0


def test_a_review_that_is_due_shows_since_when_and_is_gone_when_it_was_held() -> None:
    telemetry = Telemetry()
    monitoring = telemetry.of("monitoring", KEY.kind)
    condition = {"type": "ReviewDue", "status": "True", "lastTransitionTime": "2026-11-22T04:00:00Z"}
    monitoring.seen(KEY, {"conditions": [condition]})
    assert (
        samples(telemetry)["viridian_review_due_since_seconds{model=churn,name=churn,namespace=default}"] == 1795320000
    )
    monitoring.seen(KEY, {"conditions": [{**condition, "status": "False"}]})
    assert not [series for series in samples(telemetry) if series.startswith("viridian_review_due_since")]


def test_nothing_is_left_of_an_object_that_is_gone() -> None:
    telemetry = Telemetry()
    telemetry.of("rollout", KEY.kind).seen(
        KEY, {"champion": {"version": "1"}, "conditions": [{"type": "Ready", "status": "True"}]}
    )
    telemetry.of("rollout", KEY.kind).forget(KEY)
    assert not [series for series in samples(telemetry) if "churn" in series]


def test_an_object_that_goes_while_the_answer_is_made_harms_nothing() -> None:
    telemetry = Telemetry()
    for number in range(3000):
        telemetry.of("rollout", KEY.kind).seen(Key(KEY.kind, "default", f"m{number}"), {"champion": {"version": "1"}})
    text = b""
    for piece in telemetry.exposition():
        assert piece.endswith(b"\n"), "a piece holds whole lines"
        text += piece
        if b"viridian_model_weight{" in text:
            telemetry.of("rollout", KEY.kind).forget(Key(KEY.kind, "default", "m1"))
    assert len(list(telemetry.exposition())) > 6, "the answer comes in slices"
    assert text.count(b"viridian_model_weight{") == 3000
    assert text.count(b"viridian_rollbacks_total{") == 2999


@given(text=st.text(max_size=20), value=st.floats())
def test_a_line_is_read_as_it_was_meant(text: str, value: float) -> None:
    (read,) = text_string_to_metric_families(line("some_figure", {"feature": text, "of": "x"}, value).decode())
    (sample,) = read.samples
    assert sample.labels == {"feature": text, "of": "x"}
    assert sample.value == value or (math.isnan(sample.value) and math.isnan(value))


def test_a_recovery_is_counted_once_and_with_its_time() -> None:
    telemetry = Telemetry()
    observer = telemetry.of("trail", KEY.kind)
    incident = {"id": "a1", "monitor": "inputs", "began": "2026-11-01T00:00:00Z"}
    over = {**incident, "recovered": "2026-11-13T00:00:00Z", "seconds": 12 * 86400}
    earlier = {**over, "id": "a0"}
    for known in ([incident, earlier], [over, earlier], [over, earlier]):
        observer.seen(KEY, {"incidents": known})
    told = samples(telemetry)
    assert told["viridian_time_to_recover_seconds_count{}"] == 1
    assert told["viridian_time_to_recover_seconds_sum{}"] == 12 * 86400
    assert told["viridian_time_to_recover_seconds_bucket{le=604800.0}"] == 0
    assert told["viridian_time_to_recover_seconds_bucket{le=1.2096e+06}"] == 1


def test_the_parts_of_a_way_back_are_timed_once_the_last_answer_is_known() -> None:
    telemetry = Telemetry()
    back = {
        "reason": reasons.METRIC_BREACH,
        "breachAt": "2026-11-23T00:00:00.000000Z",
        "decidedAt": "2026-11-23T00:00:00.500000Z",
        "revertedAt": "2026-11-23T00:00:00.550000Z",
        "seconds": 0.55,
    }
    later = {"lastAnswerAt": "2026-11-23T00:00:00.750000Z"}
    for status in (
        {},
        {"lastRollback": back},
        {"lastRollback": {**back, **later}},
        {"lastRollback": {**back, **later}},
    ):
        telemetry.of("rollout", KEY.kind).seen(KEY, status)
    telemetry.figures.switched(0.1)
    told = samples(telemetry)
    for stage, seconds in (("Evidence", 0.5), ("Switch", 0.1), ("LastAnswer", 0.25)):
        assert told[f"viridian_revert_stage_seconds_count{{stage={stage}}}"] == 1
        assert told[f"viridian_revert_stage_seconds_sum{{stage={stage}}}"] == pytest.approx(seconds)
    assert told["viridian_time_to_revert_seconds_count{}"] == 1


@pytest.mark.parametrize(
    "back",
    [
        {"reason": reasons.ROLLED_BACK},
        {"reason": reasons.METRIC_BREACH},
        {"reason": reasons.CHAMPION_UNAVAILABLE, "breachAt": "2026-11-23T00:00:00Z", "seconds": 0.0},
        {"reason": reasons.WORSE_THAN_PROMISED, "breachAt": "2026-11-22T00:00:00Z", "seconds": 86400.0},
    ],
    ids=["by a person", "a crash loop", "pods that are not ready", "outcomes of days ago"],
)
def test_a_rollback_without_a_bad_answer_is_counted_and_not_timed(back: dict[str, Any]) -> None:
    telemetry = Telemetry()
    for status in ({}, {"lastRollback": {**back, "revertedAt": "2026-11-23T00:00:00Z"}}):
        telemetry.of("rollout", KEY.kind).seen(KEY, status)
    told = samples(telemetry)
    assert told["viridian_rollbacks_total{name=churn,namespace=default}"] == 1
    assert told["viridian_time_to_revert_seconds_count{}"] == 0
