"""Which stages a run has, and which kinds of objects do their work: a new kind is a file, its test, and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.run_stages import Stage, Stages
from viridian.api.stage import RESOLVER_STAGE, StageName
from viridian.retraining.stages.job import JobStage
from viridian.retraining.stages.resource import ResourceStage
from viridian.retraining.stages.stage_kind import StageKind

JOB: Final[StageKind] = JobStage()
STAGE_KINDS: Final[Mapping[str, StageKind]] = {JOB.kind: JOB}
"""The kinds that are watched, by their names."""
DEFAULT_STAGES: Final[Mapping[str, str]] = {StageName.TRAINING.value: "Job"}
"""Name and kind of the stages of a run whose record does not say: older releases made runs of one Job."""
STAGE_NAMES: Final = tuple(field.encode_name for field in msgspec.structs.fields(Stages))
"""All stages that a run may have, in their order."""


def stages_of(spec: RetrainPolicySpec) -> Mapping[str, Stage]:
    """The stages that a run has, in their order; the resolver of the data is the first."""
    fields = msgspec.structs.fields(Stages)
    resolver = spec.data.resolver if spec.data is not None else None
    named: Mapping[str, Stage | None] = {field.encode_name: getattr(spec.stages, field.name) for field in fields}
    found = {RESOLVER_STAGE: resolver, **named}
    return {name: stage for name, stage in found.items() if stage is not None}


def kind_of(stage: Stage) -> str:
    """The kind of object that does the work of a stage, as the record of a run names it: Job, or ray.io/v1/RayJob."""
    return "Job" if stage.resource is None else "/".join(stage.resource.kind)


def stage_kind(recorded: str) -> StageKind | None:
    """The kind of that name; None for one that this release does not know."""
    api_version, slash, kind = recorded.rpartition("/")
    return ResourceStage(api_version, kind) if slash and "/" in api_version else STAGE_KINDS.get(recorded)


def planned_stages(spec: RetrainPolicySpec) -> Mapping[str, str]:
    """Name and kind of the stages of a run that begins now."""
    return {name: kind_of(stage) for name, stage in stages_of(spec).items()}
