"""The record of a revision: a ControllerRevision that never changes, with the list of what became of it.

It holds the whole pod template, so a former champion can be deployed again without the registry. Outcomes are
appended as an annotation by a field manager of their own; deleting the ModelDeployment's status loses none of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from viridian.api import reasons
from viridian.api.address import secret_of, shown
from viridian.api.names import FORMER_SYNCED_ANNOTATION, OUTCOME_ANNOTATION, REVISION_LABEL, SYNCED_ANNOTATION
from viridian.api.registry import ModelVersion
from viridian.core.times import format_time_micros
from viridian.rollout.addresses import Addresses
from viridian.rollout.traffic.experiment_record import ExperimentRecord
from viridian.rollout.traffic.record import BY_OPERATOR, Reverted

NEWEST_OUTCOMES = 20
RETRIED = "Retried"
APPROVED = "Approved"
SKIPPED = "Skipped"
EXPERIMENT_ENDED = "ExperimentEnded"
_OF_A_CHAMPION = (reasons.PROMOTED, reasons.REINSTATED)
_TAKEN = (reasons.REJECTED, reasons.ROLLED_BACK)
_KNOWN = (*_OF_A_CHAMPION, *_TAKEN, reasons.SUPERSEDED, RETRIED, APPROVED, SKIPPED, EXPERIMENT_ENDED)
"""What a newer release may note beside these decides nothing here: a rejection that it follows still stands."""


@dataclass(frozen=True, slots=True)
class RevisionOutcome:
    """One decision about a revision."""

    outcome: str
    at: str
    reason: str = ""
    message: str = ""
    by: str = BY_OPERATOR
    # The revision that lost or got the traffic to or from this one, where there was one.
    other: str | None = None
    breach_at: str | None = None
    decided_at: str | None = None
    # When the revision answered a user for the last time.
    last_answer_at: str | None = None

    @property
    def rejects(self) -> bool:
        """Whether the revision is not deployed again after it, until a person says so."""
        return self.outcome in _TAKEN

    def to_json(self) -> dict[str, str]:
        fields = {name: getattr(self, name) for name in RevisionOutcome.__slots__}
        return {name: value for name, value in fields.items() if value}

    def is_same(self, other: RevisionOutcome) -> bool:
        """Whether both tell of one decision."""
        return (self.outcome, self.at) == (other.outcome, other.at)

    @staticmethod
    def of(lost: Reverted, instead: str | None = None) -> RevisionOutcome:
        """The end of a trial or of a championship: the revision gets no traffic any more."""
        at, breach, decided = time_text(lost.at), time_text(lost.breach_at), time_text(lost.decided_at)
        return RevisionOutcome(
            lost.outcome, at, lost.reason, lost.message, lost.by, instead, breach or None, decided or None
        )

    @staticmethod
    def of_experiment(ended: ExperimentRecord) -> RevisionOutcome:
        """The verdict about the challenger."""
        at, message = time_text(ended.ended_at), f"experiment {ended.step}: {ended.message}"
        return RevisionOutcome(EXPERIMENT_ENDED, at, message=message)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> RevisionOutcome:
        known = {name: str(data[name]) for name in RevisionOutcome.__slots__ if data.get(name)}
        return RevisionOutcome(**{"outcome": "Unknown", "at": "", **known})


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The immutable thing that is served."""

    uri: str
    name: str | None = None
    version: str | None = None
    digest: str | None = None
    # The MLflow run that the version was registered from.
    run: str | None = None
    # Digest of the feature definition that it was made with, as the registry had it.
    features: str | None = None

    @staticmethod
    def registered(found: ModelVersion) -> ServedModel:
        """A version of the registry."""
        return ServedModel(found.uri, found.name, found.version, found.digest, found.run_id, found.features)

    @property
    def shown(self) -> str:
        """How people know it."""
        return f"version {self.version}" if self.version else self.address

    @property
    def secret(self) -> tuple[str, str] | None:
        """Name and entry of the Secret in which the address lies. What a registry says is never taken for one."""
        return secret_of(self.uri) if self.version is None else None

    @property
    def address(self) -> str:
        """Where it is, without what may be a credential: the form for status, records and messages."""
        return shown(self.uri)


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """A ControllerRevision as the rollout reads it."""

    revision: str
    uid: str
    number: int
    model: ServedModel
    template: Mapping[str, Any]
    outcomes: tuple[RevisionOutcome, ...]
    manifest: Mapping[str, Any]
    # Time of the newest outcome that the registry has.
    synced: str = ""
    # Those that its template was made with; None where an older release made it, and nobody can tell.
    addresses: Addresses | None = None

    @property
    def rejected(self) -> RevisionOutcome | None:
        return standing_rejection(self.outcomes)

    @property
    def decision(self) -> RevisionOutcome | None:
        """The newest one. The verdict of an experiment is none: what it does comes after it."""
        decisions = (one for one in reversed(self.outcomes) if one.outcome in _KNOWN)
        return next((one for one in decisions if one.outcome != EXPERIMENT_ENDED), None)

    @property
    def promotion(self) -> RevisionOutcome | None:
        """How it became champion last: by a promotion, or reinstated."""
        return next((o for o in reversed(self.outcomes) if o.outcome in _OF_A_CHAMPION), None)

    @property
    def promoted_at(self) -> str | None:
        """When that was."""
        return self.promotion.at if self.promotion is not None else None

    def has(self, outcome: RevisionOutcome) -> bool:
        return any(known.is_same(outcome) for known in self.outcomes)

    def answered(self, command: str) -> bool:
        """Whether a person's command was carried out on this revision before: each counts once."""
        return any(known.by == command for known in self.outcomes)


