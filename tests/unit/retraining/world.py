"""A little world for the decisions about a RetrainPolicy: objects as dictionaries, the registry in memory, a clock.

A pass observes as the operator's observer does, decides, and carries the plan out: a cluster write that fails ends it,
a registry write that fails does not. `writes_left` kills the operator after so many writes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from tests.support.branches import Turns
from tests.support.memory_registry import MemoryRegistry
from viridian.api import reasons
from viridian.api.event_trigger import EventAttributes, EventTrigger, takes
from viridian.api.feedback import FrozenRows as FrozenRows
from viridian.api.names import OUTCOME_ANNOTATION, RUN_ANNOTATION, RUN_LABEL
from viridian.api.registry import ALIAS_CHAMPION, RunStatus, logged_model_id
from viridian.api.resources import ApiResource
from viridian.controller.model_owners import owners
from viridian.core.model_owners import OwnerRule, Owners
from viridian.core.plan import (
    Action,
    Annotate,
    Apply,
    ClaimModel,
    CreateRun,
    Delete,
    Event,
    FinishRun,
    Plan,
    RegisterVersion,
    SetAlias,
    TagVersion,
)
from viridian.core.pod_platform import OWN_USER, PodPlatform
from viridian.core.templates import NO_LIMITS, TemplateRules
from viridian.core.times import format_time, parse_time
from viridian.ports.registry import RegistryError, RegistryUnavailable
from viridian.receiver.event_store import PolicyOwner, stored_event
from viridian.retraining.data_polls import open_polls
from viridian.retraining.decide import decide
from viridian.retraining.input import (
    RegistryQuery,
    RegistryResult,
    TrainingSettings,
    Unavailable,
    facts_of,
    named_model,
)
from viridian.retraining.interpret import RetrainingInput, interpret
from viridian.retraining.received_events import ReceivedEvent, stored_name
from viridian.retraining.records import has_volumes
from viridian.retraining.runs import open_stages, read_runs, unwatched_objects
from viridian.retraining.triggers.readings import Question, Reading
from viridian.retraining.triggers.trigger_table import questions_of

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MLFLOW = "http://mlflow:5000"
Object = dict[str, Any]
Answer = TypeVar("Answer")


class Killed(Exception):
    """The operator was stopped right after a write."""


def now_of(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        answer: Answer = end.value
        return answer
    raise AssertionError("the registry in memory waits for nothing")


def daily(name: str = "daily", hour: int = 3, **more: Any) -> Object:
    return {"name": name, "schedule": {"cron": f"0 {hour} * * *", **more}}


def weekly(**more: Any) -> Object:
    return {"name": "weekly", "schedule": {"cron": "0 3 * * 0", **more}}


def stage_spec(image: str = "ghcr.io/acme/churn-train:1.4", **more: Any) -> Object:
    """A stage that runs this image."""
    return {"template": {"spec": {"containers": [{"name": "train", "image": image}]}}, **more}


def policy(*triggers: Object, **spec: Any) -> Object:
    """A RetrainPolicy `churn` of the smallest useful kind, and what a test adds to its spec."""
    stage = stage_spec()
    return {
        "apiVersion": "viridian.dev/v1alpha1",
        "kind": "RetrainPolicy",
        "metadata": {
            "name": "churn",
            "namespace": "ml",
            "uid": "policy-1",
            "generation": 1,
            "creationTimestamp": format_time(START),
            "annotations": {},
        },
        "spec": {"modelDeployment": "churn", "triggers": list(triggers), "stages": {"training": stage}, **spec},
    }


def begin(*triggers: Object, **spec: Any) -> World:
    """The operator has seen the policy and has come to rest."""
    world = World(policy=policy(*triggers, **spec))
    world.settle()
    return world


def deployment(**model: Any) -> Object:
    registry = {"registry": {"name": "churn", "alias": "candidate"}}
    return {"metadata": {"name": "churn"}, "spec": {"model": model or registry}, "status": {}}


def frozen_rows(run: str) -> FrozenRows:
    return FrozenRows(uri=f"http://collector:8090/{run}.parquet", digest=f"sha256:{'b' * 64}", rows=3, labelled=2)


@dataclass
class World:
    """The world, and the operator's pass over it."""

    policy: Object = field(default_factory=policy)
    deployment: Object | None = field(default_factory=deployment)
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    mlflow_uri: str | None = MLFLOW
    collector: bool = False
    prometheus: bool = False
    receives_events: bool = True
    readings: dict[Question, Reading] = field(default_factory=dict)
    """What Prometheus and the collector have answered to triggers."""
    trainer_image: str = "viridian/trainer:1"
    server_image: str = "viridian/server:1"
    image_pull_secrets: tuple[str, ...] = ()
    templates: TemplateRules = NO_LIMITS
    platform: PodPlatform = OWN_USER
    registry_models: tuple[OwnerRule, ...] = ()
    now: datetime = START
    jobs: dict[str, Object] = field(default_factory=dict)
    records: dict[str, Object] = field(default_factory=dict)
    """ControllerRevisions by name."""
    claims: dict[str, Object] = field(default_factory=dict)
    """PersistentVolumeClaims by name."""
    spot_nodes: tuple[str, ...] = ()
    stage_resources: tuple[ApiResource, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Objects of stages that the API server does not let the operator read, and why."""
    deleted: dict[str, Object] = field(default_factory=dict)
    """Jobs whose deletion the operator's process has seen."""
    pods: dict[str, list[Object]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    """Names of Jobs in the order in which they were made: no name may ever stand there twice."""
    frozen: dict[str, FrozenRows] = field(default_factory=dict)
    """What the collector has frozen, by run."""
    writes: int = 0
    writes_left: int | None = None
    on_kill: Callable[[], Any] | None = None
    turns: Turns | None = None
    """At each write, a child in which the operator is killed there."""

    # ---- the operator

    def observe(self) -> RetrainingInput:
        read, jobs, records, deleted = copy.deepcopy((self.policy, self.jobs, self.records, self.deleted))
        stages = (*open_stages(read, list(records.values())), *open_polls(read, list(jobs.values())))
        names = [stage.object_name for stage in stages]
        unwatched = {one.object_name for one in unwatched_objects(read, list(records.values()))}
        states = {
            name: stage.kind.state(jobs.get(name) or deleted.get(name), copy.deepcopy(self.pods.get(name, [])))
            for name, stage in zip(names, stages, strict=True)
        }
        facts = facts_of(
            read,
            copy.deepcopy(self.deployment),
            [job for name, job in jobs.items() if job.get("kind", "Job") == "Job" or name in unwatched],
            states,
            TrainingSettings(
                mlflow_uri=self.mlflow_uri,
                collector=self.collector,
                prometheus=self.prometheus,
                receives_events=self.receives_events,
                trainer_image=self.trainer_image,
                server_image=self.server_image,
                spot_nodes=self.spot_nodes,
                stage_resources=self.stage_resources,
                image_pull_secrets=self.image_pull_secrets,
                templates=self.templates,
                platform=self.platform,
                registry_models=self.registry_models,
            ),
            records=list(records.values()),
            unreadable=self.unreadable,
            claims=list(self.claims.values()) if has_volumes(list(records.values())) else [],
            deleted={name: job for name, job in deleted.items() if name in names and name not in jobs},
        )
        given = interpret(facts, self.now)
        if given.state is not None and (questions := questions_of(given.state.spec, given.state.facts)):
            known = {question: self.readings[question] for question in questions if question in self.readings}
            given = interpret(replace(facts, readings=known), self.now)
        return replace(given, registry=self._read_registry(given.query))

    def _read_registry(self, query: RegistryQuery) -> RegistryResult | Unavailable:
        try:
            return self._registry_result(query)
        except RegistryUnavailable as error:
            return Unavailable(reasons.REGISTRY_UNAVAILABLE, error.message)
        except RegistryError as error:
            return Unavailable(reasons.REGISTRY_REFUSED, error.message)

    def decide(self) -> Plan:
        return decide(self.observe())

    def once(self) -> Plan:
        """One pass."""
        plan = self.decide()
        self.plans.append(plan)
        for action in plan.actions:
            try:
                self._act(action)
            except RegistryError:
                continue
            self.events += action.tells if isinstance(action, Apply | Annotate) else ()
        if plan.status is not None and dict(plan.status) != self.policy.get("status"):
            self.policy["status"] = json.loads(json.dumps(plan.status, allow_nan=False))
            self._wrote()
        self.events += plan.news
        return plan

    def settle(self, most: int = 30) -> Plan:
        """Passes until nothing is left to do at this time."""
        for _ in range(most):
            before = (self.writes, len(self.registry.writes))
            plan = self.once()
            soon = plan.wake is not None and plan.wake <= self.now
            if (self.writes, len(self.registry.writes)) == before and not soon:
                return plan
        raise AssertionError(f"not settled after {most} passes: {self.plans[-1]}")

    def _registry_result(self, query: RegistryQuery) -> RegistryResult:
        registry, run, candidate, champion = self.registry, None, None, None
        aliases: Mapping[str, str] = {}
        if query.key:
            named = query.mlflow_run
            run = now_of(registry.run(named) if named else registry.find_run(query.experiment, query.key))
            run = run if run is not None and run.key == query.key else None
        if query.rows_of and run is not None:
            rows = self.frozen.setdefault(query.key, frozen_rows(query.key))
            return RegistryResult(query=query, run=run, owners=self._owners(query), rows=rows)
        if query.model:
            model = now_of(registry.model(query.model))
            aliases = model.aliases if model else {}
            version = now_of(registry.version_of_run(query.model, run.run_id)) if run else None
            candidate = now_of(registry.version(query.model, version)) if version else None
            serving = query.champion or aliases.get(ALIAS_CHAMPION)
            champion = now_of(registry.version(query.model, serving)) if serving else None
        model_id = logged_model_id(named_model(query.reported, run, candidate)) if query.model else None
        return RegistryResult(
            query=query,
            run=run,
            candidate=candidate,
            champion=champion,
            aliases=aliases,
            owners=self._owners(query),
            logged=now_of(registry.logged_model(model_id)) if model_id else None,
        )

    def _owners(self, query: RegistryQuery) -> Owners | None:
        return now_of(owners(self.registry, query.owners_of)) if query.owners_of else None

    def _act(self, action: Action) -> None:
        match action:
            case Apply(manifest):
                self._apply(copy.deepcopy(dict(manifest)))
            case Delete(_, kind, name, uid):
                found = self._of(kind)
                if name not in found:
                    return  # the API server does not mind
                assert found[name]["metadata"]["uid"] == uid
                del found[name]
            case Annotate(_, kind, name, annotations):
                self._of(kind)[name]["metadata"]["annotations"].update(annotations)
            case CreateRun(experiment, run, tags):
                now_of(self.registry.create_run(experiment, run, tags))
            case ClaimModel(model, owner):
                now_of(self.registry.claim(model, owner))
            case RegisterVersion(model, mlflow_run, source, tags, owner):
                now_of(self.registry.register(model, mlflow_run, source, tags, owner=owner))
            case TagVersion(model, version, tags):
                now_of(self.registry.tag_version(model, version, tags))
            case SetAlias(model, alias, version):
                now_of(self.registry.set_alias(model, alias, version))
            case FinishRun(mlflow_run, status):
                now_of(self.registry.finish_run(mlflow_run, RunStatus(status)))
            case _:
                raise AssertionError(f"not an action of a RetrainPolicy: {action}")
        self._wrote()

    def _apply(self, manifest: Object) -> None:
        name, found = manifest["metadata"]["name"], self._of(manifest["kind"])
        if manifest["kind"] == "ControllerRevision":
            self._apply_record(name, manifest)
            return
        assert name not in found, "it is applied once"
        if manifest["kind"] == "PersistentVolumeClaim":
            found[name] = {**manifest, "metadata": {**manifest["metadata"], "uid": f"claim-{self.writes}"}}
            return
        self.made.append(name)
        manifest["metadata"] |= {"uid": f"job-{len(self.made)}", "creationTimestamp": format_time(self.now)}
        found[name] = manifest

    def _apply_record(self, name: str, manifest: Object) -> None:
        before = self.records.get(name)
        made: Object = {
            "uid": f"record-{self.writes}-{name}",
            "creationTimestamp": format_time(self.now),
            "annotations": {},
        }
        if before is not None:
            assert before["data"] == manifest["data"], "the data of a ControllerRevision cannot be changed"
            made = {key: before["metadata"][key] for key in made}
        annotations = {**made["annotations"], **manifest["metadata"].get("annotations", {})}
        manifest["metadata"] |= {**made, "annotations": annotations}
        self.records[name] = manifest

    def _of(self, kind: str) -> dict[str, Object]:
        known = {"ControllerRevision": self.records, "PersistentVolumeClaim": self.claims}
        return known.get(kind, self.jobs)

    def _wrote(self) -> None:
        self.writes += 1
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left == 0:
                self.writes_left = None
                self._die()
        if self.turns is not None and self.turns.here_otherwise():
            self._die()

    def _die(self) -> None:
        if self.on_kill is not None:
            self.on_kill()
        raise Killed

    # ---- people, time and trainers

    def at(self, text: str) -> World:
        """The clock shows that now."""
        self.now = datetime.fromisoformat(text).astimezone(UTC)
        return self

    def later(self, **length: float) -> World:
        self.now += timedelta(**length)
        return self

    def ask_by_hand(self, value: str) -> World:
        self.policy["metadata"]["annotations"][RUN_ANNOTATION] = value
        return self

    def receive(self, *ids: str, **attributes: str) -> World:
        """The receiver stores these events for the policy, as it does for triggers that ask for them; others not."""
        owner = PolicyOwner(*(self.policy["metadata"][name] for name in ("name", "namespace", "uid")))
        asked = [
            msgspec.convert(one["event"], EventTrigger) for one in self.policy["spec"]["triggers"] if "event" in one
        ]
        for one in ids:
            event = EventAttributes(**{"id": one, "source": "/pipelines", "type": "ready", **attributes})
            keys = tuple(trigger.key for trigger in asked if takes(trigger, event))
            taken = ReceivedEvent(attributes=event, received=self.now, sender="key airflow", triggers=keys)
            name = stored_name(owner.name, owner.uid, event)
            if keys and name not in self.records:
                self._apply_record(name, stored_event(owner, taken))
        return self

    def edit(self, **spec: Any) -> World:
        self.policy["spec"] |= spec
        self.policy["metadata"]["generation"] += 1
        return self

    def forget_status(self) -> World:
        self.policy.pop("status", None)
        return self

    def serve(self, version: str) -> World:
        """The ModelDeployment has that champion now."""
        assert self.deployment is not None
        champion = {"version": version, "uri": f"mlflow-artifacts:/churn/{version}"}
        self.deployment["status"]["champion"] = {**self.deployment["status"].get("champion", {}), **champion}
        return self

    def watch(self, *monitors: Object, window: str = "1h") -> World:
        """The ModelDeployment has these monitors, and a champion whose revision is `r1`."""
        assert self.deployment is not None
        named = [{"drift": {}, **monitor} for monitor in monitors]
        self.deployment["spec"]["monitoring"] = {"window": window, "monitors": named}
        champion = {"slot": "blue", "revision": "r1", **self.deployment["status"].get("champion", {})}
        self.deployment["status"]["champion"] = champion
        return self

    def fire(self, *names: str, windows: int = 1, hours: int = 1, revision: str = "r1", **figure: Any) -> World:
        """The window that ends at the last full hour was judged: these monitors have fired, in so many in a row."""
        assert self.deployment is not None
        end = self.now.replace(minute=0, second=0)
        shown = {"measure": "KS", "verdict": "Fired", "feature": "age", "value": 0.4, **figure}
        row = {"windows": windows, "last": format_time(end)}
        found = [
            {"name": name, "verdict": "Fired", "message": f"{name} has moved", "firing": row, "figures": [shown]}
            for name in names
        ]
        times = {"start": format_time(end - timedelta(hours=hours)), "end": format_time(end)}
        self.deployment["status"]["monitoring"] = {"revision": revision, **times, "monitors": found}
        return self

    def try_a_challenger(self, version: str | None) -> World:
        """A version is on trial; None: nothing is."""
        assert self.deployment is not None
        self.deployment["status"]["challenger"] = {"slot": "green", "revision": "r2", "version": version}
        if version is None:
            del self.deployment["status"]["challenger"]
        return self

    @property
    def reasons(self) -> list[Any]:
        """VIRIDIAN_REASONS of the newest Job."""
        variables = self.job["spec"]["template"]["spec"]["containers"][0]["env"]
        found: list[Any] = json.loads(next(one["value"] for one in variables if one["name"] == "VIRIDIAN_REASONS"))
        return found

    @property
    def job(self) -> Object:
        """The newest Job."""
        return self.jobs[self.made[-1]]

    @property
    def variables(self) -> Mapping[str, str]:
        """What the container of the newest Job gets."""
        variables = self.job["spec"]["template"]["spec"]["containers"][0]["env"]
        return {variable["name"]: variable.get("value", "") for variable in variables}

    @property
    def mlflow_run(self) -> str:
        """The MLflow run of the newest Job."""
        return self.variables["MLFLOW_RUN_ID"]

    def train(self, *, model: bool = True, tags: Mapping[str, str] | None = None, **metrics: float) -> World:
        """The newest Job logs to its MLflow run and ends well."""
        named = {name.replace("champion_", "champion."): value for name, value in metrics.items()}
        uri = f"models:/m-{self.mlflow_run}" if model else None
        self.registry.log(self.mlflow_run, metrics=named, tags=tags or {}, model_uri=uri)
        return self.end(0)

    def end(self, code: int, said: str | Mapping[str, Any] = "", reason: str = "BackoffLimitExceeded") -> World:
        """The newest Job ends with that exit code and termination message."""
        job, message = self.job, said if isinstance(said, str) else json.dumps(said)
        kind, why = ("Complete", "CompletionsReached") if code == 0 else ("Failed", reason)
        condition = {"type": kind, "status": "True", "reason": why, "lastTransitionTime": format_time(self.now)}
        job["status"] = {"conditions": [condition], "failed": 0 if code == 0 else 1}
        terminated = {"exitCode": code, "message": message}
        phase = "Failed" if code else "Succeeded"
        self.pods[job["metadata"]["name"]] = [self.pod({"terminated": terminated}, phase)]
        return self

    def stage_states(self) -> dict[str, str]:
        """Name of each stage to its state, as the status shows it."""
        return {stage["name"]: stage["state"] for stage in self.status["stages"]}

    def pod(self, state: Object, phase: str = "Running", **status: Any) -> Object:
        """A pod of the newest Job whose working container is in that state."""
        working = self.job["spec"]["template"]["spec"]["containers"][0]["name"]
        statuses = [{"name": working, "state": state}]
        return {
            "metadata": {"name": "churn-x", "creationTimestamp": format_time(self.now)},
            "spec": self.job["spec"]["template"]["spec"],
            "status": {"phase": phase, "containerStatuses": statuses, **status},
        }

    def job_is_deleted(self, *, seen: bool = True) -> World:
        """The newest Job goes, and its pods with it; with or without the operator's process watching."""
        name = self.made[-1]
        job = self.jobs.pop(name)
        if seen:
            self.deleted[name] = job
        else:
            self.pods.pop(name, None)
        return self

    # ---- what cleaners and other people do

    def remove_ended_jobs(self) -> World:
        """A TTL, a cleaner or a person removes every Job that has ended, with its pods."""
        ended = [name for name, job in self.jobs.items() if "status" in job]
        for name in ended:
            del self.jobs[name]
            self.pods.pop(name, None)
        return self

    def orphan_records(self) -> World:
        """Something takes the owner references off the records."""
        for record in self.records.values():
            record["metadata"]["ownerReferences"] = []
        return self

    # ---- what a test looks at

    @property
    def status(self) -> Object:
        found: Object = self.policy.get("status", {})
        return found

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason; both empty where there is no such condition."""
        found: Object = next((c for c in self.status["conditions"] if c["type"] == kind), {})
        return found.get("status", ""), found.get("reason", "")

    def message(self, kind: str) -> str:
        return str(next(c["message"] for c in self.status["conditions"] if c["type"] == kind))

    @property
    def told(self) -> list[str]:
        """Reasons of the events."""
        return [event.reason for event in self.events]

    @property
    def last_run(self) -> Object:
        found: Object = self.status["lastRun"]
        return found

    def aliases(self) -> Mapping[str, str]:
        model = now_of(self.registry.model("churn"))
        return model.aliases if model else {}

    def outcomes(self) -> dict[str, Object]:
        """Run id to the outcome on its record."""
        noted = {record["metadata"]["labels"][RUN_LABEL]: record["metadata"]["annotations"] for record in self.runs}
        return {run: json.loads(a[OUTCOME_ANNOTATION]) for run, a in noted.items() if OUTCOME_ANNOTATION in a}

    @property
    def runs(self) -> list[Object]:
        """The records of runs."""
        return [record for record in self.records.values() if RUN_LABEL in record["metadata"]["labels"]]

    def transitions(self) -> list[datetime | None]:
        return [parse_time(c["lastTransitionTime"]) for c in self.status["conditions"]]


def through(world: World) -> None:
    """Settle, and start again when killed."""
    while True:
        try:
            world.settle()
            return
        except Killed:
            continue


def reasons_of(world: World) -> list[list[str]]:
    """Why each run was made, the first one first."""
    return [list(run.reasons) for run in reversed(read_runs(world.observe().facts))]


def main_container(world: World) -> Object:
    """The container that does the work of the stage at work."""
    found: Object = world.job["spec"]["template"]["spec"]["containers"][0]
    return found
