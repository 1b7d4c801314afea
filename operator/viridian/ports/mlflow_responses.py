"""What the operator reads of MLflow's answers, with types: everything else in them is skipped without being kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from viridian.api.registry import ModelHistory, ModelsPage, RegisteredModel, RunStatus


class _Part(msgspec.Struct, frozen=True):
    pass


_MAX_ITEMS: Final = msgspec.Meta(max_length=20_000)
"""Entries of a list: nobody has so many, and each costs some hundred bytes."""


_Moment = int | Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}$")]
"""Milliseconds since 1970."""


class _Tag(_Part, frozen=True):
    key: str
    value: str | None = ""


class _Param(_Part, frozen=True):
    key: str
    value: str = ""


class _Metric(_Part, frozen=True):
    key: str
    value: float | Annotated[str, msgspec.Meta(pattern="^(NaN|-?Infinity)$")]
    """JSON has no NaN: MLflow writes it as a word."""


class _Alias(_Part, frozen=True):
    alias: str
    version: str


class _LatestVersion(_Part, frozen=True):
    version: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}$")]
    creation_timestamp: _Moment = 0


class _RegisteredModel(_Part, frozen=True):
    name: str = ""
    creation_timestamp: _Moment = 0
    latest_versions: Annotated[list[_LatestVersion], _MAX_ITEMS] = []
    aliases: Annotated[list[_Alias], _MAX_ITEMS] = []
    tags: Annotated[list[_Tag], _MAX_ITEMS] = []


class _ModelVersion(_Part, frozen=True):
    version: str
    source: str = ""
    run_id: str | None = None
    tags: Annotated[list[_Tag], _MAX_ITEMS] = []


class _RunInfo(_Part, frozen=True):
    run_id: str
    status: RunStatus
    lifecycle_stage: str | UnsetType = UNSET
    artifact_uri: str = ""
    end_time: int | str | None = None


class _RunData(_Part, frozen=True):
    metrics: Annotated[list[_Metric], _MAX_ITEMS] = []
    params: Annotated[list[_Param], _MAX_ITEMS] = []
    tags: Annotated[list[_Tag], _MAX_ITEMS] = []


class _ModelOutput(_Part, frozen=True):
    model_id: str
    step: int | Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}$")] = 0


class _RunOutputs(_Part, frozen=True):
    model_outputs: Annotated[list[_ModelOutput], _MAX_ITEMS] = []


class _Run(_Part, frozen=True):
    info: _RunInfo
    data: _RunData = _RunData()
    outputs: _RunOutputs = _RunOutputs()


class _Experiment(_Part, frozen=True):
    experiment_id: str
    lifecycle_stage: str | UnsetType = UNSET


class _LoggedModelInfo(_Part, frozen=True):
    source_run_id: str | None = None
    artifact_uri: str | None = None


class _LoggedModel(_Part, frozen=True):
    info: _LoggedModelInfo


class _AnyAnswer(_Part, frozen=True):
    """All answers in one: each has its own fields."""

    registered_model: _RegisteredModel | UnsetType = UNSET
    model_version: _ModelVersion | UnsetType = UNSET
    model_versions: list[_ModelVersion] | UnsetType = UNSET
    artifact_uri: str | UnsetType = UNSET
    run: _Run | UnsetType = UNSET
    runs: list[_Run] | UnsetType = UNSET
    experiment: _Experiment | UnsetType = UNSET
    experiment_id: str | UnsetType = UNSET
    model: _LoggedModel | UnsetType = UNSET


class _ModelsPage(_Part, frozen=True):
    registered_models: Annotated[list[_RegisteredModel], _MAX_ITEMS] = []
    next_page_token: str = ""


class _Failure(_Part, frozen=True):
    error_code: str = ""
    message: str = ""


_answers: Final = msgspec.json.Decoder(_AnyAnswer)
_pages: Final = msgspec.json.Decoder(_ModelsPage)
_failures: Final = msgspec.json.Decoder(_Failure)


class NotMlflow(ValueError):
    """The answer is not one of MLflow; the text says where it is not."""


def decoded(body: bytes) -> dict[str, Any]:
    """The fields of an answer that are read here, as plain values."""
    try:
        found: dict[str, Any] = msgspec.to_builtins(_answers.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotMlflow(str(error)) from error
    return found


def models_page(body: bytes) -> dict[str, Any]:
    """The page of registered models that an answer has, as `page`: there are too many of them for a detour."""
    try:
        found = _pages.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotMlflow(str(error)) from error
    models = tuple(
        RegisteredModel(
            name=one.name,
            aliases={alias.alias: alias.version for alias in one.aliases},
            tags={tag.key: tag.value or "" for tag in one.tags},
            history=history_of(
                one.creation_timestamp, ((v.version, v.creation_timestamp) for v in one.latest_versions)
            ),
        )
        for one in found.registered_models
    )
    return {"page": ModelsPage(models=models, next_token=found.next_page_token)}


def history_of(created: int | str, latest: Iterable[tuple[str, int | str]]) -> ModelHistory:
    """The history of a registered model, by its creation and the number and creation of its newest version a stage."""
    newest, newest_created = max(((int(version), int(at)) for version, at in latest), default=(0, 0))
    return ModelHistory(int(created), newest, newest_created)


def failure(body: bytes) -> tuple[str, str]:
    """MLflow's error code and message; empty where somebody else has refused."""
    try:
        found = _failures.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "", ""
    return found.error_code, found.message