def standing_rejection(outcomes: Sequence[RevisionOutcome]) -> RevisionOutcome | None:
    """The rejection or rollback that still stands: the newest outcome of a revision."""
    newest = next((one for one in reversed(outcomes) if one.outcome in _KNOWN), None)
    return newest if newest is not None and newest.rejects else None


def parse(manifest: Mapping[str, Any]) -> RevisionRecord | None:
    """The record in a ControllerRevision, None for one that is not ours or was tampered with."""
    data, labels = manifest.get("data"), manifest["metadata"].get("labels") or {}
    if not isinstance(data, Mapping) or not labels.get(REVISION_LABEL):
        return None
    model, template = data.get("model"), data.get("template")
    if not isinstance(model, Mapping) or not isinstance(template, Mapping):
        return None
    return RevisionRecord(
        revision=labels[REVISION_LABEL],
        uid=manifest["metadata"]["uid"],
        number=int(manifest.get("revision", 0)),
        model=_model(model),
        template=template,
        outcomes=_outcomes(manifest),
        manifest=manifest,
        synced=_synced(manifest),
        addresses=Addresses.from_json(data.get("addresses")),
    )


def newest_promoted(records: Iterable[RevisionRecord]) -> RevisionRecord | None:
    """The one that became champion last."""
    promoted = [record for record in records if record.promoted_at]
    return max(promoted, key=lambda record: record.promoted_at or "", default=None)


def _synced(manifest: Mapping[str, Any]) -> str:
    annotations = manifest["metadata"].get("annotations") or {}
    return str(annotations.get(SYNCED_ANNOTATION) or annotations.get(FORMER_SYNCED_ANNOTATION) or "")


def _model(data: Mapping[str, Any]) -> ServedModel:
    uri, *rest = (data.get(field) for field in ("uri", "name", "version", "digest", "run", "features"))
    return ServedModel(str(uri or ""), *rest)


def _outcomes(manifest: Mapping[str, Any]) -> tuple[RevisionOutcome, ...]:
    text = (manifest["metadata"].get("annotations") or {}).get(OUTCOME_ANNOTATION, "[]")
    try:
        entries = json.loads(text)
    except ValueError:
        return ()
    return (
        tuple(RevisionOutcome.from_json(entry) for entry in entries if isinstance(entry, Mapping))
        if isinstance(entries, list)
        else ()
    )


def time_text(time: datetime | None) -> str:
    return format_time_micros(time) if time is not None else ""


def dump(outcomes: tuple[RevisionOutcome, ...]) -> str:
    return json.dumps([outcome.to_json() for outcome in outcomes[-NEWEST_OUTCOMES:]])
