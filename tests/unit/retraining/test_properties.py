"""Properties of `decide` that hold in every reachable world, and some that hold in any world at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.retraining.test_judged_on_evidence import evaluation
from tests.unit.retraining.world import START, Killed, World, deployment, policy, weekly
from viridian.api.names import (
    OUTCOME_ANNOTATION,
    RUN_ANNOTATION,
    SCHEDULES_ANNOTATION,
    STAGES_ANNOTATION,
    TRIGGER_ANNOTATION,
    schedules_record,
)
from viridian.core.obstacles import Obstacle, Obstacles
from viridian.core.plan import Plan
from viridian.retraining.decide import decide
from viridian.retraining.input import RegistryResult, TrainingSettings, Unavailable, facts_of
from viridian.retraining.interpret import interpret
from viridian.retraining.runs import read_runs

TRIGGERS = {
    "weekly": weekly(),
    "often": {"name": "often", "schedule": {"cron": "*/30 * * * *", "startingDeadline": "20m"}},
    "helsinki": {"name": "helsinki", "schedule": {"cron": "0 3 * * *", "timeZone": "Europe/Helsinki"}},
    "broken": {"name": "broken", "schedule": {"cron": "0 3 * *"}},
    "drifted": {"name": "drifted", "cooldown": "3h", "monitors": {"names": ["inputs"]}},
    "ready": {"name": "ready", "event": {"type": "ready"}},
}
CODES = st.sampled_from([0, 1, 64, 65, 66])
NO_BOUNDS: dict[str, Any] = {"circuitBreaker": None, "blackouts": []}
BOUNDS: list[dict[str, Any]] = [
    {"budget": {"cooldown": "45m"}},
    {"budget": {"maxRuns": 1, "period": "1d"}},
    {"budget": {"cpuHours": 1, "period": "1d"}},
    {"circuitBreaker": {"rejectedInARow": 1}},
    {"blackouts": [{"cron": "0 12 * * *", "duration": "12h"}]},
]


REPORTS: list[dict[str, Any]] = [
    {},
    {"evaluation": evaluation(0.81, 0.0049)},
    {"evaluation": evaluation(0.81, 0.03)},
    {"evaluation": {"metrics": {"auc": "0.81"}, "confidence": 95}},
]


class AnyHistory(RuleBasedStateMachine):
    """People edit, time passes, trainers end, the registry comes and goes, the operator is killed; all in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.asked: set[str] = set()

    @initialize(names=st.sets(st.sampled_from(sorted(TRIGGERS))))
    def begin(self, names: set[str]) -> None:
        triggers = [TRIGGERS[name] for name in sorted(names)]
        self.world.policy = policy(*triggers, data={"uri": "s3://data"}, history={"runs": 2})

    @rule()
    def settle(self) -> None:
        plan = self.world.settle()
        assert at_rest(self.world, plan)

    @rule()
    def one_pass(self) -> None:
        self.world.once()

    @rule(after=st.integers(1, 4))
    def killed(self, after: int) -> None:
        self.world.writes_left = after
        try:
            self.world.settle()
        except Killed:
            pass
        finally:
            self.world.writes_left = None

    @rule(minutes=st.sampled_from([1, 10, 30, 240, 1440, 10080]))
    def time_passes(self, minutes: int) -> None:
        self.world.later(minutes=minutes)

    @rule(value=st.sampled_from(["one", "two", "three"]))
    def a_person_asks_for_a_run(self, value: str) -> None:
        self.world.ask_by_hand(value)
        self.asked.add(value)

    @rule(suspend=st.booleans())
    def a_person_suspends_or_resumes(self, suspend: bool) -> None:
        self.world.edit(suspend=suspend)

    @rule(revision=st.sampled_from(["", "1", "2"]))
    def the_data_changes(self, revision: str) -> None:
        self.world.edit(data={"uri": "s3://data", "revision": revision})

    @rule(cooldown=st.sampled_from(["0s", "45m", "2d"]))
    def the_budget_changes(self, cooldown: str) -> None:
        self.world.edit(budget={"cooldown": cooldown})

    @precondition(lambda self: self.world.deployment is not None)
    @rule(names=st.sampled_from([(), ("inputs",)]), windows=st.integers(1, 3))
    def a_window_is_judged(self, names: tuple[str, ...], windows: int) -> None:
        self.world.watch({"name": "inputs"}).fire(*names, windows=windows)

    @precondition(lambda self: self.world.deployment is not None)
    @rule(version=st.sampled_from([None, "7"]))
    def a_trial_begins_or_ends(self, version: str | None) -> None:
        self.world.try_a_challenger(version)

    @rule(number=st.integers(1, 4))
    def an_event_is_received(self, number: int) -> None:
        self.world.receive(f"batch-{number}")

    @rule(bounds=st.sampled_from(BOUNDS))
    def the_bounds_change(self, bounds: dict[str, Any]) -> None:
        self.world.edit(**{**NO_BOUNDS, **bounds})

    @rule(
        mode=st.sampled_from(["Automatic", "Recommend", "Observe"]),
        training=st.sampled_from(["Auto", "Required"]),
        handover=st.sampled_from(["Auto", "Required"]),
    )
    def people_want_to_be_asked(self, mode: str, training: str, handover: str) -> None:
        self.world.edit(mode=mode, approval={"training": training}, gate={"approval": handover})

    @rule(command=st.sampled_from(["accept", "approve", "reject", "override"]), text=st.sampled_from(["a", "b"]))
    def a_person_decides(self, command: str, text: str) -> None:
        status = self.world.status
        known = [status.get("recommended", {}).get("run"), *(run["id"] for run in status.get("runs", ()))]
        for run in filter(None, known[:2]):
            self.world.policy["metadata"]["annotations"][f"viridian.dev/{command}"] = f"{run} {text}#alice"

    @rule(silent=st.booleans())
    def the_registry_falls_silent_or_comes_back(self, silent: bool) -> None:
        self.world.registry.unavailable = silent

    @rule(there=st.booleans())
    def the_deployment_comes_and_goes(self, there: bool) -> None:
        self.world.deployment = deployment() if there else None

    @rule()
    def the_status_is_deleted(self) -> None:
        self.world.forget_status()

    @rule()
    def a_cleaner_removes_ended_jobs(self) -> None:
        self.world.remove_ended_jobs()

    @precondition(lambda self: self.at_work())
    @rule(seen=st.booleans())
    def somebody_deletes_the_job_at_work(self, seen: bool) -> None:
        # A Job that nobody has seen at all is made again: it cannot be told from one that was never made.
        noted = self.world.made[-1] in json.dumps([run["metadata"]["annotations"] for run in self.world.runs])
        self.world.job_is_deleted(seen=seen or not noted)

    @rule(cron=st.sampled_from(["0 3 * * 0", "*/30 * * * *", "15 4 * * *"]), name=st.sampled_from(["weekly", "other"]))
    def a_schedule_is_edited(self, cron: str, name: str) -> None:
        self.world.edit(triggers=[{"name": name, "schedule": {"cron": cron}}])

    @rule()
    def records_lose_their_owner(self) -> None:
        self.world.orphan_records()

    @precondition(lambda self: self.at_work())
    @rule(code=CODES, auc=st.sampled_from([0.5, 0.8, float("nan")]), report=st.sampled_from(REPORTS))
    def training_ends(self, code: int, auc: float, report: dict[str, Any]) -> None:
        self.world.registry.log(self.world.mlflow_run, metrics={"auc": auc}, model_uri="models:/m-1")
        self.world.end(code, report)

    def at_work(self) -> bool:
        return bool(self.world.made) and self.world.made[-1] in self.world.jobs and "status" not in self.world.job

    @invariant()
    def no_run_has_two_jobs(self) -> None:
        assert len(self.world.made) == len(set(self.world.made))

    @invariant()
    def the_status_is_only_a_cache(self) -> None:
        """At any moment, deleting it changes neither what is done next nor what the next one says, but for times."""
        given = self.world.observe()
        without = replace(interpret(replace(given.facts, status={}), given.now), registry=given.registry)
        kept, deleted = decide(given), decide(without)
        assert (kept.actions, kept.wake) == (deleted.actions, deleted.wake)
        assert without_times(kept.status) == without_times(deleted.status)

    @invariant()
    def one_run_at_a_time(self) -> None:
        undecided = [run for run in self.world.runs if OUTCOME_ANNOTATION not in run["metadata"]["annotations"]]
        assert len(undecided) <= 1

    @invariant()
    def no_cause_runs_twice_while_its_record_is_there(self) -> None:
        reasons = [reason for run in read_runs(self.world.observe().facts) for reason in run.reasons]
        assert [reason for reason, times in Counter(reasons).items() if times > 1] == []

    @invariant()
    def no_mlflow_run_is_registered_twice(self) -> None:
        runs = [version.run_id for version in self.world.registry.versions("churn").values()]
        assert len(runs) == len(set(runs))

    def teardown(self) -> None:
        """P1: once people, time and trainers rest, so does the operator, and every request has been answered."""
        world = self.world
        world.registry.unavailable = False
        world.deployment = deployment()
        world.edit(mode="Automatic", approval={}, gate={})
        world.settle()
        for _ in range(4):
            if self.at_work():
                world.train(auc=0.9)
            world.settle()
        assert "activeRun" not in world.status
        assert at_rest(world, world.settle())
        before = world.status
        world.forget_status().settle()
        assert runs_of(before) == runs_of(world.status)


