"""Structs as structural OpenAPI v3 schemas, the only form that a CustomResourceDefinition takes.

Everything is written out in place (no `$ref`), an optional field is simply not required, and a description is always
the field's own sentence: `kubectl explain` shows it where the field stands.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import msgspec

from viridian.api.schema import INT_OR_STRING, VALIDATIONS, Struct

Schema = dict[str, Any]

_SCALARS: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number"}
_BOUNDS: Final = {"ge": "minimum", "le": "maximum"}
_SIZES: Final = {
    "string": {"min_length": "minLength", "max_length": "maxLength"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}


def struct_schema(struct: type[Struct], *, defaults: bool) -> Schema:
    """The schema of one struct.

    `defaults` is for specs, so that a stored object shows what is in force. A status gets none: the API server would
    add fields that the operator did not write, and the two would never agree.
    """
    fields = msgspec.structs.fields(struct)
    schema: Schema = {"type": "object", "properties": {field.encode_name: _field(field, defaults) for field in fields}}
    if required := [field.encode_name for field in fields if field.required]:
        schema["required"] = required
    if struct.rules:
        schema[VALIDATIONS] = [rule.render() for rule in struct.rules]
    return schema


def _field(field: msgspec.structs.FieldInfo, defaults: bool) -> Schema:
    schema = _described(field.type, defaults)
    default = _default(field)
    if not defaults or default in (None, ""):
        return schema
    sentence = schema.pop("description")
    if not isinstance(default, dict | list):
        # `kubectl explain` does not show defaults.
        sentence += f" Default: {json.dumps(default) if isinstance(default, bool) else default}."
    return {"description": sentence, "default": default, **schema}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """The default as JSON; None where there is none."""
    if field.default is not msgspec.NODEFAULT:
        plain = msgspec.to_builtins(field.default)
        return list(plain) if isinstance(plain, tuple) else plain
    if field.default_factory is msgspec.NODEFAULT:
        return None
    made = field.default_factory()
    if isinstance(made, Struct) and not made.rules:
        return {}  # The fields inside have defaults of their own.
    # A CRD's defaults are checked by their rules before the fields inside get theirs, so those are spelled out.
    return _without_nulls(msgspec.json.decode(msgspec.json.encode(made)))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _described(annotation: Any, defaults: bool) -> Schema:
    """A type together with what its `Meta` says about it."""
    annotation = _without_none(annotation)
    if typing.get_origin(annotation) is not typing.Annotated:
        return _plain(annotation, defaults)
    plain, *metas = typing.get_args(annotation)
    schema = _plain(plain, defaults)
    for meta in metas:
        schema = _with_meta(schema, meta)
    return schema


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    kept = [option for option in typing.get_args(annotation) if option is not type(None)]
    return kept[0] if len(kept) == 1 else annotation


def _plain(annotation: Any, defaults: bool) -> Schema:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _number_or_text(*arguments, defaults=defaults)
    if origin is tuple:
        return {"type": "array", "items": _described(arguments[0], defaults)}
    if origin is dict:
        value = arguments[1]
        return {"type": "object", **({} if value is Any else {"additionalProperties": _described(value, defaults)})}
    if issubclass(annotation, Enum):
        return {"type": "string", "enum": [member.value for member in annotation]}
    if issubclass(annotation, Struct):
        return struct_schema(annotation, defaults=defaults)
    return {"type": _SCALARS[annotation]}


def _number_or_text(number: Any, text: Any, *, defaults: bool) -> Schema:
    """The one union that Kubernetes knows: an integer, or a text. The bounds of a type bind that type alone."""
    both = [_described(number, defaults), _described(text, defaults)]
    bounds = {word: value for schema in both for word, value in schema.items() if word != "type"}
    return {INT_OR_STRING: True, "anyOf": [{"type": schema["type"]} for schema in both], **bounds}


def _with_meta(schema: Schema, meta: msgspec.Meta) -> Schema:
    words = {**_BOUNDS, **_SIZES.get(schema.get("type", ""), {})}
    bounds = {word: getattr(meta, name) for name, word in words.items() if getattr(meta, name) is not None}
    extra = dict(meta.extra_json_schema or {})
    extra[VALIDATIONS] = [*schema.get(VALIDATIONS, ()), *extra.get(VALIDATIONS, ())]
    if not extra[VALIDATIONS]:
        del extra[VALIDATIONS]
    described = {"description": meta.description} if meta.description else {}
    return {**described, **schema, **bounds, **extra}
