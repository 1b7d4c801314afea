"""The labels by which an alert or an event finds the people who run a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viridian.api.names import MODEL_DEPLOYMENT
from viridian.core.lookup import text


def about(kind: str, name: str, manifest: Mapping[str, Any]) -> dict[str, str]:
    """The ModelDeployment that the object is about, and the ticket under which the object is run, if it has one."""
    model = name if kind == MODEL_DEPLOYMENT else text(manifest, "spec", "modelDeployment")
    ticket = text(manifest, "spec", "governance", "ticketRef")
    return {label: value for label, value in (("model", model), ("ticket", ticket)) if value}