def without_times(status: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found: dict[str, Any] = dict(status or {})
    conditions = found.pop("conditions", [])
    timeless = [{key: value for key, value in c.items() if key != "lastTransitionTime"} for c in conditions]
    return {**found, "conditions": timeless}


def runs_of(status: dict[str, Any]) -> list[Any]:
    found: list[Any] = status.get("runs", [])
    return found


def at_rest(world: World, plan: Plan) -> bool:
    """P7: deciding again gives the same, and nothing to do."""
    again = world.decide()
    return again == world.decide() and not again.actions and not again.news and again.status == world.status


AnyHistory.TestCase.settings = settings(
    max_examples=50, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyHistory = AnyHistory.TestCase


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["{}", "[]", '{"reasons": ["schedule:weekly:x", 7, "manual:a"]}', "null"]
)
ANNOTATIONS = st.dictionaries(
    st.sampled_from([TRIGGER_ANNOTATION, OUTCOME_ANNOTATION, STAGES_ANNOTATION, SCHEDULES_ANNOTATION, RUN_ANNOTATION]),
    TEXTS,
)
METADATA = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", schedules_record("churn", "policy-1")]),
        "uid": st.just("j"),
        "annotations": ANNOTATIONS,
        "labels": st.just({"viridian.dev/run": "r", "viridian.dev/stage": "training"}),
        "ownerReferences": st.sampled_from([[], [{"uid": "policy-1", "controller": True}]]),
        "creationTimestamp": TEXTS,
    }
)
ENDED = st.sampled_from([{"conditions": [{"type": kind, "status": "True"}]} for kind in ("Complete", "Failed")])
JOBS = st.fixed_dictionaries({"metadata": METADATA, "spec": JUNK, "status": JUNK | ENDED})
CAUSES = st.sampled_from([{"source": "manual", "value": "a"}, {"source": "schedule", "trigger": "weekly", "at": "x"}])
RECORDS = st.fixed_dictionaries(
    {
        "metadata": METADATA,
        "revision": st.integers() | st.text(max_size=2),
        "data": JUNK | st.fixed_dictionaries({"policy": st.just({"uid": "policy-1"}), "causes": st.lists(CAUSES)}),
    }
)
STATUSES = JUNK | st.fixed_dictionaries(
    {
        "activeRun": JUNK | st.just({"id": "x", "job": "gone", "reasons": ["schedule:weekly:2026-11-22T03:00:00Z"]}),
        "triggers": st.lists(st.fixed_dictionaries({"name": st.just("weekly"), "lastFired": TEXTS}), max_size=2),
        "lastRun": JUNK,
        "conditions": st.lists(st.dictionaries(st.just("type"), st.text()), max_size=2),
        "observedGeneration": st.integers(),
    }
)
MOMENTS = st.integers(-(10**6), 10**7).map(lambda seconds: START + timedelta(seconds=seconds))
DEPLOYMENTS = st.none() | st.just(deployment()) | st.dictionaries(st.sampled_from(["spec", "status"]), JUNK)
REGISTRIES = st.sampled_from(
    [RegistryResult(), Unavailable("RegistryUnavailable", "silent"), Unavailable("CollectorRefused", "403")]
)

