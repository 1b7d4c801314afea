"""The operator's whole loop over the months of a story, on the clock of an in-memory cluster.

Real: the operator's passes and all they decide, the fitted models and their judgement, the counting of rows. Made here:
users and what they do (the story's generator), the cluster with its pods, the registry, and the time that a Job takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pandas as pd
import yaml

from tests.support.memory_cluster import Outcome
from tests.support.memory_collector import MemoryBundles, MemoryCollector
from tests.support.memory_pods import MemoryPods
from tests.support.operator_world import SETTINGS, OperatorWorld
from tests.support.stories.fitted_model import FittedModel, Frame, fitted
from tests.support.stories.live_rows import LiveRows, features_of
from tests.support.stories.story_record import digest_of
from viridian.api.feedback import FrozenRows, Window
from viridian.api.input_schema import InputSchema
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY, REVISION_LABEL
from viridian.api.registry import TAG_DIGEST, TAG_EVALUATION, TAG_HOLDOUT, logged_model_id
from viridian.api.samples import PodTarget
from viridian.api.stage import StageReport
from viridian.controller.keys import Key
from viridian.monitoring.monitor_report import MonitoringReport
from viridian.ports.cluster import Object
from viridian.retraining.environment import CHAMPION_VARIABLE
from viridian.training.stage_exit import StageEnded

NAMESPACE: Final = "default"
RESYNC: Final = 86_400.0
LOOKS_EVERY: Final = 3 * 3600.0
"""The operator looks at these hours of the day; on a cluster it looks whenever something changes or is due. So
everything in a story happens up to three hours later than it would."""
TRAINING_SECONDS: Final = 1800.0
RETENTION: Final = 30 * 86_400.0
"""As the manifests have it."""

Fit = Callable[[pd.DataFrame], tuple[Any, Frame, Frame]]
"""What the script of the training stage makes of the rows: the estimator, what it was fitted on, and the holdout."""


@dataclass(frozen=True, kw_only=True)
class Staging:
    """What a story begins with."""

    name: str
    """Of the registered model and of both objects."""
    folder: Path
    """With the manifests, as a user applies them."""
    begin: datetime
    """A midnight."""
    generate: Callable[[int], pd.DataFrame]
    """The rows of a day, by its number; those before the first day are negative."""
    history_days: int
    """Days before the first one that the launch was trained on."""
    fit: Fit
    outcome_after: float
    """Seconds."""


class StoryWorld(OperatorWorld):
    """An empty cluster with the operator, on the midnight on which the story begins."""

    def __init__(self, staging: Staging) -> None:
        settings = replace(SETTINGS, collector_url="http://viridian-collector:8090")
        super().__init__(settings=settings)
        self.staging = staging
        self.files = digest_of(staging.folder.name)
        """An edit from now on is not what is told."""
        self.fit = staging.fit
        self.clock.now = staging.begin
        begin = staging.begin.timestamp()
        self.rows = LiveRows(staging.generate, begin, staging.outcome_after, RETENTION)
        self.models: dict[str, FittedModel] = {}
        """By id in the registry."""
        rows_a_second = len(staging.generate(0)) / 86_400
        self.pods = _Pods(self, rows_a_second)
        self.collector = _Collector(self)
        self.bundles = _Bundles(self)
        self.keys = [Key(kind, NAMESPACE, staging.name) for kind in (MODEL_DEPLOYMENT, RETRAIN_POLICY)]
        self.reports: list[tuple[datetime, MonitoringReport]] = []
        """What the operator's monitors found, at the end of each window."""
        self.ended: dict[str, Object] = {}
        """All runs that have ended, by their ids."""
        self.resync = RESYNC
        self.restart()
        self.restarts = 0

    def _start(self) -> None:
        super()._start()
        judged = self.monitoring.judged

        def kept(key: Key, report: MonitoringReport) -> None:
            self.reports.append((self.clock(), report))
            judged(key, report)

        self.monitoring.judged = kept  # type: ignore[method-assign]
        self.cluster.on_change.append(self._saw)

    # ---- what people do

    def launch(self) -> FittedModel:
        """A person trains the first version on the rows from before, and registers it."""
        days = range(-self.staging.history_days, 0)
        history = pd.concat([self._logged(number) for number in days])
        model = self._remember(self._fitted("m-launch", history, None))
        tags = {TAG_DIGEST: model.files[1], TAG_HOLDOUT: model.holdout}
        version = self.registry.add_version(self.staging.name, tags=tags, source=model.uri)
        self.do(self.registry.set_alias(self.staging.name, "candidate", version))
        return model

    def apply(self, file: str) -> None:
        """As `kubectl apply -f` of a file of the example."""
        for manifest in yaml.safe_load_all((self.staging.folder / file).read_text()):
            self.cluster.create({**manifest, "metadata": {"namespace": NAMESPACE, **manifest["metadata"]}})

    def pass_day(self) -> None:
        """Until the next midnight."""
        self.run(86_400, most=LOOKS_EVERY)
        self.ended |= {run["id"]: run for run in self.status(RETRAIN_POLICY).get("runs", ())}

    # ---- what can be seen

    def status(self, kind: str) -> Object:
        found = self.cluster.find(kind, self.staging.name)
        return dict((found or {}).get("status") or {})

    @property
    def champion(self) -> str:
        """The version that serves; empty before the first one does."""
        return str(self.status(MODEL_DEPLOYMENT).get("champion", {}).get("version", ""))

    def events(self) -> list[tuple[datetime, Object]]:
        """What the operator has told, in order of time."""
        told = [(datetime.fromisoformat(event["eventTime"]), event) for event in self.cluster.all("Event")]
        return sorted(told, key=lambda one: one[0])

    def model_of(self, version: str) -> FittedModel:
        known = self.registry.versions(self.staging.name)[version]
        return self.models[logged_model_id(known.source) or ""]

    # ---- inside

    def _sleep(self) -> float:
        return LOOKS_EVERY - self.clock().timestamp() % LOOKS_EVERY

    def _logged(self, number: int) -> pd.DataFrame:
        """Rows from before the launch, in the form of the collector's."""
        frame = self.staging.generate(number)
        features = features_of(frame).add_prefix("features.")
        seconds = self.staging.begin.timestamp() + number * 86_400 + frame["time"]
        return features.assign(time=pd.to_datetime(seconds, unit="s", utc=True), outcome=frame["outcome"])

    def _fitted(self, name: str, rows: pd.DataFrame, champion: FittedModel | None) -> FittedModel:
        estimator, training, holdout = self.fit(rows)
        return fitted(name, estimator, training, holdout, champion)

    def _remember(self, model: FittedModel) -> FittedModel:
        self.models[model.name] = model
        return model

    def _saw(self, change: str, found: Object) -> None:
        """The container of a Job begins to work once the Job is there."""
        if change == "ADDED" and found["kind"] == "Job":
            self.cluster.outcomes[found["metadata"]["name"]] = self._trained(found)

    def _trained(self, job: Object) -> Outcome:
        """What comes of the script of the training stage, with the rows that were frozen for its run."""
        variables = {v["name"]: v.get("value", "") for v in job["spec"]["template"]["spec"]["containers"][0]["env"]}
        run, champion = str(variables["MLFLOW_RUN_ID"]), logged_model_id(variables.get(CHAMPION_VARIABLE, ""))
        frozen = self.rows.answered_rows(self._collector.frozen_at[variables["VIRIDIAN_RUN_ID"]])
        try:
            model = self._remember(self._fitted(f"m-{run}", frozen, self.models.get(champion or "")))
        except StageEnded as ended:
            failed = StageReport(failures=(ended.reason,)).rendered()
            return Outcome(int(ended.exit_code), failed, after=TRAINING_SECONDS)
        evaluation = {TAG_EVALUATION: model.evaluation.rendered()} if model.evaluation else {}
        tags = {TAG_DIGEST: model.files[1], TAG_HOLDOUT: model.holdout, **evaluation}

        def log(_job: Object) -> None:
            self.registry.log(run, metrics=model.metrics, tags=tags, model_uri=model.uri)

        return Outcome(message=model.report.rendered(), after=TRAINING_SECONDS, effect=log)

    @property
    def _collector(self) -> _Collector:
        assert isinstance(self.collector, _Collector)
        return self.collector


