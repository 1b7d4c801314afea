"""The container of the built-in evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from viridian.api.evaluation import HOLDOUT_VARIABLE
from viridian.api.run_stages import EvaluationStage
from viridian.retraining.stages.built_in_container import built_in_template

_MODULE: Final = "viridian.training.evaluate_candidate"


def evaluation_template(stage: Any, trainer_image: str) -> Mapping[str, Any] | None:
    """The evaluation in the trainer image, or in the first container of the stage's own template.

    None without a holdout.
    """
    if not isinstance(stage, EvaluationStage) or stage.holdout is None:
        return None
    variables = {HOLDOUT_VARIABLE: msgspec.json.encode(stage.holdout).decode()}
    return built_in_template(stage, name="evaluate", image=trainer_image, module=_MODULE, variables=variables)
