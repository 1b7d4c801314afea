"""The container of a stage that Viridian has built in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viridian.api.run_stages import Stage


def built_in_template(
    stage: Stage, *, name: str, image: str, module: str, variables: Mapping[str, str]
) -> Mapping[str, Any]:
    """The module with these variables in that image, or in the first container of the stage's own template.

    What that container says for itself counts, its command too.
    """
    template = stage.template or {"spec": {"containers": [{"name": name, "image": image}]}}
    spec: Mapping[str, Any] = template["spec"]
    main, *others = spec["containers"]
    given = [{"name": variable, "value": value} for variable, value in variables.items()]
    work = {"command": ["python", "-m", module], **main, "env": [*given, *main.get("env", ())]}
    return {**template, "spec": {**spec, "containers": [work, *others]}}
