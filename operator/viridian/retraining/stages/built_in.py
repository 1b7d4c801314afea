"""What runs in a stage: the template of the user, or the container of a stage that Viridian has built in.

A built-in stage says in its own words what is to be done, such as checks of the data, and runs in the trainer image. A
new one is a function from its spec and that image to a pod template, and a row in `BUILT_IN`. Everything else is the
same for both: variables, security settings, volumes, retries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from viridian.api.run_stages import Stage
from viridian.api.stage import RESOLVER_STAGE, StageName
from viridian.retraining.stages.built_in_checks import checks_template
from viridian.retraining.stages.built_in_evaluation import evaluation_template
from viridian.retraining.stages.built_in_resolver import resolver_template

PodTemplate = Mapping[str, Any]
BuiltIn = Callable[[Any, str], PodTemplate | None]
"""From the spec of a stage and the trainer image to its template; None where the spec asks for nothing built in."""

BUILT_IN: Final[Mapping[str, BuiltIn]] = {
    RESOLVER_STAGE: resolver_template,
    StageName.DATA_VALIDATION: checks_template,
    StageName.EVALUATION: evaluation_template,
}
"""By the name of the stage."""


def work_of(name: str, stage: Stage, trainer_image: str) -> PodTemplate:
    """What the stage runs, whatever kind of object does it."""
    return stage.resource.manifest if stage.resource is not None else template_of(name, stage, trainer_image)


def template_of(name: str, stage: Stage, trainer_image: str) -> PodTemplate:
    """What the pod of the stage runs; empty where the spec asks for nothing, which the schema refuses."""
    make = BUILT_IN.get(name)
    built_in = make(stage, trainer_image) if make is not None else None
    return built_in if built_in is not None else stage.template or {}