class _Pods(MemoryPods):
    """Pods that answer the story's users."""

    def __init__(self, world: StoryWorld, rate: float) -> None:
        super().__init__(world.cluster, service=world.staging.name, rate=rate)
        self._world = world

    def pass_time(self, seconds: float) -> None:
        super().pass_time(seconds)
        live = self._cluster.find("Service", self._service)
        pods = self._cluster.ready_pods(live["spec"]["selector"]) if live is not None else ()
        for pod in pods:
            self._note(pod)
        revisions = [pod["metadata"]["labels"][REVISION_LABEL] for pod in pods]
        self._world.rows.arrive(self._world.clock().timestamp(), revisions)

    async def input_schemas(self, targets: Sequence[PodTarget]) -> Mapping[str, InputSchema]:
        models = {target.uid: self.model_in(target) for target in targets}
        return {uid: model.schema for uid, model in models.items() if model is not None}

    def model_in(self, target: PodTarget) -> FittedModel | None:
        pod = self._pod(target.uid)
        return self._world.model_of(version_in(pod)) if pod is not None else None

    def _note(self, pod: Mapping[str, Any]) -> None:
        revision, version = pod["metadata"]["labels"][REVISION_LABEL], version_in(pod)
        if revision not in self._world.rows.models:
            self._world.rows.models[revision] = self._world.model_of(version)
            self._world.rows.versions[revision] = version


def version_in(pod: Mapping[str, Any]) -> str:
    """Of the model that a pod serves."""
    entries = (entry for container in pod["spec"]["containers"] for entry in container.get("env", ()))
    return next(str(entry["value"]) for entry in entries if entry["name"] == "VIRIDIAN_MODEL_VERSION")


class _Collector(MemoryCollector):
    """Knows the rows of the story's users."""

    def __init__(self, world: StoryWorld) -> None:
        super().__init__()
        self._world = world
        self.frozen_at: dict[str, float] = {}
        """By run."""

    async def windows(
        self,
        namespace: str,
        deployment: str,
        *,
        start: float,
        end: float,
        seconds: float,
        revision: str | None,
        profiles: bool = True,
        label: str = "",
    ) -> list[Window]:
        now = self._world.clock().timestamp()
        return self._world.rows.windows(start, end, seconds, revision, profiles=profiles, now=now)

    async def freeze(self, namespace: str, deployment: str, run_id: str) -> FrozenRows | None:
        at = self.frozen_at.setdefault(run_id, self._world.clock().timestamp())
        found = await super().freeze(namespace, deployment, run_id)
        return found and msgspec.structs.replace(found, **self._world.rows.counted(at))


class _Bundles(MemoryBundles):
    """Each pod shows the files of its own version."""

    def __init__(self, world: StoryWorld) -> None:
        super().__init__()
        self._world = world

    async def read(self, target: PodTarget, path: str) -> bytes | None:
        pods = self._world.pods
        model = pods.model_in(target) if isinstance(pods, _Pods) else None
        return model.files[0].get(path) if model is not None else None
