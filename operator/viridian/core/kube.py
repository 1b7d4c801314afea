"""What every Kubernetes object that the operator makes has in common: its labels, and no empty fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from viridian.api.names import MANAGED_BY, MANAGED_BY_LABEL

_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})


def managed_labels(application: str, instance: str) -> dict[str, str]:
    """The recommended labels of an object that the operator makes."""
    return {
        MANAGED_BY_LABEL: MANAGED_BY,
        "app.kubernetes.io/name": application,
        "app.kubernetes.io/instance": instance,
        "app.kubernetes.io/part-of": "viridian",
    }


def without_empty(value: Any) -> Any:
    """The value without fields that are null or empty. Zero and False are values; tuples become lists."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        kept = ((key, without_empty(inner)) for key, inner in value.items())
        return {key: inner for key, inner in kept if inner not in _EMPTY}
    return [without_empty(inner) for inner in value] if isinstance(value, list | tuple) else value
