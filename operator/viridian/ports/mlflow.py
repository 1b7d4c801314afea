"""The registry port on a real MLflow server, by the few REST calls that it needs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from viridian.api.registry import (
    TAG_MODEL_DEPLOYMENT,
    TAG_MODEL_URI,
    TAG_RUN,
    LoggedModel,
    ModelsPage,
    ModelVersion,
    RegisteredModel,
    RunStatus,
    TrainingRun,
    logged_model_id,
)
from viridian.ports.mlflow_api import (
    TIMEOUT_SECONDS,
    Authorizing,
    Body,
    CallOutcome,
    Credentials,
    MlflowApi,
    MlflowResponse,
)
from viridian.ports.mlflow_responses import history_of, models_page
from viridian.ports.registry import RegistryMissing, RegistryRefused, RegistryUnavailable

RUN_NAME_TAG: Final = "mlflow.runName"
LOGGED_BY_OLD_CLIENTS: Final = "mlflow.log-model.history"
DELETED: Final = "deleted"
PAGE_SIZE: Final = "200"
"""Registered models on one page. Larger ones (up to 1,000) cost MLflow hardly less, and keep others waiting longer."""


class MlflowRegistry:
    """Satisfies `viridian.ports.registry.Registry`; an asynchronous context manager, or closed by hand."""

    def __init__(
        self, uri: str, *, credentials: Authorizing | None = None, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._api = MlflowApi(uri, credentials or Credentials(), timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._api.close()

    # ---- models and versions

    async def model(self, name: str) -> RegisteredModel | None:
        body = found(await self._api.get("registered-models/get", name=name))
        return None if body is None else registered_from(name, body["registered_model"])

    async def models(self, page_token: str = "") -> ModelsPage:
        token = {"page_token": page_token} if page_token else {}
        found = await self._api.get("registered-models/search", read=models_page, max_results=PAGE_SIZE, **token)
        page: ModelsPage = done(found)["page"]
        return page

    async def claim(self, name: str, owner: str) -> str:
        if not (claimed := await self._claim_of(name)):
            wanted = {"name": name, "key": TAG_MODEL_DEPLOYMENT, "value": owner}
            done(await self._api.post("registered-models/set-tag", wanted))
            claimed = await self._claim_of(name)
        return claimed

    async def _claim_of(self, name: str) -> str:
        body = done(await self._api.get("registered-models/get", name=name))
        return registered_from(name, body["registered_model"]).tags.get(TAG_MODEL_DEPLOYMENT, "")

    async def version(self, name: str, version: str) -> ModelVersion | None:
        body = found(await self._api.get("model-versions/get", name=name, version=version))
        if body is None:
            return None
        place = found(await self._api.get("model-versions/get-download-uri", name=name, version=version))
        if place is None:
            return None
        return ModelVersion(
            name=name,
            version=version,
            source=body["model_version"]["source"],
            uri=await self._absolute(place["artifact_uri"]),
            run_id=body["model_version"].get("run_id") or None,
            tags=pairs(body["model_version"]),
        )

    async def version_of_run(self, name: str, run_id: str) -> str | None:
        if not run_id:
            return None
        answer = await self._api.get(
            "model-versions/search",
            filter=f"name={quoted(name)} and run_id={quoted(run_id)}",
            order_by="version_number ASC",
            max_results="1",
        )
        versions = done(answer).get("model_versions", [])
        return str(versions[0]["version"]) if versions else None

    async def register(self, name: str, run_id: str, source: str, tags: Mapping[str, str], *, owner: str = "") -> str:
        if existing := await self.version_of_run(name, run_id):
            return existing
        wanted = {"name": name, "source": source, "tags": listed(tags)}
        if run_id:
            wanted["run_id"] = run_id
        if model_id := logged_model_id(source):
            wanted["model_id"] = model_id  # without it the server refuses the source as somebody else's
        answer = await self._api.post("model-versions/create", wanted)
        if answer.outcome is CallOutcome.MISSING:
            await self._create_model(name, owner)
            answer = await self._api.post("model-versions/create", wanted)
        return str(done(answer)["model_version"]["version"])

    async def logged_model(self, model_id: str) -> LoggedModel | None:
        body = found(await self._api.get(f"logged-models/{model_id}"))
        if body is None:
            return None
        info = Body(body["model"])["info"]
        return LoggedModel(
            model_id=model_id, run_id=info.get("source_run_id") or "", artifact_uri=info.get("artifact_uri") or ""
        )

    async def tag_version(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            done(
                await self._api.post(
                    "model-versions/set-tag", {"name": name, "version": version, "key": key, "value": value}
                )
            )

    async def set_alias(self, name: str, alias: str, version: str) -> None:
        done(await self._api.post("registered-models/alias", {"name": name, "alias": alias, "version": version}))

    async def delete_alias(self, name: str, alias: str) -> None:
        answer = await self._api.delete("registered-models/alias", {"name": name, "alias": alias})
        if answer.outcome is not CallOutcome.MISSING:
            done(answer)

    # ---- runs

    async def find_run(self, experiment: str, run_key: str) -> TrainingRun | None:
        experiment_id = await self._experiment(experiment)
        return await self._find_run(experiment_id, run_key) if experiment_id else None

    async def create_run(self, experiment: str, run_key: str, tags: Mapping[str, str]) -> TrainingRun:
        experiment_id = await self._experiment(experiment) or await self._create_experiment(experiment)
        if existing := await self._find_run(experiment_id, run_key):
            return existing
        wanted = {
            "experiment_id": experiment_id,
            "run_name": tags.get(RUN_NAME_TAG, run_key),
            "start_time": int(time.time() * 1000),
            "tags": listed({**tags, TAG_RUN: run_key}),
        }
        return run_from(done(await self._api.post("runs/create", wanted))["run"])

    async def run(self, run_id: str) -> TrainingRun | None:
        body = found(await self._api.get("runs/get", run_id=run_id))
        if body is None or body["run"]["info"].get("lifecycle_stage") == DELETED:
            return None
        return run_from(body["run"])

    async def tag_run(self, run_id: str, tags: Mapping[str, str]) -> None:
        done(await self._api.post("runs/log-batch", {"run_id": run_id, "tags": listed(tags)}))

    async def finish_run(self, run_id: str, status: RunStatus) -> None:
        wanted = {"run_id": run_id, "status": status.value, "end_time": int(time.time() * 1000)}
        done(await self._api.post("runs/update", wanted))

    # ---- steps of the above

    async def _create_model(self, name: str, owner: str) -> None:
        """Names are unique: of two that create it at the same moment, one gets it together with its claim."""
        tags = {TAG_MODEL_DEPLOYMENT: owner} if owner else {}
        answer = await self._api.post("registered-models/create", {"name": name, "tags": listed(tags)})
        if answer.outcome is not CallOutcome.EXISTS:
            done(answer)
        elif owner and await self._claim_of(name) != owner:
            raise RegistryUnavailable(f"MLflow: somebody else created the registered model {name} at this moment")

    async def _experiment(self, name: str) -> str | None:
        body = found(await self._api.get("experiments/get-by-name", experiment_name=name))
        if body is None:
            return None
        if body["experiment"].get("lifecycle_stage") == DELETED:
            raise RegistryRefused(f"the MLflow experiment {name!r} is deleted: restore it, or name another one")
        return str(body["experiment"]["experiment_id"])

    async def _create_experiment(self, name: str) -> str:
        answer = await self._api.post("experiments/create", {"name": name})
        if answer.outcome is not CallOutcome.EXISTS:
            return str(done(answer)["experiment_id"])
        return await self._experiment(name) or ""

    async def _find_run(self, experiment_id: str, run_key: str) -> TrainingRun | None:
        wanted = {
            "experiment_ids": [experiment_id],
            "filter": f"tags.`{TAG_RUN}` = {quoted(run_key)}",
            "order_by": ["attributes.start_time ASC"],
            "max_results": 1,
        }
        runs = done(await self._api.post("runs/search", wanted)).get("runs", [])
        return run_from(runs[0]) if runs else None

    async def _absolute(self, uri: str) -> str:
        """The server returns a source `runs:/<id>/<path>` as it is; a download needs the place itself."""
        if not uri.startswith("runs:/"):
            return uri
        run_id, _, path = uri.removeprefix("runs:/").lstrip("/").partition("/")
        body = found(await self._api.get("runs/get", run_id=run_id))
        return f"{body['run']['info']['artifact_uri']}/{path}" if body else uri


def found(answer: MlflowResponse) -> dict[str, Any] | None:
    """The body, or None for what does not exist. MLflow also says 400 to reads of names that cannot exist."""
    return answer.body if answer.done else None


def done(answer: MlflowResponse) -> dict[str, Any]:
    """The body of an answer to a call that has to succeed."""
    if answer.outcome is CallOutcome.MISSING:
        raise RegistryMissing(f"MLflow: {answer.message}")
    if not answer.done:
        raise RegistryRefused(f"MLflow: {answer.message}")
    return answer.body


def registered_from(name: str, body: Mapping[str, Any]) -> RegisteredModel:
    aliases = {alias["alias"]: alias["version"] for alias in body.get("aliases", [])}
    latest = ((one["version"], one.get("creation_timestamp", 0)) for one in body.get("latest_versions", []))
    history = history_of(body.get("creation_timestamp", 0), latest)
    return RegisteredModel(name=name, aliases=aliases, tags=pairs(body), history=history)


def run_from(body: Mapping[str, Any]) -> TrainingRun:
    data, tags = body.get("data", {}), pairs(body.get("data", {}))
    return TrainingRun(
        run_id=body["info"]["run_id"],
        status=RunStatus(body["info"]["status"]),
        metrics={metric["key"]: number(metric["value"]) for metric in data.get("metrics", [])},
        params={param["key"]: param["value"] for param in data.get("params", [])},
        tags=tags,
        model_uri=tags.get(TAG_MODEL_URI) or model_of(body, tags),
        artifact_uri=body["info"].get("artifact_uri") or "",
        ended_at=_moment(body["info"].get("end_time")),
    )


def _moment(milliseconds: Any) -> datetime | None:
    """MLflow's times are milliseconds since 1970, as numbers or as texts."""
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if milliseconds else None
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def model_of(run: Mapping[str, Any], tags: Mapping[str, str]) -> str | None:
    """The model that was logged last: a logged model of MLflow 3, or a run's artifact as older clients leave it."""
    outputs = run.get("outputs", {}).get("model_outputs", [])
    if outputs:
        return f"models:/{sorted(outputs, key=lambda output: int(output.get('step', 0)))[-1]['model_id']}"
    path = last_path(tags.get(LOGGED_BY_OLD_CLIENTS, ""))
    return f"{run['info']['artifact_uri']}/{path}" if path else None


def last_path(history: str) -> str | None:
    """A long history is cut by the server in the middle of its JSON: then nothing is known from it."""
    try:
        return str(json.loads(history)[-1]["artifact_path"])
    except (ValueError, LookupError, TypeError):
        return None


def pairs(body: Mapping[str, Any]) -> Mapping[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in body.get("tags", [])}


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def number(value: float | str) -> float:
    """JSON has no NaN or infinity: the server writes them as words."""
    return {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(str(value)) or float(value)


def quoted(value: str) -> str:
    """The value as a literal in MLflow's filter language, which has no escapes: one of two quotes has to do."""
    if "'" not in value:
        return f"'{value}'"
    if '"' not in value:
        return f'"{value}"'
    raise RegistryRefused(f"MLflow cannot search for {value!r}: it contains both kinds of quotes")
