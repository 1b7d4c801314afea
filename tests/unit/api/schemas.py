"""Walking a structural schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema inside a schema, itself included, each with its path: `.spec.rollout.steps[].weight`."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def completed(value: Any, schema: Schema) -> Any:
    """The value with the schema's defaults, from the outside in, as the API server does it."""
    if isinstance(value, list):
        return [completed(item, schema["items"]) for item in value]
    if not isinstance(value, dict):
        return value
    known = schema.get("properties", {})
    absent = {name: inner["default"] for name, inner in known.items() if name not in value and "default" in inner}
    return {name: completed(inner, known.get(name, {})) for name, inner in {**value, **absent}.items()}
