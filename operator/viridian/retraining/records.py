"""The record of a run: a ControllerRevision that is made before anything else, and outlives the Job.

Its data never changes: what caused the run, and what it was to work on. What became of it stands in two annotations,
applied by a field manager of their own: how far its stages are, and the outcome. A record counts for the very policy
that made it: it is controlled by that policy, or it has lost its owner and names the policy's uid. Then it is adopted
again. A policy that was deleted and made anew has another uid, and inherits nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.address import shown
from viridian.api.names import (
    OUTCOME_ANNOTATION,
    RETRAIN_POLICY,
    RETRAIN_POLICY_LABEL,
    RUN_LABEL,
    STAGES_ANNOTATION,
    TRIGGER_ANNOTATION,
    run_record,
)
from viridian.api.objective import Objective
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.retrainpolicy_status import FinishedRun
from viridian.api.run_stages import Data
from viridian.api.run_storage import Storage
from viridian.core.intent import apply_unless_covered
from viridian.core.kube import managed_labels
from viridian.core.lenient import readable
from viridian.core.lookup import Object, annotations_of, dig, entries, json_in, labels_of, mapping, text
from viridian.core.ownership import Owner, owned_metadata, remembered_by
from viridian.core.plan import Apply
from viridian.retraining.data_state import DataState, parse_state
from viridian.retraining.run_commands import RUN_COMMANDS
from viridian.retraining.stages.stage_table import DEFAULT_STAGES, stage_kind
from viridian.retraining.stages.state import StageResult
from viridian.retraining.triggers.cause import Cause, parse_causes

NO_DATA: Final = Data(uri="-")
"""What stands for the data of a policy that names none."""


def data_shown(spec: RetrainPolicySpec) -> Data:
    """The data of a policy as it is recorded and shown: without what may be a credential in its address."""
    return Data(uri=shown(spec.data.uri), revision=spec.data.revision) if spec.data is not None else NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrigin:
    """Why a run is made, and what it works on."""

    causes: tuple[Cause, ...] = ()
    # Version of the champion that the stage is given, empty when there is none.
    champion: str = ""
    data: Data = NO_DATA
    # The state of it that the resolver has found; None without a resolver, and before it has ended.
    resolved: DataState | None = None
    image: str = ""
    # The image of the model server; empty in records of older releases.
    server: str = ""
    mlflow_run: str = ""
    # Name and kind of its stages, in their order.
    stages: Mapping[str, str] = field(default_factory=lambda: DEFAULT_STAGES)
    # The volume of the run; None where it has none.
    storage: Storage | None = None
    # What the stage works on, as one hash; empty where that cannot be known.
    inputs: str = ""
    # Generation of the policy's spec when it was made; 0 in records of older releases.
    generation: int = 0
    # What people wrote about it before it began, by the annotation.
    commands: Mapping[str, str] = field(default_factory=dict)
    # What the model was trained for; None in records of older releases.
    objective: Objective | None = None


class StageNote(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What the record notes of a stage."""

    seen: str = msgspec.field(name="job", default="")
    """Name of the object that does its work, once that was seen."""
    uid: str = ""
    """Of that object, where its kind is not watched: by it the object is deleted with its run."""
    began: str = ""
    """When that object was made."""
    mlflow_run: str = ""
    inputs: str = ""
    """What it works on, as one hash; empty where that cannot be known."""
    cached: str = ""
    """The earlier run whose result counts for this stage, which therefore did not run."""
    joined: tuple[dict[str, Any], ...] = ()
    """Causes that came between the record and the object, and are answered by it too."""
    champion: str | None = None
    """What the stage was given, where that changed between the record and its object; so it is with data, images and
    objective."""
    data: Data | None = None
    image: str | None = None
    server: str | None = None
    objective: Objective | None = None
    waiting: str = ""
    """What keeps it from starting: for the outcome of a stage that never began."""
    result: StageResult | None = msgspec.field(name="ending", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A ControllerRevision as the decisions read it."""

    run: str
    uid: str
    number: int
    created: str
    origin: RunOrigin
    notes: Mapping[str, StageNote]
    finished: FinishedRun | None
    manifest: Object = field(repr=False)

    @property
    def name(self) -> str:
        return text(self.manifest, "metadata", "name")


def labels(policy: str, **more: str) -> dict[str, str]:
    """Never the label of the ModelDeployment: its Services would send users to the pod that trains."""
    return {RETRAIN_POLICY_LABEL: policy, **managed_labels("training", policy), **more}


def revision(policy: Owner, name: str, number: int, data: Object, run: str = "") -> dict[str, Any]:
    """A ControllerRevision of a policy; `data` is for good."""
    own = labels(policy.name, **({RUN_LABEL: run} if run else {}))
    metadata = owned_metadata(policy, RETRAIN_POLICY, name, own)
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "revision": number,
        "data": data,
    }


def record(policy: Owner, run: str, number: int, origin: RunOrigin) -> dict[str, Any]:
    """The record of a new run."""
    data = {"policy": {"uid": policy.uid}, **dump_origin(origin)}
    return revision(policy, run_record(policy.name, run), number, data, run)


def note(policy: Owner, name: str, annotations: Mapping[str, str], stored: Object | None) -> Apply | None:
    """The write that notes these annotations of the policy; None where they stand there."""
    manifest = revision(policy, name, 1, {"policy": {"uid": policy.uid}})
    manifest["metadata"]["annotations"] = dict(annotations)
    return apply_unless_covered(manifest, stored)


def dump_origin(origin: RunOrigin) -> dict[str, Any]:
    """As the record's data has it, and the annotation `viridian.dev/trigger` of the objects of its stages."""
    return {
        "causes": [cause.recorded() for cause in origin.causes],
        "champion": origin.champion,
        "data": {"uri": shown(origin.data.uri), "revision": origin.data.revision},
        **({"resolved": origin.resolved.document()} if origin.resolved else {}),
        "image": origin.image,
        **({"server": origin.server} if origin.server else {}),
        "stages": [{"name": name, "kind": kind} for name, kind in origin.stages.items()],
        **({"mlflowRun": origin.mlflow_run} if origin.mlflow_run else {}),
        **({"storage": msgspec.to_builtins(origin.storage)} if origin.storage else {}),
        **({"inputs": origin.inputs} if origin.inputs else {}),
        **({"generation": origin.generation} if origin.generation else {}),
        **({"commands": dict(origin.commands)} if origin.commands else {}),
        **({"objective": msgspec.to_builtins(origin.objective)} if origin.objective is not None else {}),
    }


def parse_origin(document: Any) -> RunOrigin:
    """The origin in such a document; whatever in it cannot be read is left out."""
    return RunOrigin(
        causes=parse_causes(entries(document, "causes")),
        champion=text(document, "champion"),
        data=Data(uri=text(document, "data", "uri") or NO_DATA.uri, revision=text(document, "data", "revision")),
        resolved=parse_state(mapping(document, "resolved")),
        image=text(document, "image"),
        server=text(document, "server"),
        mlflow_run=text(document, "mlflowRun"),
        stages=_parse_stages(document),
        generation=_whole_number(document, "generation"),
        storage=_parse_storage(mapping(document, "storage")),
        inputs=text(document, "inputs"),
        commands={name: value for name in RUN_COMMANDS if (value := text(document, "commands", name))},
        objective=_objective(document),
    )


def _objective(document: Any) -> Objective | None:
    try:
        return msgspec.convert(dig(document, "objective"), Objective | None)
    except msgspec.ValidationError:
        return None


def _parse_storage(document: Object) -> Storage | None:
    try:
        return msgspec.convert(document, Storage) if document else None
    except msgspec.ValidationError:
        return None


def has_volumes(records: Sequence[Object]) -> bool:
    """Whether any of these runs has a volume."""
    return any(mapping(record, "data", "storage") for record in records)


def _whole_number(document: Any, key: str) -> int:
    found = dig(document, key)
    return found if isinstance(found, int) else 0


def _parse_stages(document: Any) -> Mapping[str, str]:
    """Stages of a kind that nothing here knows are left out, as of a newer release."""
    found = {text(entry, "name"): text(entry, "kind") for entry in entries(document, "stages")}
    return {name: kind for name, kind in found.items() if name and stage_kind(kind) is not None} or DEFAULT_STAGES


def read_records(found: Sequence[Object], uid: str) -> tuple[RunRecord, ...]:
    """The records of this policy's runs."""
    return tuple(
        _record(manifest) for manifest in found if labels_of(manifest).get(RUN_LABEL) and remembered_by(manifest, uid)
    )


def _record(manifest: Object) -> RunRecord:
    run, recorded = labels_of(manifest)[RUN_LABEL], annotations_of(manifest)
    return RunRecord(
        run=run,
        uid=text(manifest, "metadata", "uid"),
        number=_whole_number(manifest, "revision"),
        created=text(manifest, "metadata", "creationTimestamp"),
        origin=parse_origin(dig(manifest, "data")),
        notes=_notes(recorded.get(STAGES_ANNOTATION, "")),
        finished=_finished(run, recorded[OUTCOME_ANNOTATION]) if OUTCOME_ANNOTATION in recorded else None,
        manifest=manifest,
    )


def dump_notes(notes: Mapping[str, StageNote], finished: FinishedRun | None = None) -> Mapping[str, str]:
    """All that stands on a record: what is left out of an apply would be given up."""
    stages = {STAGES_ANNOTATION: msgspec.json.encode(notes).decode()}
    return stages if finished is None else {**stages, OUTCOME_ANNOTATION: msgspec.json.encode(finished).decode()}


def _notes(recorded: str) -> Mapping[str, StageNote]:
    """A result that this release cannot read was not noted: the object of the stage is looked at again."""
    found = json_in(recorded)
    notes = {name: readable(entry, StageNote) for name, entry in found.items()} if isinstance(found, Mapping) else {}
    return {name: entry for name, entry in notes.items() if entry is not None}


def _finished(run: str, recorded: str) -> FinishedRun:
    found = readable(json_in(recorded), FinishedRun)
    if found is None:
        return FinishedRun(id=run, outcome=reasons.FAILED, message="the record of how it ended cannot be read")
    return msgspec.structs.replace(found, id=run)


def origin_of(found: Object) -> RunOrigin | None:
    """What the object of a stage was given when it was made; None where it does not show that."""
    document = json_in(annotations_of(found).get(TRIGGER_ANNOTATION, ""))
    return parse_origin(document) if mapping(document) else None
