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
from viridian.controller.attempts import PATIENCE
from viridian.controller.queue import Gone, Retry, Settled
from viridian.controller.reconcile import LONGEST_OUTAGE_WAIT, LONGEST_PASS, MISTAKES_IN_A_ROW, SOONEST, PassResult
from viridian.core.obstacles import Obstacles
from viridian.core.plan import Apply, Event, EventType, Plan, SetAlias
from viridian.core.urgency import Urgency
from viridian.ports.cluster import ClusterConflict, ClusterRefused, ClusterUnavailable

PROMOTED = Event(EventType.NORMAL, "Promoted", "version 2 serves")
FIRED = Event(EventType.WARNING, "MonitorFired", "the error rate is high")


AT_ONCE = Retry(at_once=True, urgency=Urgency.IDLE)
"""After a conflict; at most as long as the plan wants to wait."""
A_MISTAKE = Retry(at_most=LONGEST_OUTAGE_WAIT)


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
    assert await world.reconcile(KEY) == Settled(None, Urgency.IDLE)
    assert world.told() == [
        "apply ConfigMap child",
        "record event ModelDeployment churn",
        "apply status ModelDeployment churn",
        "record event ModelDeployment churn",
    ]
    assert [reason for _, reason, _ in world.cluster.events()] == ["Promoted", "MonitorFired"]
    assert world.status == {"replicas": 2}


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "going"])
async def test_a_namespace_that_is_deleted_is_nothing_to_warn_of(gone: bool, caplog: pytest.LogCaptureFixture) -> None:
    world = bench(actions=(Apply(config_map(), (PROMOTED,)),))
    write = world.cluster.apply

    async def and_the_namespace_goes(*manifest: Any, **more: Any) -> Any:
        done = await write(*manifest, **more)
        if not gone:
            world.cluster.edit(
                "Namespace", "default", lambda found: found["metadata"].update(finalizers=["kubernetes"]), namespace=""
            )
        world.cluster.remove("Namespace", "default", namespace="")
        return done

    world.cluster.apply = and_the_namespace_goes  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING):
        await world.reconcile(KEY)
    assert world.cluster.events() == []
    assert caplog.text == ""


async def test_what_was_done_is_told_although_somebody_else_wrote_before_the_status() -> None:
    """The next pass finds it done and has nothing to tell of it; what is new in the status it finds again."""
    world = bench(actions=(Apply(config_map(), (PROMOTED,)),), status={"replicas": 2}, news=(FIRED,))
    world.cluster.faults.on(lambda call: call.verb == "apply status", Fault.CONFLICT, times=1)
    assert await world.reconcile(KEY) == AT_ONCE
    assert [reason for _, reason, _ in world.cluster.events()] == ["Promoted"]
    world.kind.plan = lambda _: Plan(status={"replicas": 2}, news=(FIRED,))
    assert await world.reconcile(KEY) == Settled(None, Urgency.IDLE)
    assert [reason for _, reason, _ in world.cluster.events()] == ["Promoted", "MonitorFired"]


@pytest.mark.parametrize("fault", [Fault.CONFLICT, Fault.SERVER_ERROR, Fault.REFUSED])
async def test_what_was_done_is_told_although_the_rest_of_the_plan_failed(fault: Fault) -> None:
    world = bench(actions=(Apply(config_map("a"), (PROMOTED,)), Apply(config_map("b"), (FIRED,))), status={})
    world.cluster.faults.on(lambda call: call.name == "b", fault, times=9)
    assert isinstance(await world.reconcile(KEY), Retry if fault is Fault.CONFLICT else Settled)
    assert [reason for _, reason, _ in world.cluster.events()] == ["Promoted"]


async def test_the_queue_hears_how_urgent_the_plan_found_the_object() -> None:
    assert await bench(urgency=Urgency.AT_STAKE).reconcile(KEY) == Settled(None, Urgency.AT_STAKE)


async def test_a_status_that_says_nothing_new_is_not_written() -> None:
    world = bench(status={"replicas": 2, "history": (), "champion": None})
    await world.reconcile(KEY)
    await world.reconcile(KEY)
    assert world.told() == ["apply status ModelDeployment churn"]
    assert world.observer.outcomes == [PassResult.CHANGED, PassResult.UNCHANGED]


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


