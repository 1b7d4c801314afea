"""Observe a RetrainPolicy: its ModelDeployment, its runs, their Jobs and pods, then what the registry knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from viridian.api import reasons
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, RETRAIN_POLICY_LABEL
from viridian.api.registry import ALIAS_CHAMPION, LoggedModel, ModelVersion, TrainingRun, logged_model_id
from viridian.controller.keys import Key
from viridian.controller.last_seen import LastSeen
from viridian.controller.listed_children import NOT_ASKED
from viridian.controller.model_owners import owners
from viridian.controller.reconcilable import Observed
from viridian.controller.registries import ByNamespace
from viridian.controller.trigger_readings import TriggerReadings
from viridian.core.model_owners import Owners
from viridian.core.obstacles import NO_OBSTACLES, Obstacles, RegistryObstacle, from_cluster, from_registry
from viridian.core.plan import Plan
from viridian.ports.cluster import ClusterReader, ClusterRefused, Object, ObjectRef
from viridian.ports.collector import Collector, FeedbackError, FeedbackUnavailable
from viridian.ports.registry import Registry, RegistryError
from viridian.retraining.data_polls import open_polls
from viridian.retraining.decide import decide
from viridian.retraining.input import (
    RegistryQuery,
    RegistryResult,
    TrainingSettings,
    Unavailable,
    facts_of,
    named_deployment,
    named_model,
)
from viridian.retraining.interpret import RetrainingInput, interpret, with_obstacles
from viridian.retraining.mlflow_runs import OPEN
from viridian.retraining.records import has_volumes
from viridian.retraining.runs import OpenStage, open_stages, unwatched_objects
from viridian.retraining.stages.stage_table import STAGE_KINDS
from viridian.retraining.stages.state import StageState
from viridian.retraining.triggers.trigger_table import questions_of
from viridian.rollout.input import OperatorSettings


@dataclass(frozen=True, slots=True)
class RetrainPolicies:
    """How the loop treats a RetrainPolicy."""

    cluster: ClusterReader
    registries: ByNamespace[Registry]
    feedback: Collector | None
    settings: OperatorSettings
    clock: Callable[[], datetime]
    last_seen: LastSeen
    readings: TriggerReadings
    asks: bool = True
    """Whether what triggers want to know is asked for; else only what is known counts."""

    async def observe(self, key: Key, manifest: Object) -> Observed[RetrainingInput]:
        """The object as it was just read, and everything that belongs to it."""
        labels = {RETRAIN_POLICY_LABEL: key.name}
        deployment, objects, records = await asyncio.gather(
            self._deployment(key, named_deployment(manifest)),
            self._objects(key, labels),
            self.cluster.list("apps/v1", "ControllerRevision", key.namespace, labels),
        )
        claims = await self._claims(key, labels) if has_volumes(records) else ()
        unwatched, unreadable = await self._unwatched(key, unwatched_objects(manifest, records))
        objects = [*objects, *unwatched]
        stages = (*open_stages(manifest, records), *open_polls(manifest, objects))
        there = {found["metadata"]["name"]: found for found in objects}
        last_seen = self.last_seen.objects(key, [stage.object_name for stage in stages])
        deleted = {name: found for name, found in last_seen.items() if name not in there}
        known = {**deleted, **there}
        states = await self._states(key, stages, known)
        now = self.clock()
        missing = [stage.object_name for stage in stages if stage.seen and stage.object_name not in known]
        for name, until in self.last_seen.watched_until(key, missing, now).items():
            states[name] = replace(states[name], watched_until=until)
        facts = facts_of(
            manifest,
            deployment,
            objects,
            states,
            TrainingSettings(
                mlflow_uri=self.settings.mlflow_uri,
                collector=self.feedback is not None,
                prometheus=self.readings.prometheus is not None,
                receives_events=self.settings.receives_events,
                trainer_image=self.settings.trainer_image,
                server_image=self.settings.server_image,
                spot_nodes=self.settings.spot_nodes,
                stage_resources=self.settings.stage_resources,
                image_pull_secrets=self.settings.image_pull_secrets,
                templates=self.settings.templates,
                platform=self.settings.platform,
                registry_models=self.settings.registry_models,
            ),
            records=records,
            deleted=deleted,
            claims=claims,
            unreadable=unreadable,
        )
        given = self._with_readings(key, interpret(facts, now))
        return Observed(replace(given, registry=await self._registry_result(key, given.query)), now)

    def decide(self, observed: Observed[RetrainingInput], obstacles: Obstacles = NO_OBSTACLES) -> Plan:
        given, refused = with_obstacles(observed.input, from_cluster(obstacles)), from_registry(obstacles)
        return decide(given if refused is None else replace(given, registry=_not_written(refused)))

    async def fail_closed(self, key: Key, manifest: Object, why: str) -> Plan | None:  # noqa: ARG002
        return None  # no user meets a run

    def by_lists(self, lists: ClusterReader) -> RetrainPolicies:
        feedback = NOT_ASKED if self.feedback is not None else None
        return replace(self, cluster=lists, registries=ByNamespace(NOT_ASKED), feedback=feedback, asks=False)

    def _with_readings(self, key: Key, given: RetrainingInput) -> RetrainingInput:
        """The input with what was read for its triggers, for the few policies that ask for anything."""
        state = given.state
        questions = questions_of(state.spec, state.facts) if state is not None else ()
        if not questions:
            return given
        readings = self.readings.known(key, questions, ask=self.asks)
        return interpret(replace(given.facts, readings=readings), given.now)

    async def forget(self, key: Key) -> None:
        self.readings.forget(key)
        self.last_seen.forget(key)

    async def _deployment(self, key: Key, name: str) -> Object | None:
        if not name:
            return None
        return await self.cluster.get(ObjectRef(API_VERSION, MODEL_DEPLOYMENT, key.namespace, name))

    async def _objects(self, key: Key, labels: Mapping[str, str]) -> Sequence[Object]:
        """The objects that do the work of stages."""
        kinds = STAGE_KINDS.values()
        lists = (self.cluster.list(kind.api_version, kind.kind, key.namespace, labels) for kind in kinds)
        return [found for listed in await asyncio.gather(*lists) for found in listed]

    async def _unwatched(self, key: Key, stages: Sequence[OpenStage]) -> tuple[Sequence[Object], Mapping[str, str]]:
        """The objects of stages that no list shows, and of those that could not be read the reason."""
        found: list[Object] = []
        unreadable: dict[str, str] = {}
        allowed = {(one.api_version, one.kind) for one in self.settings.stage_resources}
        for one in stages:
            if (one.kind.api_version, one.kind.kind) not in allowed:
                continue
            reference = ObjectRef(one.kind.api_version, one.kind.kind, key.namespace, one.object_name)
            try:
                read = await self.cluster.get(reference)
            except ClusterRefused as error:
                unreadable[one.object_name] = str(error)
            else:
                found += [read] if read is not None else []
        return found, unreadable

    async def _claims(self, key: Key, labels: Mapping[str, str]) -> Sequence[Object]:
        """The volumes of runs."""
        return await self.cluster.list("v1", "PersistentVolumeClaim", key.namespace, labels)

    async def _states(
        self, key: Key, stages: Sequence[OpenStage], objects: Mapping[str, Object]
    ) -> dict[str, StageState]:
        pods = await asyncio.gather(*(self._pods(key, one) for one in stages))
        return {
            one.object_name: one.kind.state(
                objects.get(one.object_name), self.last_seen.pods(key, one.object_name, found)
            )
            for one, found in zip(stages, pods, strict=True)
        }

    async def _pods(self, key: Key, stage: OpenStage) -> Sequence[Object]:
        if not stage.kind.pod_label:
            return ()
        return await self.cluster.list("v1", "Pod", key.namespace, {stage.kind.pod_label: stage.object_name})

    async def _registry_result(self, key: Key, query: RegistryQuery) -> RegistryResult | Unavailable:
        try:
            return await self._ask(key, query)
        except RegistryError as error:
            return _unavailable(error)
        except FeedbackUnavailable as error:
            return Unavailable(reasons.COLLECTOR_UNAVAILABLE, str(error))
        except FeedbackError as error:
            return Unavailable(reasons.COLLECTOR_REFUSED, str(error))

    async def _ask(self, key: Key, query: RegistryQuery) -> RegistryResult:
        registry = self.registries.of(key.namespace)
        run, owners = await _run(registry, query), await _owners(registry, query)
        # A stage before this one may have closed the MLflow run.
        may_begin = run is not None and (run.status in OPEN or bool(query.mlflow_run))
        if query.rows_of and self.feedback is not None and may_begin:
            # A second request for the same run gets the same rows; before the first row there are none to give.
            rows = await self.feedback.freeze(key.namespace, query.rows_of, query.key)
            return RegistryResult(query=query, run=run, owners=owners, rows=rows)
        if not query.model:
            return RegistryResult(query=query, run=run, owners=owners)
        model = await registry.model(query.model)
        aliases = model.aliases if model is not None else {}
        candidate = await _candidate(registry, query.model, run)
        champion = await _version(registry, query.model, query.champion or aliases.get(ALIAS_CHAMPION))
        return RegistryResult(
            query=query,
            run=run,
            candidate=candidate,
            champion=champion,
            aliases=aliases,
            owners=owners,
            logged=await _logged(registry, named_model(query.reported, run, candidate)),
        )


async def _owners(registry: Registry, query: RegistryQuery) -> Owners | None:
    return await owners(registry, query.owners_of) if query.owners_of else None


async def _logged(registry: Registry, source: str) -> LoggedModel | None:
    model_id = logged_model_id(source)
    return await registry.logged_model(model_id) if model_id is not None else None


async def _run(registry: Registry, query: RegistryQuery) -> TrainingRun | None:
    if not query.key:
        return None
    if query.mlflow_run:
        run = await registry.run(query.mlflow_run)
        # The id was read from a Job, which people can write: only the run that was made for it counts.
        return run if run is not None and run.key == query.key else None
    return await registry.find_run(query.experiment, query.key)


async def _candidate(registry: Registry, model: str, run: TrainingRun | None) -> ModelVersion | None:
    version = await registry.version_of_run(model, run.run_id) if run is not None else None
    return await _version(registry, model, version)


async def _version(registry: Registry, model: str, version: str | None) -> ModelVersion | None:
    return await registry.version(model, version) if version else None


def _not_written(obstacle: RegistryObstacle) -> Unavailable:
    """The registry after it has not taken a write: nothing else is decided about then."""
    if obstacle.reason != reasons.REGISTRY_REFUSED:
        return Unavailable(obstacle.reason, obstacle.message)
    advice = "set right there what it names; the write is tried again once a minute"
    return Unavailable(obstacle.reason, f"a write was refused: {obstacle.message}; {advice}")


def _unavailable(error: RegistryError) -> Unavailable:
    """What is gone from the registry is no silence: if it is still wanted in the next pass, people should know."""
    return Unavailable(error.reason, error.message)
