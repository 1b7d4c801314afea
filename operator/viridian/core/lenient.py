"""What can be read of a stored document that another release wrote.

A newer release may have written words that are none here, longer lists, or other types. One field of that must not cost
the whole document: an operator after a downgrade would take a run that went well for one that failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

Part = TypeVar("Part", bound=msgspec.Struct)


def readable(document: Any, kind: type[Part]) -> Part | None:
    """The document as that kind; None where it is no object, or lacks what the kind requires.

    A field that cannot be read has its default. Of a list, what can be read is there, as many entries as it may have.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError:
        pass
    if not isinstance(document, Mapping):
        return None
    found = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in document:
            value = _value(document[field.encode_name], field.type)
            if value is not None:
                found[field.name] = value
    try:
        return kind(**found)
    except TypeError:  # what it requires is missing
        return None


def _value(value: Any, kind: Any) -> Any:
    """None where nothing of it can be read."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        pass
    part, most = _divisible(kind)
    if get_origin(part) is tuple:
        entries = (_value(entry, get_args(part)[0]) for entry in value) if isinstance(value, list) else ()
        return tuple(entry for entry in entries if entry is not None)[:most]
    return readable(value, part) if part is not None else None


def _divisible(kind: Any, most: int | None = None) -> tuple[Any, int | None]:
    """The list or structure in that type, and how many entries it may have; None where it is neither."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        bounds = [meta.max_length for meta in arguments[1:] if isinstance(meta, msgspec.Meta)]
        return _divisible(arguments[0], next((bound for bound in bounds if bound is not None), most))
    if origin in (Union, UnionType):
        return next((found for one in arguments if (found := _divisible(one, most))[0] is not None), (None, None))
    is_list = origin is tuple and arguments[1:] == (...,)
    is_structure = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return (kind, most) if is_list or is_structure else (None, None)