@pytest.mark.parametrize("verb", ["apply", "apply status"])
async def test_no_event_tells_of_a_write_that_failed(verb: str) -> None:
    world = bench(actions=(Apply(config_map(), (PROMOTED,)),), status={"replicas": 2}, news=(FIRED,))
    world.cluster.faults.on(lambda call: call.verb == verb, Fault.LOSE_REQUEST)
    assert isinstance(await world.reconcile(KEY), Settled)
    assert [reason for _, reason, _ in world.cluster.events()] == ["MonitorFired" if verb == "apply" else "Promoted"]


async def test_an_event_that_cannot_be_told_does_not_fail_the_pass() -> None:
    world = bench(status={"replicas": 2}, actions=(Apply(config_map(), (PROMOTED,)),))
    world.cluster.faults.on(lambda call: call.verb == "record event", Fault.REFUSED, times=1)
    assert await world.reconcile(KEY) == Settled(None, Urgency.IDLE)


async def test_the_status_is_for_the_object_that_was_read_and_no_namesake() -> None:
    world = bench(status={"replicas": 2})

    def replaced(call: Any) -> None:
        if call.verb == "apply status":
            world.cluster.before_call = None
            world.cluster.remove(MODEL_DEPLOYMENT, "churn")
            world.cluster.create(model_deployment())

    world.cluster.before_call = replaced
    assert await world.reconcile(KEY) == AT_ONCE
    assert world.status == {}


async def test_what_was_decided_about_an_older_spec_is_not_told_of_the_new_one() -> None:
    world = bench(status={"replicas": 2})

    def edited(call: Any) -> None:
        if call.verb == "apply status":
            world.cluster.before_call = None
            world.cluster.annotate(MODEL_DEPLOYMENT, "churn", **{"viridian.dev/retry": "abc"})

    world.cluster.before_call = edited
    assert await world.reconcile(KEY) == AT_ONCE
    assert await world.reconcile(KEY) == Settled(None, Urgency.IDLE)
    assert world.status == {"replicas": 2}


async def test_a_conflict_is_looked_at_again_at_once() -> None:
    world = bench(actions=(Apply(config_map()),), status={"replicas": 2})
    world.cluster.faults.on_write(1, Fault.CONFLICT)
    assert await world.reconcile(KEY) == AT_ONCE
    assert world.told() == ["apply ConfigMap child"]
    assert world.observer.outcomes == [PassResult.CONFLICT]


async def test_an_outage_is_waited_for_but_never_for_long() -> None:
    world = bench()
    world.cluster.faults.on(lambda call: call.verb == "get", Fault.THROTTLED)
    assert await world.reconcile(KEY) == Retry(at_least=1.0, at_most=LONGEST_OUTAGE_WAIT)
    assert world.observer.outcomes == [PassResult.UNAVAILABLE]


def hindered(plan: Plan, obstacles: Obstacles) -> Plan:
    said = [f"{obstacle.kind} {obstacle.name}: {obstacle.message}" for obstacle in obstacles.values()]
    return replace(plan, status={"replicas": 2, "refused": said})


def test_a_refusal_is_told_everything_else_is_done_and_the_plan_says_when_to_look_again() -> None:
    async def main() -> None:
        actions = (Apply(config_map("a"), (PROMOTED,)), Apply(config_map("b")))
        world = bench(actions=actions, status={"replicas": 2}, wake=NOW + timedelta(seconds=1))
        world.kind.hindered = hindered
        world.cluster.faults.on(lambda call: call.name == "a", Fault.REFUSED, times=3)
        looks, told = 0, []
        while world.cluster.find("ConfigMap", "a") is None:
            ending = await world.reconcile(KEY)
            assert isinstance(ending, Settled)
            assert ending.after is not None
            assert ending.after <= 1.0, "the plan wants a look each second"
            await asyncio.sleep(ending.after)
            looks += 1
            told.append(list(world.told()))
            if world.cluster.find("ConfigMap", "a") is None:
                assert world.status["refused"] == ["ConfigMap a: not allowed"]
                assert world.cluster.events() == []
            world.cluster.forget_calls()
        assert looks > 6
        assert told[0] == ["apply ConfigMap a", "apply ConfigMap b", "apply status ModelDeployment churn"]
        assert sum("apply ConfigMap a" in one for one in told) == 4, "refused three times, with back-off"
        assert world.status == {"replicas": 2}
        assert [reason for _, reason, _ in world.cluster.events()] == ["Promoted"]

    run_virtually(main())


