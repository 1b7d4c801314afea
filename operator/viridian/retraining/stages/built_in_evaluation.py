"""The container of the built-in evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from viridian.api.evaluation import HOLDOUT_VARIABLE
from viridian.api.run_stages import EvaluationStage

_COMMAND: Final = ("python", "-m", "viridian.training.evaluate_candidate")


def evaluation_template(stage: Any, trainer_image: str) -> Mapping[str, Any] | None:
    """The evaluation in the trainer image, or in the first container of the stage's own template.

    None without a holdout. What that container says for itself counts, its command too.
    """
    if not isinstance(stage, EvaluationStage) or stage.holdout is None:
        return None
    template = stage.template or {"spec": {"containers": [{"name": "evaluate", "image": trainer_image}]}}
    spec: Mapping[str, Any] = template["spec"]
    main, *others = spec["containers"]
    variable = {"name": HOLDOUT_VARIABLE, "value": msgspec.json.encode(stage.holdout).decode()}
    work = {"command": list(_COMMAND), **main, "env": [variable, *main.get("env", ())]}
    return {**template, "spec": {**spec, "containers": [work, *others]}}
