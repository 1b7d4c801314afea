"""Custom kinds as their CustomResourceDefinitions describe them: merge keys, defaults, pruning, faults.

CEL rules are not judged here; the tests of the schemas run on the real server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

from tests.support.cluster.shapes import METADATA, Shape

Schema = Mapping[str, Any]
_IDENTITY = ("apiVersion", "kind", "metadata")


@dataclass
class CustomKind:
    """One served version of one custom kind."""

    api_version: str
    kind: str
    schema: Schema

    @cached_property
    def shape(self) -> Shape:
        shape = _shape(self.schema)
        return Shape(fields={**shape.fields, "metadata": METADATA})

    def completed(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Without the fields that the schema does not know, with its defaults for those that are absent."""
        properties = self.schema.get("properties", {})
        kept = {key: value for key, value in content.items() if key in _IDENTITY}
        rest = {key: value for key, value in content.items() if key in properties and key not in kept}
        return {**kept, **_completed(rest, _without_metadata(self.schema))}

    def unknown_fields(self, manifest: Mapping[str, Any]) -> Iterator[str]:
        """What server-side apply refuses; other writes lose these fields silently."""
        rest = {key: value for key, value in manifest.items() if key not in _IDENTITY}
        for path in _unknown(rest, self.schema, ""):
            yield f"{path}: field not declared in schema"

    def faults(self, content: Mapping[str, Any]) -> Iterator[str]:
        for error in self._validator.iter_errors({k: v for k, v in content.items() if k not in _IDENTITY}):
            yield _fault(error)

    @cached_property
    def _validator(self) -> Draft202012Validator:
        return Draft202012Validator(dict(_without_metadata(self.schema)))


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
    properties = {k: v for k, v in schema.get("properties", {}).items() if k not in _IDENTITY}
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


def _unknown(value: Any, schema: Schema, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, schema.get("items", {}), f"{path}[{index}]")
    elif isinstance(value, Mapping) and not _is_open(schema):
        properties, values = schema.get("properties", {}), schema.get("additionalProperties")
        for key, inner in value.items():
            if key in properties or isinstance(values, Mapping):
                yield from _unknown(inner, properties.get(key, values), f"{path}.{key}")
            else:
                yield f"{path}.{key}"


def _is_open(schema: Schema) -> bool:
    """Whether anything may stand in it."""
    described = schema.get("properties") or schema.get("additionalProperties")
    return bool(schema.get("x-kubernetes-preserve-unknown-fields")) or not described


def _fault(error: ValidationError) -> str:
    """In the words of the API server, more or less."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    if error.validator == "required":
        missing = error.message.split("'")[1]
        return f"{path}.{missing}: Required value"
    if error.validator == "enum":
        return f"{path}: Unsupported value: {error.instance!r}: supported values: {error.validator_value}"
    return f"{path}: Invalid value: {error.instance!r}: {error.message}"


def _completed(value: Any, schema: Schema) -> Any:
    if isinstance(value, list):
        return [_completed(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    values = schema.get("additionalProperties")
    open_ended = _is_open(schema)
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