def test_a_plan_that_was_refused_and_wants_the_next_look_at_once_is_no_hot_loop() -> None:
    async def main() -> None:
        world = bench(actions=(Apply(config_map("a")),), status={"replicas": 2}, wake=NOW)
        world.cluster.faults.on(lambda call: call.name == "a", Fault.REFUSED, times=999)
        looks = 0
        while asyncio.get_running_loop().time() < 600:
            ending = await world.reconcile(KEY)
            assert isinstance(ending, Settled)
            assert ending.after is not None
            await asyncio.sleep(ending.after)
            looks += 1
        assert looks < 30

    run_virtually(main())


def test_another_wish_about_a_refused_object_is_tried_at_once() -> None:
    async def main() -> None:
        world = bench(actions=(Apply(config_map("a", wish="1")),), status={"replicas": 2})
        world.cluster.faults.on(lambda call: call.name == "a", Fault.REFUSED, times=1)
        await world.reconcile(KEY)
        world.kind.plan = lambda _: Plan(actions=(Apply(config_map("a", wish="2")),), status={"replicas": 2})
        await world.reconcile(KEY)
        found = world.cluster.find("ConfigMap", "a")
        assert found is not None
        assert found["data"] == {"wish": "2"}

    run_virtually(main())


def test_a_write_that_hangs_slows_no_look_and_is_told_of_when_it_is_done() -> None:
    """A webhook that nobody answers for: ten seconds a write, and users wait for the judge."""

    async def main() -> None:
        world = bench(actions=(Apply(config_map("a"), (PROMOTED,)), Apply(config_map("b"))), status={"replicas": 2})
        world.kind.hindered = hindered
        apply, under_way = world.cluster.apply, 0

        async def slowly(manifest: Any, *, manager: str, force: bool = True) -> Any:
            nonlocal under_way
            if manifest["metadata"]["name"] == "a":
                under_way += 1
                assert under_way == 1, "never two writes of one object at a time"
                await asyncio.sleep(9)
                under_way -= 1
            return await apply(manifest, manager=manager, force=force)

        world.cluster.apply = slowly  # type: ignore[method-assign]
        began = asyncio.get_running_loop().time()
        await world.reconcile(KEY)
        assert asyncio.get_running_loop().time() - began <= PATIENCE
        assert world.cluster.find("ConfigMap", "b")
        began = asyncio.get_running_loop().time()
        await world.reconcile(KEY)
        assert asyncio.get_running_loop().time() == began, "what is under way is not waited for"
        assert world.cluster.events() == []
        await asyncio.sleep(9)
        world.kind.plan = lambda _: Plan(status={"replicas": 2})
        await world.reconcile(KEY)
        assert [reason for _, reason, _ in world.cluster.events()] == ["Promoted"]
        assert world.status == {"replicas": 2}

    run_virtually(main())


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.SERVER_ERROR])
def test_a_status_that_is_not_taken_stops_nothing_and_is_told_of_once(fault: Fault) -> None:
    async def main() -> None:
        world = bench(status={"replicas": 2}, news=(FIRED,), wake=NOW + timedelta(seconds=1))
        world.kind.plan = lambda found: Plan(
            status={"replicas": 2},
            news=() if (found.get("status") or {}).get("replicas") else (FIRED,),
            wake=NOW + timedelta(seconds=1),
        )
        world.cluster.faults.on(lambda call: call.verb == "apply status", fault, times=8)
        while not world.status:
            ending = await world.reconcile(KEY)
            assert isinstance(ending, Settled)
            assert ending.after is not None
            assert ending.after <= 1.0
            await asyncio.sleep(ending.after)
        assert sorted(reason for _, reason, _ in world.cluster.events()) == ["MonitorFired", "StatusNotWritten"]
        note = next(note for _, reason, note in world.cluster.events() if reason == "StatusNotWritten")
        assert fault.value in note
        await world.reconcile(KEY)
        assert world.observer.outcomes[-1] is PassResult.UNCHANGED

    run_virtually(main())


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
    assert world.observer.outcomes == [PassResult.REGISTRY_FAILED]


