"""A registry in memory, held to MLflow by the contract tests in tests/contract/registry.

Failures are asked for by the test: the server is down (`unavailable`), it refuses everything (`refusal`) or one method
(`refusals`), the answer to a write is lost after the write took effect (`lose_answer_of`), or something happens right
after each write (`after_write`).
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from viridian.api.registry import (
    TAG_MODEL_DEPLOYMENT,
    TAG_MODEL_URI,
    TAG_RUN,
    TAG_TRAIL,
    LoggedModel,
    ModelHistory,
    ModelsPage,
    ModelVersion,
    RegisteredModel,
    RunStatus,
    TrainingRun,
    logged_model_id,
)
from viridian.ports.registry import RegistryMissing, RegistryRefused, RegistryUnavailable

ALIAS = re.compile(r"(?!latest$|v\d+$)[\w-]{1,255}", re.ASCII | re.IGNORECASE)
"""MLflow's rule for the names of aliases."""


@dataclass
class _Model:
    versions: dict[str, ModelVersion] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    made: int = 0
    created: int = 0
    created_of: dict[str, int] = field(default_factory=dict)
    """Version to its creation, in milliseconds since 1970."""

    @property
    def history(self) -> ModelHistory:
        newest = max(map(int, self.versions), default=0)
        return ModelHistory(self.created, newest, self.created_of.get(str(newest), 0))


