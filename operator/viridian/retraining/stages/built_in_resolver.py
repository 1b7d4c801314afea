"""The container of the shipped resolvers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from viridian.api.run_stages import Stage

_COMMAND: Final = ("python", "-m", "viridian.training.resolve_data")


def resolver_template(stage: Stage, trainer_image: str) -> Mapping[str, Any] | None:
    """The shipped resolvers in the trainer image; None where the policy brings its own."""
    if stage.template is not None:
        return None
    return {"spec": {"containers": [{"name": "resolve", "image": trainer_image, "command": list(_COMMAND)}]}}