OBSTACLES = st.dictionaries(
    st.tuples(st.sampled_from(["Job", "X"]), st.text(max_size=3)),
    st.builds(Obstacle, st.sampled_from(["Job", "X"]), st.text(max_size=3), st.text(), st.booleans(), st.booleans()),
    max_size=3,
)


@settings(deadline=None, max_examples=200)
@given(
    STATUSES,
    ANNOTATIONS,
    st.lists(JOBS, max_size=3),
    st.lists(RECORDS, max_size=3),
    DEPLOYMENTS,
    REGISTRIES,
    MOMENTS,
    OBSTACLES,
)
def test_decide_is_total(
    status: Any,
    annotations: dict[str, str],
    jobs: list[Any],
    records: list[Any],
    deployed: Any,
    registry: RegistryResult | Unavailable,
    now: datetime,
    obstacles: Obstacles,
) -> None:
    asked = policy(weekly(), TRIGGERS["broken"])
    asked["status"] = status
    asked["metadata"]["annotations"] = annotations
    facts = facts_of(asked, deployed, jobs, {}, TrainingSettings(mlflow_uri="http://mlflow"), records=records)
    facts = replace(facts, obstacles=obstacles)
    given = interpret(facts, now)
    matching = RegistryResult(query=given.query) if isinstance(registry, RegistryResult) else registry
    plan = decide(replace(given, registry=matching))
    assert plan == decide(replace(interpret(facts, now), registry=matching))
    json.dumps(plan.status, allow_nan=False)
    assert plan.wake is None or plan.wake >= now
    if isinstance(registry, RegistryResult) and given.query != registry.query:
        assert not decide(replace(given, registry=registry)).actions


@settings(deadline=None)
@given(JUNK)
def test_any_spec_is_understood_or_refused_in_a_condition(spec: Any) -> None:
    asked = {**policy(), "spec": spec}
    plan = decide(interpret(facts_of(asked, None, [], {}, TrainingSettings()), START))
    assert plan.status is not None
    assert {c["status"] for c in plan.status["conditions"] if c["type"] == "Ready"} == {"False"}


def test_the_result_of_another_query_is_not_used() -> None:
    world = World(policy=policy(weekly())).ask_by_hand("one")
    world.once()
    given = replace(world.observe(), registry=RegistryResult())
    plan = decide(given)
    assert plan.status is None
    assert plan.actions == ()
    assert plan.wake == world.now
