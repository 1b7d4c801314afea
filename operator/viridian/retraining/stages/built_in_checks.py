"""The container of built-in data checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from viridian.api.data_checks import CHECKS_VARIABLE, MAX_CHECKS_BYTES
from viridian.api.run_stages import DataValidation
from viridian.retraining.stages.built_in_container import built_in_template

_MODULE: Final = "viridian.training.check_data"


def checks_template(stage: Any, trainer_image: str) -> Mapping[str, Any] | None:
    """The checks in the trainer image, or in the first container of the stage's own template; None without checks."""
    if not isinstance(stage, DataValidation) or not stage.checks:
        return None
    variables = {CHECKS_VARIABLE: written_checks(stage)}
    return built_in_template(stage, name="checks", image=trainer_image, module=_MODULE, variables=variables)


def written_checks(stage: DataValidation) -> str:
    """The checks as the container reads them."""
    return msgspec.json.encode(stage.checks).decode()


def checks_problem(stage: DataValidation) -> str:
    """Why the checks cannot be handed to a container; empty where they can."""
    size = len(written_checks(stage).encode())
    if size <= MAX_CHECKS_BYTES:
        return ""
    return f"takes {size:,} bytes, and {MAX_CHECKS_BYTES:,} may be: shorten the lists of categories and columns"
