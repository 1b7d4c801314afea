"""What the operator reads from a model registry: models, versions and training runs as plain values.

The words are MLflow's. Versions are strings, as in its JSON: nothing here counts with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from viridian.api.features import digest_shown

# Tags and aliases are public API: people search by them. Change them only with a migration.
TAG_DIGEST: Final = "viridian.digest"
"""On a version or a run: `sha256:…` over the bytes of the model's `viridian/manifest.json`."""
TAG_RUN: Final = "viridian.run"
"""On a run: the id of the RetrainPolicy's run that it belongs to."""
TAG_HOLDOUT: Final = "viridian.holdout"
"""On a run: `sha256:…` over the rows that challenger and champion were both judged on."""
TAG_EVALUATION: Final = "viridian.evaluation"
"""On a run or a version: the compact evaluation, JSON as in `viridian.api.evaluation`. The run's artifact
`viridian/evaluation.json` has all of it."""
TAG_DATA: Final = "viridian.data-"
"""On a version, with `uri`, `revision` or `digest` after it: the data that it was trained on, as its run reported it;
where a run reported nothing, `spec.data` of its RetrainPolicy."""
TAG_CODE: Final = "viridian.code-revision"
"""On a run or a version: the Git commit of the code that trained it."""
TAG_FEATURES: Final = "viridian.features-digest"
"""On a run or a version: the digest of the feature definition that it was made with."""
TAG_IMAGE: Final = "viridian.image-digest"
"""On a version: the digest of the image that trained it, as the node pulled it."""
TAG_ROWS: Final = "viridian.rows-digest"
"""On a version: the digest of the frozen rows of feedback that it was trained on."""
TAG_PARAMETERS: Final = "viridian.parameters"
"""On a version: JSON of the parameters that its run has logged, as many as fit."""
TAG_MODEL_URI: Final = "viridian.model-uri"
"""On a run: where the model that the run made can be downloaded."""
TAG_LABEL_DEFINITION: Final = "viridian.label-definition"
"""Under which definition of the label a version was trained and measured; see `objective.labelDefinition`."""
TAG_OUTCOME: Final = "viridian.outcome"
"""On a version: what became of it, in one word."""
TAG_REASON: Final = "viridian.reason"
"""On a version: why it became that, for people."""
TAG_GATE: Final = "viridian.gate"
"""On a version: what became of the run that made it, and why: `HandedOver: …` or `Rejected: …`. A rollout that follows
writes the outcome, so that is not written here for a version that was handed over: the two would race."""
TAG_METRICS: Final = "viridian.metrics"
"""On a version: JSON of what the run that made it reported, so that a later candidate can be compared with it."""
TAG_POLICY: Final = "viridian.retrain-policy"
"""On a run or a version: `<namespace>/<name>` of the RetrainPolicy that it was made by."""
TAG_TICKET: Final = "viridian.ticket"
"""On a version: the ticket of the ModelDeployment that decided about it."""
TAG_MODEL_DEPLOYMENT: Final = "viridian.modeldeployment"
"""On a version: `<namespace>/<name>` of the ModelDeployment that decided about it. On a registered model: the one whose
namespace claimed it by being the first to write to it."""
TAG_NAMESPACES: Final = "viridian.namespaces"
"""On a registered model, set by MLflow's administrator: the namespaces that may write to it, separated by commas."""
TAG_COMMANDS: Final = "viridian.commands"
"""On runs and versions: what people wrote about the run, as JSON of annotations."""
TAG_TRAIL: Final = "viridian.trail."
"""On the run of an object's trail of audit, with time and key of an entry after it: the entry, as JSON."""
TAG_REASONS: Final = "viridian.reasons"
"""On a run: what caused it, as a JSON list of texts."""

ALIAS_CHAMPION: Final = "champion"
ALIAS_PREVIOUS: Final = "previous"


class RunStatus(StrEnum):
    """MLflow's states of a run."""

    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class ModelHistory(NamedTuple):
    """How far a registered model has come. Times are milliseconds since 1970; 0 where the registry does not say."""

    created: int = 0
    newest: int = 0
    """Number of its newest version; 0 while it has none."""
    newest_created: int = 0

    def first_replaced(self, now: ModelHistory) -> int | None:
        """The smallest number that may belong to another version by now; None where this history simply goes on.

        MLflow gives no number twice. A registry that lost its database, was restored from a backup, or has a model
        that was deleted and made again does.
        """
        if self.created and now.created and self.created != now.created:
            return 1
        if now.newest < self.newest:
            return now.newest + 1
        if now.newest and now.newest == self.newest and now.newest_created != self.newest_created:
            return now.newest
        return None


NO_HISTORY: Final = ModelHistory()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A model's name, its own tags and everything its aliases point at, read in one call."""

    name: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    """alias -> version"""
    tags: Mapping[str, str] = field(default_factory=dict)
    history: ModelHistory = NO_HISTORY


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsPage:
    """Some of the registered models, in the order of their names."""

    models: tuple[RegisteredModel, ...]
    next_token: str = ""
    """Asks for the page that follows; empty on the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version: nothing of it but its tags ever changes."""

    name: str
    version: str
    source: str
    """Where it was registered from, as its author wrote it: `models:/m-…`, `mlflow-artifacts:/…`, `s3://…`."""
    uri: str
    """Where its bytes are: what an init container downloads. Never an alias, never a relative name."""
    run_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str | None:
        """`sha256:…` of its manifest, or None for a version that was registered without one."""
        return self.tags.get(TAG_DIGEST) or None

    @property
    def features(self) -> str | None:
        """The feature definition that it was made with, or None for a version that has none pinned."""
        return digest_shown(self.tags.get(TAG_FEATURES, "")) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """One MLflow run and what was logged to it so far."""

    run_id: str
    status: RunStatus
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The last value of each metric."""
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    model_uri: str | None = None
    """The model that the run says it made, in the form that `register` takes as source; None while there is none."""
    artifact_uri: str = ""
    """The folder of its artifacts."""
    ended_at: datetime | None = field(default=None, compare=False)
    """When it was closed, where the registry has it."""

    @property
    def key(self) -> str | None:
        """The id of the RetrainPolicy's run that it belongs to."""
        return self.tags.get(TAG_RUN)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """A model of MLflow 3 as it was logged, before any registration."""

    model_id: str
    run_id: str
    """The run that logged it; empty where none did."""
    artifact_uri: str


def logged_model_id(source: str) -> str | None:
    """`m-…` of `models:/m-…` or of `mlflow-artifacts:/<experiment>/models/m-…/artifacts`."""
    parts = source.split("/")
    for before, part in pairwise(parts):
        if part.startswith("m-") and before in ("models:", "models"):
            return part
    return None