async def test_what_the_registry_refuses_is_told_and_tried_again_with_back_off() -> None:
    """The plan wants the next pass at once because of what it did; that would be a hot loop."""
    world = bench(actions=(SetAlias("churn", "champion", "7"), Apply(config_map())), status={"replicas": 2}, wake=NOW)
    world.kind.after_silence = lambda plan, said: replace(plan, status={"said": said})
    assert await world.reconcile(KEY) == Retry(at_most=LONGEST_OUTAGE_WAIT, urgency=Urgency.IDLE)
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
    assert world.written == [frozenset({"churn"})]


@pytest.mark.parametrize(
    ("seconds", "after"),
    [(30, 30.0), (1000, 1000.0), (0, SOONEST), (-5, SOONEST), (None, None)],
    ids=["soon", "late", "now", "past", "never"],
)
def test_the_next_pass_comes_when_the_plan_wants_it(seconds: int | None, after: float | None) -> None:
    async def main() -> None:
        wake = None if seconds is None else NOW + timedelta(seconds=seconds)
        assert await bench(wake=wake).reconcile(KEY) == Settled(after, Urgency.IDLE)

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
        assert await world.reconcile(KEY) == A_MISTAKE
    assert world.observer.outcomes == [PassResult.ERROR]
    assert [vars(record)["key"] for record in caplog.records] == ["ModelDeployment default/churn"]


async def test_mistakes_in_a_row_make_the_loop_fail_closed_and_others_do_not() -> None:
    world = bench()
    world.kind.closed = Plan(actions=(Apply(config_map(), (FIRED,)),))
    for error in (RuntimeError(), RuntimeError(), None, RuntimeError(), RuntimeError()):
        world.kind.observe_error = error
        await world.reconcile(KEY)
    assert world.told() == []
    world.kind.observe_error = RuntimeError()
    await world.reconcile(KEY)
    assert world.told() == ["apply ConfigMap child", "record event ModelDeployment churn"]


async def test_where_not_even_that_works_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    world = bench()
    world.kind.observe_error = RuntimeError()

    async def fails(*_: Any) -> Plan | None:
        raise KeyError("spec")

    world.kind.fail_closed = fails  # type: ignore[method-assign, assignment]
    for _ in range(MISTAKES_IN_A_ROW):
        assert await world.reconcile(KEY) == A_MISTAKE
    assert "failing closed does not work" in caplog.text


def test_a_pass_that_does_not_end_is_cut_counted_and_backed_off(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        world = bench(status={"replicas": 2})

        async def never(reference: Any) -> Any:
            await asyncio.Event().wait()

        world.cluster.get = never  # type: ignore[method-assign]
        assert await world.reconcile(KEY) == A_MISTAKE
        assert asyncio.get_running_loop().time() == LONGEST_PASS
        assert world.observer.outcomes == [PassResult.ERROR]
        assert "a pass was cut after 300 s" in caplog.text

    run_virtually(main())


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ClusterConflict("x"), Retry(at_once=True, at_most=LONGEST_OUTAGE_WAIT)),
        (ClusterUnavailable("x", retry_after=7), Retry(at_least=7, at_most=LONGEST_OUTAGE_WAIT)),
        (ClusterRefused("x"), Retry(at_most=LONGEST_OUTAGE_WAIT)),
    ],
)
async def test_errors_while_observing(error: Exception, ending: Retry) -> None:
    world = bench()
    world.kind.observe_error = error
    assert await world.reconcile(KEY) == ending
    assert world.told() == []


def test_three_failed_status_writes_heal_without_any_new_event() -> None:
    """Kopf's trap B: what failed once is not lost, since the pass is repeated."""

    async def main() -> None:
        world = bench(status={"replicas": 2})
        world.cluster.faults.on(lambda call: call.verb == "apply status", Fault.SERVER_ERROR, times=3)
        for _ in range(4):
            ending = await world.reconcile(KEY)
            assert isinstance(ending, Settled)
            await asyncio.sleep(ending.after or 0)
        assert world.status == {"replicas": 2}

    run_virtually(main())
