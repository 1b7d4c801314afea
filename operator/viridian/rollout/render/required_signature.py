"""Signatures that the operator asks for, whatever a spec says (`--signature-keys`).

What a pod has to check is put into its template last, so that a spec cannot take it away. A template without the init
step gets one without an image, which the API server refuses: nothing is served unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viridian.api.names import FETCH_CONTAINER, SERVER_CONTAINER
from viridian.core.strategic_merge import merge
from viridian.rollout.records import ServedModel

REQUIRED_KEYS_VARIABLE = "VIRIDIAN_REQUIRED_KEYS"


def requiring(template: Mapping[str, Any], pem: str, model: ServedModel) -> dict[str, Any]:
    """The template, whose init step and server check that one of these keys signed the version."""
    wanted = {
        REQUIRED_KEYS_VARIABLE: pem,
        "VIRIDIAN_SIGNED_MODEL": model.name or "",
        "VIRIDIAN_SIGNED_RUN": model.run or "",
    }
    env = [{"name": name, "value": value, "valueFrom": None} for name, value in wanted.items()]
    patch = {
        "initContainers": [{"name": FETCH_CONTAINER, "command": ["viridian-fetch"], "args": None, "env": env}],
        "containers": [{"name": SERVER_CONTAINER, "env": env}],
    }
    merged: dict[str, Any] = merge(template, {"spec": patch})
    return merged
