"""Custom kinds as their CustomResourceDefinitions describe them: merge keys, defaults, pruning.

CEL rules are not judged here; the tests of the schemas run on the real server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.cluster.shapes import METADATA, Shape

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class CustomKind:
    """One served version of one custom kind."""

    api_version: str
    kind: str
    schema: Schema

    @property
    def shape(self) -> Shape:
        shape = _shape(self.schema)
        return Shape(fields={**shape.fields, "metadata": METADATA})

    def completed(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Without the fields that the schema does not know, with its defaults for those that are absent."""
        properties = self.schema.get("properties", {})
        kept = {key: value for key, value in content.items() if key in ("apiVersion", "kind", "metadata")}
        rest = {key: value for key, value in content.items() if key in properties and key not in kept}
        return {**kept, **_completed(rest, _without_metadata(self.schema))}


def custom_kinds(definition: Mapping[str, Any]) -> dict[tuple[str, str], CustomKind]:
    """All served versions of a CustomResourceDefinition, by apiVersion and kind."""
    spec = definition["spec"]
    kinds = {}
    for version in spec["versions"]:
        if version["served"]:
            api_version = f"{spec['group']}/{version['name']}"
            schema = version["schema"]["openAPIV3Schema"]
            kinds[api_version, spec["names"]["kind"]] = CustomKind(api_version, spec["names"]["kind"], schema)
    return kinds


def _without_metadata(schema: Schema) -> Schema:
    properties = {k: v for k, v in schema.get("properties", {}).items() if k not in ("apiVersion", "kind", "metadata")}
    return {**schema, "properties": properties}


def _shape(schema: Schema) -> Shape:
    list_type = schema.get("x-kubernetes-list-type", "atomic")
    if schema.get("type") == "array":
        items = _shape(schema.get("items", {}))
        if list_type == "map":
            return Shape(items=items, keys=tuple(schema["x-kubernetes-list-map-keys"]))
        return Shape(is_set=list_type == "set", atomic=list_type == "atomic")
    values = schema.get("additionalProperties")
    return Shape(
        fields={name: _shape(inner) for name, inner in schema.get("properties", {}).items()},
        values=_shape(values) if isinstance(values, Mapping) else None,
        atomic=schema.get("x-kubernetes-map-type") == "atomic",
    )


def _completed(value: Any, schema: Schema) -> Any:
    if isinstance(value, list):
        return [_completed(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    values = schema.get("additionalProperties")
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields", False) or not (properties or values)
    result = {}
    for key, inner in value.items():
        if key in properties:
            result[key] = _completed(inner, properties[key])
        elif isinstance(values, Mapping):
            result[key] = _completed(inner, values)
        elif open_ended or values:
            result[key] = inner
    for key, inner in properties.items():
        if key not in result and "default" in inner:
            result[key] = _completed(inner["default"], inner)
    return result
