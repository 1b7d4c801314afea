"""One kind of object is refused throughout: the same end where it can be, and the same time to revert.

A policy, a quota or a webhook that is down stands in the way of one kind of write, from the beginning of a story to
its end. Everything else goes on as if nothing was: the judge looks as often, the traffic is moved as soon, and the
status says what is true and what stands in the way. Once it is let through, nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any, ClassVar

import pytest

from tests.support.churn import METRICS, NAME, Churn
from tests.support.cluster.deployments import NEVER_READY
from tests.support.memory_cluster import Call, Fault
from tests.support.memory_pods import BROKEN
from tests.support.operator_world import OperatorWorld
from tests.support.roles import by_role
from tests.support.safety import violations
from tests.unit.properties.kills import Scenario, at_write, ending, undisturbed
from tests.unit.properties.test_killed_at_every_write import SHORT, first_champion, two_champions
from tests.unit.properties.test_training_killed import TRAINING, assert_one_of_each
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY, RUN_ANNOTATION
from viridian.rollout.traffic import service as traffic

ALWAYS = 10**6
A_LOOK = 1.0
"""The interval of the judge: what is tried again in between moves its looks."""
REFUSED, DOWN = Fault.REFUSED, Fault.SERVER_ERROR


@dataclass(frozen=True)
class Barrier:
    """What is refused, and which objects of the end that changes."""

    name: str
    stops: Callable[[Churn, Call], bool]
    kinds: tuple[str, ...]

    def stand(self, churn: Churn, fault: Fault) -> None:
        churn.cluster.faults.on(lambda call: call.mutating and self.stops(churn, call), fault, times=ALWAYS)


def is_there(churn: Churn, call: Call) -> bool:
    return churn.cluster.find(call.kind, call.name) is not None


BUDGETS = Barrier("PodDisruptionBudgets", lambda _, call: call.kind == "PodDisruptionBudget", ("PodDisruptionBudget",))
POLICY = Barrier("NetworkPolicy", lambda _, call: call.kind == "NetworkPolicy", ("NetworkPolicy",))
PREVIEW = Barrier("preview Service", lambda _, call: call.name == f"{NAME}-preview", ("Service churn-preview",))
NOTES = Barrier(
    "notes on records",
    lambda churn, call: call.kind == "ControllerRevision" and is_there(churn, call),
    ("ControllerRevision",),
)
RECORDS = Barrier("records", lambda _, call: call.kind == "ControllerRevision", ("ControllerRevision",))
STATUS = Barrier("status", lambda _, call: call.verb == "apply status", ("ModelDeployment",))
EVENTS = Barrier("Events", lambda _, call: call.verb == "record event", ())
HELPERS = (BUDGETS, POLICY, PREVIEW, NOTES, STATUS, EVENTS)
EDITS = Barrier(
    "Deployment updates", lambda churn, call: call.kind == "Deployment" and is_there(churn, call), ("Deployment",)
)
by_barrier = pytest.mark.parametrize("barrier", HELPERS, ids=lambda barrier: barrier.name)
by_fault = pytest.mark.parametrize("fault", [REFUSED, DOWN], ids=["refused", "webhook down"])


def serves(churn: Churn, version: str) -> bool:
    """By what users meet, since the status may be one of the things that cannot be written."""
    live = traffic.record_of(churn.cluster.find("Service", NAME))
    if live is None or live.trial is not None:
        return False
    container = (churn.cluster.find("Deployment", f"{NAME}-{live.champion}") or {})["spec"]["template"]["spec"]
    variables = {one["name"]: one.get("value") for one in container["containers"][0]["env"]}
    return bool(variables["VIRIDIAN_MODEL_VERSION"] == version)


def reverted_at(churn: Churn) -> datetime | None:
    live = traffic.record_of(churn.cluster.find("Service", NAME))
    assert live is not None
    return live.reverted.at if live.reverted is not None else None


def deploy(churn: Churn) -> None:
    churn.apply(rollout=SHORT)
    assert churn.world.run(60, until=lambda: serves(churn, "1")), churn.world.story()


def promote(churn: Churn) -> None:
    churn.publish()
    assert churn.world.run(60, until=lambda: serves(churn, "2")), churn.world.story()


def revert(churn: Churn) -> None:
    churn.publish(errors=0.3)
    assert churn.world.run(60, until=lambda: bool(reverted_at(churn))), churn.world.story()


FIRST = Scenario("first deployment", lambda churn: (churn.publish(), None)[1], deploy)
PROMOTION = Scenario("promotion", first_champion, promote)
REVERT = Scenario("revert", two_champions, revert)
STORIES = (FIRST, PROMOTION, REVERT)


def told(churn: Churn, scenario: Scenario) -> tuple[dict[str, Any], float]:
    """The end by role, and the seconds that the story took."""
    began = churn.world.clock().timestamp()
    scenario.then(churn)
    took = churn.world.clock().timestamp() - began
    churn.world.run(scenario.settle)
    assert violations(churn.cluster.worlds) == []
    return by_role(churn.cluster.present()), took


def without(roles: Mapping[str, Any], kinds: tuple[str, ...]) -> dict[str, Any]:
    """The end, but for what cannot be as it should be, and for what the status says of that."""
    kept = {name: content for name, content in roles.items() if not name.startswith(kinds or ("nothing",))}
    model = dict(kept.get(f"{MODEL_DEPLOYMENT} {NAME}", {}))
    if model:
        conditions = [c for c in model["status"]["conditions"] if c["type"] not in ("Stalled", "Reconciling")]
        kept[f"{MODEL_DEPLOYMENT} {NAME}"] = {**model, "status": {**model["status"], "conditions": conditions}}
    return kept


def without_last_answers(value: Any) -> Any:
    """Servers can be asked for their last answer until their pods go: a record that takes no note has lost it."""
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if key not in ("lastAnswerAt", "last_answer_at")}
        return {key: without_last_answers(one) for key, one in kept.items()}
    return [without_last_answers(one) for one in value] if isinstance(value, list) else value


@by_fault
@by_barrier
@pytest.mark.parametrize("scenario", STORIES, ids=lambda scenario: scenario.name)
def test_the_same_end_in_the_same_time(scenario: Scenario, barrier: Barrier, fault: Fault) -> None:
    known = without_last_answers if barrier is NOTES else lambda roles: roles
    with scenario.begun() as churn:
        expected, seconds = told(churn, scenario)
        expected = known(expected)
    with scenario.begun() as churn:
        barrier.stand(churn, fault)
        found, took = told(churn, scenario)
        found = known(found)
        assert without(found, barrier.kinds) == without(expected, barrier.kinds)
        assert took == pytest.approx(seconds, abs=A_LOOK)
        if barrier not in (STATUS, EVENTS) and found != expected:
            kind, reason = ("Stalled", "ApplyRefused") if fault is REFUSED else ("Reconciling", "ApplyUnavailable")
            assert churn.condition(kind)["reason"] == reason
            assert fault.value in churn.condition(kind)["message"]
        churn.cluster.faults.clear()
        churn.world.run(60)
        churn.world.rest(resyncs=1)
        assert known(by_role(churn.cluster.present())) == expected


@by_fault
def test_records_that_cannot_be_made_keep_nobody_from_serving(fault: Fault) -> None:
    """Not even the memory of a revision: its template is wanted, and what becomes of it stands in the Service."""
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        RECORDS.stand(churn, fault)
        churn.publish()
        deploy(churn)
        promote(churn)
        churn.publish(errors=0.3)
        assert world.run(60, until=lambda: bool(reverted_at(churn)))
        world.run(60)
        assert serves(churn, "2"), "it is not tried again"
        assert violations(world.cluster.worlds) == []


@by_fault
@pytest.mark.parametrize("barrier", [NOTES, RECORDS], ids=lambda barrier: barrier.name)
def test_what_cannot_be_recorded_is_remembered_all_the_same(barrier: Barrier, fault: Fault) -> None:
    """Version 2 is bad, then 3 is promoted and 4 is bad: none of the bad ones is tried again when it is asked for."""
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        first_champion(churn)
        barrier.stand(churn, fault)
        for version, errors in (("2", 0.3), ("3", 0.0), ("4", 0.3)):
            before = reverted_at(churn)
            churn.publish(errors=errors)
            done = (lambda: serves(churn, "3")) if not errors else (lambda before=before: reverted_at(churn) != before)
            assert world.run(90, until=done), version
            world.run(20)
        for version in ("2", "4"):
            churn.point(version)
            world.run(60)
            assert serves(churn, "3"), version
        assert violations(world.cluster.worlds) == []
        world.cluster.faults.clear()
        world.run(60)
        if barrier is NOTES:
            assert sorted(churn.rejected) == ["2", "4"]


class TestInMidTrial:
    """Users meet version 2 with half of their requests when something begins to be refused."""

    LONG: ClassVar[Mapping[str, Any]] = {
        "steps": [{"weight": 50, "duration": "10m"}],
        "probation": "10s",
        "analysis": {"window": "20s", "metrics": [METRICS[0]]},
    }

    @contextmanager
    def trial(self) -> Iterator[Churn]:
        with closing(OperatorWorld()) as world:
            churn = Churn(world)
            churn.publish()
            churn.apply(rollout=self.LONG)
            assert world.run(30, until=lambda: churn.serves("1"))
            churn.publish()
            assert world.run(30, until=lambda: churn.status.get("challenger", {}).get("weight") == 50)
            yield churn

    def breach(self, churn: Churn, *, after: float = 200.0) -> tuple[float, float]:
        """Seconds from the first bad answer to its last one, and those that the status tells, a while later."""
        churn.world.run(after)
        churn.world.pods.behaviours["2"] = BROKEN
        began = churn.world.clock().timestamp()
        assert churn.world.run(60, until=lambda: not meets(churn, "2")), churn.world.story()
        took = churn.world.clock().timestamp() - began
        churn.world.run(1)
        return took, churn.status["lastRollback"]["seconds"]

    @by_fault
    @pytest.mark.parametrize("barrier", [EDITS, *HELPERS[:4]], ids=lambda barrier: barrier.name)
    def test_the_way_back_takes_no_longer(self, barrier: Barrier, fault: Fault) -> None:
        with self.trial() as churn:
            barrier.stand(churn, fault)
            churn.apply(rollout=self.LONG, server={"replicas": 3})
            churn.cluster.remove("PodDisruptionBudget", f"{NAME}-blue")
            churn.cluster.remove("NetworkPolicy", f"{NAME}-server")
            churn.cluster.remove("Service", f"{NAME}-preview")
            assert self.breach(churn) == pytest.approx(plain_way_back(), abs=A_LOOK)
            status = churn.status
            assert "challenger" not in status
            assert [one["version"] for one in status["rejected"]] == ["2"]
            assert status["observedGeneration"] == 2
            churn.world.run(10)
            kind, reason = ("Stalled", "ApplyRefused") if fault is REFUSED else ("Reconciling", "ApplyUnavailable")
            assert churn.condition(kind)["reason"] == reason
            assert fault.value in churn.condition(kind)["message"]
            churn.cluster.faults.clear()
            churn.world.run(60)
            churn.world.rest(resyncs=1)
            assert churn.condition("Stalled").get("reason") != "ApplyRefused"
            assert churn.cluster.find("Deployment", f"{NAME}-blue")["spec"]["replicas"] == 3  # type: ignore[index]

    @by_fault
    def test_a_refusal_is_told_once_however_long_it_stands(self, fault: Fault) -> None:
        with self.trial() as churn:
            EDITS.stand(churn, fault)
            churn.cluster.forget_calls()
            churn.apply(rollout=self.LONG, server={"replicas": 3})
            churn.world.run(500)
            reasons = [reason for _, reason, _ in churn.cluster.events()]
            assert reasons.count("Stalled" if fault is REFUSED else "ApplyUnavailable") == 1
            refused = [call for call in churn.cluster.writes if call.kind == "Deployment"]
            assert 10 < len(refused) < 120
            looks = [call for call in churn.cluster.calls if str(call) == f"get {MODEL_DEPLOYMENT} {NAME}"]
            assert len(looks) > 400

    @by_fault
    def test_an_edit_of_the_spec_is_answered(self, fault: Fault) -> None:
        """Version 3 is desired now; its Deployment would take the place of version 2."""
        with self.trial() as churn:
            EDITS.stand(churn, fault)
            churn.publish()
            churn.world.run(60)
            assert churn.challenger == "3"
            assert not meets(churn, "2")
            assert churn.rejected == []
            churn.cluster.faults.clear()
            assert churn.world.run(120, until=lambda: meets(churn, "3"))

    @by_fault
    def test_a_step_whose_pods_may_not_come_is_no_failing_of_the_challenger(self, fault: Fault) -> None:
        with closing(OperatorWorld()) as world:
            churn = Churn(world)
            first_champion(churn)
            steps = [{"weight": 25, "duration": "5s"}, {"weight": 50, "duration": "5s"}]
            churn.apply(rollout={**SHORT, "steps": steps, "progressDeadline": "30s"}, server={"replicas": 3})
            world.run(20)
            churn.publish()
            assert world.run(60, until=lambda: churn.status.get("challenger", {}).get("weight", 0) > 0)
            EDITS.stand(churn, fault)
            world.run(200)
            assert (churn.champion, churn.challenger, churn.rejected) == ("1", "2", [])
            churn.cluster.faults.clear()
            assert world.run(120, until=lambda: churn.serves("2"))


@cache
def plain_way_back() -> tuple[float, float]:
    """The same breach where nothing is refused."""
    trial = TestInMidTrial()
    with trial.trial() as churn:
        return trial.breach(churn)


def meets(churn: Churn, version: str) -> bool:
    """Whether users meet a ready pod of that version."""
    live = churn.cluster.find("Service", NAME)
    assert live is not None
    pods = churn.cluster.ready_pods(live["spec"]["selector"])
    return any(
        {"name": "VIRIDIAN_MODEL_VERSION", "value": version} in container["env"]
        for pod in pods
        for container in pod["spec"]["containers"]
    )


LIVE = Barrier("live Service", lambda _, call: str(call) == f"apply Service {NAME}", ())


class TestTheServiceItself:
    """The one write that moves the traffic is refused."""

    @by_fault
    def test_the_challenger_loses_its_pods_instead(self, fault: Fault) -> None:
        trial = TestInMidTrial()
        with trial.trial() as churn:
            LIVE.stand(churn, fault)
            took, _ = trial.breach(churn)
            assert took == pytest.approx(plain_way_back()[0], abs=A_LOOK)
            churn.world.run(120)
            assert not meets(churn, "2"), "it gets no pods again, although the Service still says that it is on trial"
            assert churn.world.pods.lost == 0
            assert churn.rejected == ["2"]
            assert [r for _, r, _ in churn.cluster.events()].count("RolledBack") == 1
            assert churn.world.registry.versions(NAME)["2"].tags["viridian.outcome"] == "Rejected"
            seconds = churn.status["lastRollback"]["seconds"]
            churn.cluster.faults.clear()
            churn.world.run(60)
            churn.world.rest(resyncs=1)
            assert (churn.champion, churn.challenger, churn.rejected) == ("1", None, ["2"])
            assert churn.status["lastRollback"]["seconds"] == seconds
            assert churn.condition("Stalled").get("reason") != "ApplyRefused"

    def test_killed_at_every_write_of_that(self) -> None:
        trial, k, killed = TestInMidTrial(), 0, True
        while killed:
            k += 1
            with trial.trial() as churn:
                LIVE.stand(churn, REFUSED)
                churn.world.pods.behaviours["2"] = BROKEN
                churn.cluster.forget_calls()
                at_write(churn, k, Fault.KILL_AFTER)
                churn.world.run(60)
                killed = churn.world.restarts > 0
                assert not meets(churn, "2"), k
                assert churn.rejected == ["2"], k
                churn.cluster.faults.clear()
                churn.world.run(60)
                assert (churn.champion, churn.challenger, churn.rejected) == ("1", None, ["2"]), k
        assert k > 4

    @by_fault
    def test_a_champion_that_cannot_serve_keeps_its_challenger(self, fault: Fault) -> None:
        """Bad answers count as better than none."""
        trial = TestInMidTrial()
        with trial.trial() as churn:
            LIVE.stand(churn, fault)
            churn.cluster.readiness[churn.revision("1")] = NEVER_READY
            churn.cluster.run_controllers()
            churn.world.pods.behaviours["2"] = BROKEN
            churn.world.run(60)
            assert churn.world.pods.lost == 0

    @by_fault
    def test_after_a_promotion_it_is_said_and_tried_until_it_is_done(self, fault: Fault) -> None:
        with closing(OperatorWorld()) as world:
            churn = Churn(world)
            first_champion(churn)
            churn.apply(rollout={**SHORT, "probation": "10m", "analysis": {"window": "10s", "metrics": [METRICS[0]]}})
            churn.publish()
            assert world.run(60, until=lambda: churn.champion == "2")
            LIVE.stand(churn, fault)
            world.pods.behaviours["2"] = BROKEN
            began = world.clock().timestamp()
            world.run(100)
            assert churn.champion == "2", "the truth"
            kind, reason = ("Stalled", "ApplyRefused") if fault is REFUSED else ("Reconciling", "ApplyUnavailable")
            assert churn.condition(kind)["reason"] == reason
            churn.cluster.faults.clear()
            assert world.run(3, until=lambda: churn.champion == "1")
            passed = world.clock().timestamp() - began
            assert churn.status["lastRollback"]["seconds"] == pytest.approx(passed, abs=4)

    @by_fault
    def test_a_first_champion_waits_for_its_service(self, fault: Fault) -> None:
        with closing(OperatorWorld()) as world:
            churn = Churn(world)
            LIVE.stand(churn, fault)
            churn.publish()
            churn.apply(rollout=SHORT)
            world.run(60)
            ready = churn.condition("Ready")
            assert (ready["status"], fault.value in ready["message"]) == ("False", True)
            assert len(churn.cluster.ready_pods({"viridian.dev/slot": "blue"})) == 2
            churn.cluster.faults.clear()
            assert world.run(60, until=lambda: churn.serves("1"))
            world.run(30)
            world.rest(resyncs=1)

    @by_fault
    def test_a_service_that_somebody_deleted_and_that_may_not_come_back_takes_nothing_down(self, fault: Fault) -> None:
        with closing(OperatorWorld()) as world:
            churn = Churn(world)
            two_champions(churn)
            LIVE.stand(churn, fault)
            churn.cluster.remove("Service", NAME)
            world.run(120)
            assert len(churn.cluster.all("Pod")) >= 3
            churn.cluster.faults.clear()
            assert world.run(60, until=lambda: churn.serves("2"))


@pytest.mark.parametrize("barrier", [BUDGETS, NOTES, STATUS], ids=lambda barrier: barrier.name)
def test_killed_at_every_write_beside_a_refusal(barrier: Barrier) -> None:
    """Every third write is enough, since kills without a refusal have covered them all."""
    for scenario in (PROMOTION, REVERT):
        with scenario.begun() as churn:
            barrier.stand(churn, REFUSED)
            expected, _ = told(churn, scenario)
        _, writes = undisturbed(scenario)
        scenario.for_each(range(1, writes.cluster + 1, 3), partial(killed_beside, barrier, scenario, expected))


def killed_beside(barrier: Barrier, scenario: Scenario, expected: dict[str, Any], churn: Churn, k: int) -> None:
    at_write(churn, k, Fault.KILL_AFTER)
    barrier.stand(churn, REFUSED)
    found, _ = told(churn, scenario)
    assert without(found, barrier.kinds) == without(expected, barrier.kinds), f"{scenario.name}, {k}"


# ---- a RetrainPolicy

JOBS = Barrier("Jobs", lambda _, call: call.kind == "Job", ("Job",))
OF_A_RUN = (JOBS, RECORDS, NOTES)


def condition_of_policy(churn: Churn, kind: str) -> Mapping[str, Any]:
    status = (churn.cluster.find(RETRAIN_POLICY, NAME) or {})["status"]
    return next((c for c in status["conditions"] if c["type"] == kind), {})


@by_fault
@pytest.mark.parametrize("barrier", OF_A_RUN, ids=lambda barrier: barrier.name)
def test_a_run_that_may_not_go_on_says_so_and_comes_to_the_same_end_when_it_may(barrier: Barrier, fault: Fault) -> None:
    with TRAINING.begun() as churn:
        expected = TRAINING.tell(churn)
    with TRAINING.begun() as churn:
        barrier.stand(churn, fault)
        churn.cluster.annotate(RETRAIN_POLICY, NAME, **{RUN_ANNOTATION: "one"})
        passes = churn.world.passes
        churn.world.run(300)
        assert churn.world.passes - passes < 100 * churn.world.passes_a_step, "no hot loop"
        ready = condition_of_policy(churn, "Ready")
        kind, reason = ("Stalled", "ApplyRefused") if fault is REFUSED else ("Reconciling", "ApplyUnavailable")
        assert (ready["status"], ready["reason"]) == ("False", reason)
        assert condition_of_policy(churn, kind)["reason"] == reason
        assert fault.value in ready["message"]
        told_once = [r for _, r, note in churn.cluster.events() if fault.value in note]
        assert told_once == ["Stalled" if fault is REFUSED else "ApplyUnavailable"]
        churn.cluster.faults.clear()
        assert TRAINING.tell(churn) == expected
        assert_one_of_each(churn)
        assert condition_of_policy(churn, kind) == {}


@by_fault
@pytest.mark.parametrize("barrier", [STATUS, EVENTS], ids=lambda barrier: barrier.name)
def test_a_run_needs_neither_its_status_nor_events(barrier: Barrier, fault: Fault) -> None:
    with TRAINING.begun() as churn:
        expected = TRAINING.tell(churn)
    with TRAINING.begun() as churn:
        barrier.stand(churn, fault)
        churn.cluster.annotate(RETRAIN_POLICY, NAME, **{RUN_ANNOTATION: "one"})
        assert churn.world.run(120, until=lambda: churn.cluster.find("Service", NAME) is not None)
        assert serves(churn, "1")
        churn.world.run(60)
        churn.cluster.faults.clear()
        churn.world.run(60)
        churn.world.rest(resyncs=1)
        assert ending(churn.world) == expected
        assert_one_of_each(churn)