class MemoryRegistry:
    """Satisfies `viridian.ports.registry.Registry`; the methods below the line are for tests alone."""

    def __init__(self) -> None:
        self.unavailable = False
        self.refusal: str | None = None
        self.refusals: dict[str, str] = {}
        """Method to the sentence with which it is refused."""
        self.latency: Callable[[], float] | None = None
        """Seconds that each request takes to arrive; asking whether something exists and making it are two requests."""
        self.after_write: Callable[[str], None] | None = None
        """Called with the method's name after each single write took effect; what it raises, the caller gets."""
        self.page_size = 100
        self.milliseconds = 0
        """Since 1970, when something was made last."""
        self.calls: Counter[str] = Counter()
        self.writes: list[str] = []
        self._lost: Counter[str] = Counter()
        self._models: dict[str, _Model] = {}
        self._logged: dict[str, LoggedModel] = {}
        self._experiments: set[str] = set()
        self._runs: dict[str, TrainingRun] = {}
        self._experiment_of: dict[str, str] = {}
        self._sequence = 0

    async def model(self, name: str) -> RegisteredModel | None:
        await self._called("model")
        model = self._models.get(name)
        return _registered(name, model) if model else None

    async def models(self, page_token: str = "") -> ModelsPage:
        await self._called("models")
        names = sorted(self._models)
        start = int(page_token or "0")
        found = tuple(_registered(name, self._models[name]) for name in names[start : start + self.page_size])
        after = start + self.page_size
        return ModelsPage(models=found, next_token=str(after) if after < len(names) else "")

    async def claim(self, name: str, owner: str) -> str:
        await self._called("claim")
        if name not in self._models:
            raise RegistryMissing(f"the registry knows no model {name}")
        if not self._models[name].tags.get(TAG_MODEL_DEPLOYMENT):
            await self._take_time()
            self._models[name].tags[TAG_MODEL_DEPLOYMENT] = owner
            self._wrote("claim")
            await self._take_time()
        return self._models[name].tags[TAG_MODEL_DEPLOYMENT]

    async def version(self, name: str, version: str) -> ModelVersion | None:
        await self._called("version")
        model = self._models.get(name)
        found = model.versions.get(version) if model else None
        return replace(found, tags=dict(found.tags)) if found else None

    async def version_of_run(self, name: str, run_id: str) -> str | None:
        await self._called("version_of_run")
        return self._version_of_run(name, run_id)

    async def register(self, name: str, run_id: str, source: str, tags: Mapping[str, str], *, owner: str = "") -> str:
        await self._called("register")
        if existing := self._version_of_run(name, run_id):
            return existing
        await self._take_time()
        if name not in self._models:
            self._models[name] = _Model(
                tags={TAG_MODEL_DEPLOYMENT: owner} if owner else {}, created=self._next_millisecond()
            )
            self._wrote("register")
        model = self._models[name]
        model.made += 1
        version = str(model.made)
        model.created_of[version] = self._next_millisecond()
        model.versions[version] = ModelVersion(
            name=name, version=version, source=source, uri=download_uri(source), run_id=run_id or None, tags=dict(tags)
        )
        self._wrote("register")
        return version

    async def logged_model(self, model_id: str) -> LoggedModel | None:
        await self._called("logged_model")
        return self._logged.get(model_id)

    async def tag_version(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        await self._called("tag_version")
        model = self._models.get(name)
        if model is None or version not in model.versions:
            raise RegistryMissing(f"the registry knows no version {version} of the model {name}")
        for key, value in tags.items():
            was = model.versions[version]
            model.versions[version] = replace(was, tags={**was.tags, key: value})
            self._wrote("tag_version")

    async def set_alias(self, name: str, alias: str, version: str) -> None:
        await self._called("set_alias")
        if not ALIAS.fullmatch(alias):
            raise RegistryRefused(f"the registry takes no alias named {alias!r}")
        model = self._models.get(name)
        if model is None or version not in model.versions:
            raise RegistryMissing(f"the registry knows no version {version} of the model {name}")
        model.aliases[alias] = version
        self._wrote("set_alias")

    async def delete_alias(self, name: str, alias: str) -> None:
        await self._called("delete_alias")
        model = self._models.get(name)
        if model is None:
            return
        model.aliases.pop(alias, None)
        self._wrote("delete_alias")

    async def find_run(self, experiment: str, run_key: str) -> TrainingRun | None:
        await self._called("find_run")
        return self._find_run(experiment, run_key)

    async def create_run(self, experiment: str, run_key: str, tags: Mapping[str, str]) -> TrainingRun:
        await self._called("create_run")
        if existing := self._find_run(experiment, run_key):
            return existing
        await self._take_time()
        if experiment not in self._experiments:
            self._experiments.add(experiment)
            self._wrote("create_run")
        run_id = self._new_id()
        run = TrainingRun(
            run_id=run_id,
            status=RunStatus.RUNNING,
            tags={**tags, TAG_RUN: run_key},
            artifact_uri=f"mlflow-artifacts:/0/{run_id}/artifacts",
        )
        self._runs[run.run_id] = run
        self._experiment_of[run.run_id] = experiment
        self._wrote("create_run")
        return run

    async def run(self, run_id: str) -> TrainingRun | None:
        await self._called("run")
        return self._read(self._runs[run_id]) if run_id in self._runs else None

    async def tag_run(self, run_id: str, tags: Mapping[str, str]) -> None:
        await self._called("tag_run")
        self._change_run(run_id, tags=tags)
        self._wrote("tag_run")

    async def finish_run(self, run_id: str, status: RunStatus) -> None:
        await self._called("finish_run")
        self._change_run(run_id)
        self._runs[run_id] = replace(self._runs[run_id], status=status)
        self._wrote("finish_run")

    # ---- what a test does to the registry, and what people and trainers would do

    def lose_answer_of(self, method: str, times: int = 1) -> None:
        """The next so many single writes of that method take effect, and their answers are lost."""
        self._lost[method] += times

    def log(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        model_uri: str | None = None,
    ) -> None:
        """What a trainer logs to its run; a model that nobody has logged yet is this run's."""
        if (model_id := logged_model_id(model_uri or "")) is not None:
            place = download_uri(f"models:/{model_id}")
            self._logged.setdefault(model_id, LoggedModel(model_id=model_id, run_id=run_id, artifact_uri=place))
        self._change_run(run_id, tags=tags or {})
        run = self._runs[run_id]
        self._runs[run_id] = replace(
            run,
            metrics={**run.metrics, **(metrics or {})},
            params={**run.params, **(params or {})},
            model_uri=model_uri or run.model_uri,
        )

    def add_version(
        self, name: str, tags: Mapping[str, str] | None = None, source: str | None = None, run_id: str | None = None
    ) -> str:
        """A person registers a version by hand."""
        model = self._models.setdefault(name, _Model(created=self._next_millisecond()))
        model.made += 1
        version = str(model.made)
        model.created_of[version] = self._next_millisecond()
        source = source or f"models:/m-{self._new_id()}"
        model.versions[version] = ModelVersion(
            name=name, version=version, source=source, uri=download_uri(source), run_id=run_id, tags=dict(tags or {})
        )
        return version

    def tag_model(self, name: str, tags: Mapping[str, str]) -> None:
        """MLflow's administrator sets tags of the registered model."""
        self._models.setdefault(name, _Model(created=self._next_millisecond())).tags |= tags

    def tags(self, name: str) -> Mapping[str, str]:
        """The registered model's own."""
        model = self._models.get(name)
        return dict(model.tags) if model else {}

    def move_alias(self, name: str, alias: str, version: str) -> None:
        """A person moves an alias."""
        self._models[name].aliases[alias] = version

    def delete_version(self, name: str, version: str) -> None:
        """A person deletes a version; its aliases go with it, as in MLflow."""
        model = self._models[name]
        del model.versions[version]
        model.aliases = {alias: target for alias, target in model.aliases.items() if target != version}

    def restart_numbers(self, name: str, *, after: int) -> None:
        """A backup is restored that knows no version after that one."""
        self._models[name].made = after

    def delete_model(self, name: str) -> None:
        del self._models[name]

    def versions(self, name: str) -> Mapping[str, ModelVersion]:
        model = self._models.get(name)
        return dict(model.versions) if model else {}

    def aliases(self, name: str) -> Mapping[str, str]:
        model = self._models.get(name)
        return dict(model.aliases) if model else {}

    def delete_run(self, run_id: str) -> None:
        """A person deletes an MLflow run."""
        del self._runs[run_id]

    def runs(self) -> list[TrainingRun]:
        """Those of training."""
        return [run for run in self._runs.values() if not self._is_trail(run)]

    def trails(self) -> dict[str, dict[str, str]]:
        """The entries of trails of audit, by the key of their MLflow run: names of tags to JSON."""
        return {
            run.tags[TAG_RUN]: {name: value for name, value in run.tags.items() if name.startswith(TAG_TRAIL)}
            for run in self._runs.values()
            if self._is_trail(run)
        }

    def _is_trail(self, run: TrainingRun) -> bool:
        return self._experiment_of[run.run_id].startswith("viridian-trail/")

    async def _called(self, method: str) -> None:
        self.calls[method] += 1
        await self._take_time()
        if self.unavailable:
            raise RegistryUnavailable("the registry does not answer")
        if self.refusal:
            raise RegistryRefused(self.refusal)
        if method in self.refusals:
            raise RegistryRefused(self.refusals[method])

    async def _take_time(self) -> None:
        if self.latency is not None:
            await asyncio.sleep(self.latency())

    def _wrote(self, method: str) -> None:
        self.writes.append(method)
        if self.after_write is not None:
            self.after_write(method)
        if self._lost[method]:
            self._lost[method] -= 1
            raise RegistryUnavailable("the registry's answer was lost")

    def _version_of_run(self, name: str, run_id: str) -> str | None:
        model = self._models.get(name)
        made = [v.version for v in model.versions.values() if v.run_id == run_id] if model and run_id else []
        return min(made, key=int, default=None)

    def _find_run(self, experiment: str, run_key: str) -> TrainingRun | None:
        for run in self._runs.values():
            if run.tags.get(TAG_RUN) == run_key and self._experiment_of[run.run_id] == experiment:
                return self._read(run)
        return None

    @staticmethod
    def _read(run: TrainingRun) -> TrainingRun:
        return replace(run, model_uri=run.tags.get(TAG_MODEL_URI) or run.model_uri)

    def _change_run(self, run_id: str, tags: Mapping[str, str] | None = None) -> None:
        run = self._runs.get(run_id)
        if run is None:
            raise RegistryMissing(f"the registry knows no run {run_id}")
        self._runs[run_id] = replace(run, tags={**run.tags, **(tags or {})})

    def _next_millisecond(self) -> int:
        self.milliseconds += 1
        return self.milliseconds

    def _new_id(self) -> str:
        self._sequence += 1
        return f"{self._sequence:032x}"


def _registered(name: str, model: _Model) -> RegisteredModel:
    return RegisteredModel(name=name, aliases=dict(model.aliases), tags=dict(model.tags), history=model.history)


def download_uri(source: str) -> str:
    """Where MLflow's server says the bytes of such a source are."""
    if source.startswith("runs:/"):
        run_id, _, path = source.removeprefix("runs:/").partition("/")
        return f"mlflow-artifacts:/0/{run_id}/artifacts/{path}"
    if source.startswith("models:/m-"):
        return f"mlflow-artifacts:/0/models/{source.removeprefix('models:/')}/artifacts"
    return source
