"""One pass: observe, decide, act, tell; every error becomes an ending, and nothing is written twice."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.memory_cluster import Fault
from tests.support.virtual_time import run_virtually
from tests.unit.controller.world import KEY, NOW, Bench, Scripted, config_map, model_deployment
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.controller.queue import Gone, Retry, Settled
from viridian.controller.reconcile import LONGEST_OUTAGE_WAIT, LONGEST_PASS, SOONEST, Outcome
from viridian.plan.plan import Apply, Event, EventType, Plan, SetAlias
from viridian.ports.cluster import ClusterConflict, ClusterRefused, ClusterUnavailable

PROMOTED = Event(EventType.NORMAL, "Promoted", "version 2 serves")
FIRED = Event(EventType.WARNING, "MonitorFired", "the error rate is high")


def bench(**plan: Any) -> Bench:
    return Bench(Scripted(lambda _: Plan(**plan)))


async def test_an_object_that_is_gone_is_forgotten_everywhere() -> None:
    world = bench()
    world.cluster.remove(MODEL_DEPLOYMENT, "churn")
    assert await world.reconcile(KEY) == Gone()
    assert world.kind.forgotten == world.observer.forgotten == world.forgotten == [KEY]
    assert world.told() == []


async def test_an_object_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    world = bench(actions=(Apply(config_map()),))
    world.cluster.edit(
        MODEL_DEPLOYMENT, "churn", lambda found: found["metadata"].update(finalizers=["example.com/other"])
    )
    world.cluster.remove(MODEL_DEPLOYMENT, "churn")
    assert await world.reconcile(KEY) == Settled()
    assert world.told() == []


async def test_every_event_comes_after_what_it_tells_of() -> None:
    world = bench(actions=(Apply(config_map(), (PROMOTED,)),), status={"replicas": 2}, news=(FIRED,))
    assert await world.reconcile(KEY) == Settled(300.0)
    assert world.told() == [
        "apply ConfigMap child",
        "record event ModelDeployment churn",
        "apply status ModelDeployment churn",
        "record event ModelDeployment churn",
    ]
    assert [reason for _, reason, _ in world.cluster.events()] == ["Promoted", "MonitorFired"]
    assert world.status == {"replicas": 2}


async def test_what_was_done_is_told_although_somebody_else_wrote_before_the_status() -> None:
    """The next pass finds it done and has nothing to tell of it; what is new in the status it finds again."""
    world = bench(actions=(Apply(config_map(), (PROMOTED,)),), status={"replicas": 2}, news=(FIRED,))
    world.cluster.faults.on(lambda call: call.verb == "apply status", Fault.CONFLICT, times=1)
    assert await world.reconcile(KEY) == Retry(at_once=True)
    assert [reason for _, reason, _ in world.cluster.events()] == ["Promoted"]
    world.kind.plan = lambda _: Plan(status={"replicas": 2}, news=(FIRED,))
    assert await world.reconcile(KEY) == Settled(300.0)
    assert [reason for _, reason, _ in world.cluster.events()] == ["Promoted", "MonitorFired"]


@pytest.mark.parametrize("fault", [Fault.CONFLICT, Fault.SERVER_ERROR, Fault.REFUSED])
async def test_what_was_done_is_told_although_the_rest_of_the_plan_failed(fault: Fault) -> None:
    world = bench(actions=(Apply(config_map("a"), (PROMOTED,)), Apply(config_map("b"), (FIRED,))), status={})
    world.cluster.faults.on(lambda call: call.name == "b", fault, times=9)
    assert isinstance(await world.reconcile(KEY), Retry)
    assert [reason for _, reason, _ in world.cluster.events()] == ["Promoted"]


async def test_a_status_that_says_nothing_new_is_not_written() -> None:
    world = bench(status={"replicas": 2, "history": (), "champion": None})
    await world.reconcile(KEY)
    await world.reconcile(KEY)
    assert world.told() == ["apply status ModelDeployment churn"]
    assert world.observer.outcomes == [Outcome.CHANGED, Outcome.UNCHANGED]


async def test_a_field_that_the_server_drops_is_not_written_for_ever() -> None:
    """A status that the schema prunes would otherwise be a loop of writes (P2)."""
    world = bench(status={"replicas": 2, "unknown": "field"})

    async def pruning(manifest: Any, *, manager: str) -> Any:
        status = {"replicas": manifest["status"]["replicas"]}
        return await apply_status({**manifest, "status": status}, manager=manager)

    apply_status, world.cluster.apply_status = world.cluster.apply_status, pruning  # type: ignore[method-assign]
    for _ in range(5):
        await world.reconcile(KEY)
    assert len(world.told()) == 1


async def test_a_status_that_someone_deleted_is_written_again() -> None:
    world = bench(status={"replicas": 2})
    await world.reconcile(KEY)
    world.cluster.edit(MODEL_DEPLOYMENT, "churn", lambda found: found.update(status={}))
    await world.reconcile(KEY)
    assert world.status == {"replicas": 2}


async def test_no_event_tells_of_a_write_that_failed() -> None:
    world = bench(actions=(Apply(config_map(), (PROMOTED,)),), status={"replicas": 2}, news=(FIRED,))
    world.cluster.faults.on_write(1, Fault.LOSE_REQUEST)
    assert isinstance(await world.reconcile(KEY), Retry)
    assert world.cluster.events() == []


async def test_an_event_that_cannot_be_told_does_not_fail_the_pass() -> None:
    world = bench(status={"replicas": 2}, actions=(Apply(config_map(), (PROMOTED,)),))
    world.cluster.faults.on(lambda call: call.verb == "record event", Fault.REFUSED, times=1)
    assert await world.reconcile(KEY) == Settled(300.0)


async def test_the_status_is_for_the_object_that_was_read_and_no_namesake() -> None:
    world = bench(status={"replicas": 2})

    def replaced(call: Any) -> None:
        if call.verb == "apply status":
            world.cluster.before_call = None
            world.cluster.remove(MODEL_DEPLOYMENT, "churn")
            world.cluster.create(model_deployment())

    world.cluster.before_call = replaced
    assert await world.reconcile(KEY) == Retry(at_once=True)
    assert world.status == {}


async def test_what_was_decided_about_an_older_spec_is_not_told_of_the_new_one() -> None:
    world = bench(status={"replicas": 2})

    def edited(call: Any) -> None:
        if call.verb == "apply status":
            world.cluster.before_call = None
            world.cluster.annotate(MODEL_DEPLOYMENT, "churn", **{"viridian.dev/retry": "abc"})

    world.cluster.before_call = edited
    assert await world.reconcile(KEY) == Retry(at_once=True)
    assert await world.reconcile(KEY) == Settled(300.0)
    assert world.status == {"replicas": 2}


async def test_a_conflict_is_looked_at_again_at_once() -> None:
    world = bench(actions=(Apply(config_map()),), status={"replicas": 2})
    world.cluster.faults.on_write(1, Fault.CONFLICT)
    assert await world.reconcile(KEY) == Retry(at_once=True)
    assert world.told() == ["apply ConfigMap child"]
    assert world.observer.outcomes == [Outcome.CONFLICT]


async def test_an_outage_is_waited_for_but_never_for_long() -> None:
    world = bench(actions=(Apply(config_map()),))
    world.cluster.faults.on_write(1, Fault.THROTTLED)
    assert await world.reconcile(KEY) == Retry(at_least=1.0, at_most=LONGEST_OUTAGE_WAIT)
    assert world.observer.outcomes == [Outcome.UNAVAILABLE]


async def test_a_refusal_is_told_in_the_status_and_ends_the_actions() -> None:
    world = bench(actions=(Apply(config_map("a"), (PROMOTED,)), Apply(config_map("b"))), status={"replicas": 2})
    world.cluster.faults.on(lambda call: call.name == "a", Fault.REFUSED, times=9)
    assert isinstance(await world.reconcile(KEY), Retry)
    assert world.status == {"refused": "not allowed"}
    assert world.cluster.find("ConfigMap", "b") is None
    assert world.cluster.events() == []
    world.cluster.forget_calls()
    await world.reconcile(KEY)
    assert world.told() == ["apply ConfigMap a"], "the same refusal is told once"


async def test_a_registry_that_is_down_delays_neither_status_nor_next_pass() -> None:
    world = bench(
        actions=(SetAlias("churn", "champion", "2"), Apply(config_map())),
        status={"replicas": 2},
        wake=NOW + timedelta(seconds=1),
    )
    world.registry.unavailable = True
    ending = await world.reconcile(KEY)
    assert isinstance(ending, Retry)
    assert ending.at_most <= 1.0
    assert world.status == {"replicas": 2}
    assert world.cluster.find("ConfigMap", "child")
    assert world.observer.outcomes == [Outcome.REGISTRY_FAILED]


async def test_what_the_registry_refuses_is_told_and_tried_again_with_back_off() -> None:
    """The plan wants the next pass at once because of what it did; that would be a hot loop."""
    world = bench(actions=(SetAlias("churn", "champion", "7"), Apply(config_map())), status={"replicas": 2}, wake=NOW)
    world.kind.after_silence = lambda plan, said: replace(plan, status={"said": said})
    assert await world.reconcile(KEY) == Retry(at_most=LONGEST_OUTAGE_WAIT)
    assert "alias champion of churn to version 7" in world.status["said"]
    assert world.cluster.find("ConfigMap", "child")
    world.kind.after_silence = lambda plan, _: replace(plan, wake=NOW + timedelta(seconds=60))
    ending = await world.reconcile(KEY)
    assert isinstance(ending, Retry)
    assert 50 < ending.at_most <= 60


async def test_what_was_written_to_the_registry_is_passed_on() -> None:
    world = bench(actions=(SetAlias("churn", "champion", "1"),))
    world.registry.add_version("churn")
    await world.reconcile(KEY)
    assert world.written == [(KEY, frozenset({"churn"}))]


@pytest.mark.parametrize(
    ("seconds", "after"), [(30, 30.0), (1000, 300.0), (0, SOONEST), (-5, SOONEST)], ids=["soon", "late", "now", "past"]
)
def test_the_next_pass_comes_when_the_plan_wants_it_and_with_the_resync_at_the_latest(
    seconds: int, after: float
) -> None:
    async def main() -> None:
        assert await bench(wake=NOW + timedelta(seconds=seconds)).reconcile(KEY) == Settled(after)

    run_virtually(main())


def test_what_acting_takes_is_no_delay_of_the_next_look() -> None:
    """A judge that looks every second must not look every second and a half because the API server is slow."""

    async def main() -> None:
        world = bench(status={"replicas": 2}, wake=NOW + timedelta(seconds=1))
        apply_status = world.cluster.apply_status

        async def slowly(manifest: Any, *, manager: str) -> Any:
            await asyncio.sleep(0.4)
            return await apply_status(manifest, manager=manager)

        world.cluster.apply_status = slowly  # type: ignore[method-assign]
        ending = await world.reconcile(KEY)
        assert isinstance(ending, Settled)
        assert ending.after == pytest.approx(0.6)

    run_virtually(main())


@pytest.mark.parametrize(
    "error", [RuntimeError("a mistake"), KeyError("metadata"), ExceptionGroup("two", [ValueError()])]
)
async def test_a_mistake_is_logged_with_the_key_counted_and_backed_off(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world = bench()
    world.kind.observe_error = error
    with caplog.at_level(logging.ERROR):
        assert await world.reconcile(KEY) == Retry()
    assert world.observer.outcomes == [Outcome.ERROR]
    assert [vars(record)["key"] for record in caplog.records] == ["ModelDeployment default/churn"]


def test_a_pass_that_does_not_end_is_cut_counted_and_backed_off(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        world = bench(status={"replicas": 2})

        async def never(manifest: Any, *, manager: str) -> Any:
            await asyncio.Event().wait()

        world.cluster.apply_status = never  # type: ignore[method-assign]
        assert await world.reconcile(KEY) == Retry()
        assert asyncio.get_running_loop().time() == LONGEST_PASS
        assert world.observer.outcomes == [Outcome.ERROR]
        assert "a pass was cut after 300 s" in caplog.text

    run_virtually(main())


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ClusterConflict("x"), Retry(at_once=True)),
        (ClusterUnavailable("x", retry_after=7), Retry(at_least=7, at_most=LONGEST_OUTAGE_WAIT)),
        (ClusterRefused("x"), Retry()),
    ],
)
async def test_errors_while_observing(error: Exception, ending: Retry) -> None:
    world = bench()
    world.kind.observe_error = error
    assert await world.reconcile(KEY) == ending
    assert world.told() == []


async def test_three_failed_status_writes_heal_without_any_new_event() -> None:
    """Kopf's trap B: what failed once is not lost, since the queue retries the whole pass."""
    world = bench(status={"replicas": 2})
    world.cluster.faults.on(lambda call: call.verb == "apply status", Fault.SERVER_ERROR, times=3)
    endings = [await world.reconcile(KEY) for _ in range(4)]
    assert [type(ending) for ending in endings] == [Retry, Retry, Retry, Settled]
    assert world.status == {"replicas": 2}
