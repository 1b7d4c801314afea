"""Which stages a run has, and which kinds of objects do their work: a new kind is a file, its test, and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.run_stages import Stage
from viridian.retraining.stages.job import JobStage
from viridian.retraining.stages.stage_kind import StageKind

STAGE_KINDS: Final[Mapping[str, StageKind]] = {"Job": JobStage()}
"""By the name of the kind, as the record of a run has it."""
DEFAULT_STAGES: Final[Mapping[str, str]] = {"training": "Job"}
"""Name and kind of the stages of a run whose record does not say: older releases made runs of one Job."""


def stages_of(spec: RetrainPolicySpec) -> Mapping[str, Stage]:
    """The stages that a run has, in their order."""
    found = {name: getattr(spec.stages, name) for name in spec.stages.__struct_fields__}
    return {name: stage for name, stage in found.items() if stage is not None}


def planned_stages(spec: RetrainPolicySpec) -> Mapping[str, str]:
    """Name and kind of the stages of a run that begins now. Every stage of the API is a Job today."""
    return dict.fromkeys(stages_of(spec), "Job")
