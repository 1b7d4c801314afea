"""What a model takes: named columns, or one matrix. Read from MLflow's signature as data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any, Final

from viridian.serving.errors import BundleRefused


class ColumnKind(Enum):
    """The kinds of values that JSON and a model distinguish. The enum's value is the word in error messages."""

    FLOAT = "a number"
    INTEGER = "a whole number"
    BOOLEAN = "true or false"
    STRING = "a string"

    @property
    def numeric(self) -> bool:
        return self in (ColumnKind.FLOAT, ColumnKind.INTEGER)


@dataclass(frozen=True, slots=True)
class Column:
    """One named feature. Only an optional one may be null or left out."""

    name: str
    kind: ColumnKind
    datatype: str
    """In the words of the Open Inference Protocol: FP64, INT64, BOOL, BYTES, …"""
    required: bool = True
    known: frozenset[Any] | None = None
    """The only values that the model answers for; None where it answers for any."""


@dataclass(frozen=True)
class Table:
    """Named columns in the order of training."""

    columns: tuple[Column, ...]

    @cached_property
    def numeric(self) -> bool:
        """All columns are numbers, so that the table is one matrix."""
        return all(column.kind.numeric for column in self.columns)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of numbers without names."""

    width: int | None
    """None where the model does not say."""
    datatype: str = "FP64"
    name: str = "input"


Signature = Table | Matrix

# MLflow's types of columns that can be fed to a model as one value. Arrays, objects, maps, dates and bytes cannot.
_TYPES: Final = {
    "double": (ColumnKind.FLOAT, "FP64"),
    "float": (ColumnKind.FLOAT, "FP32"),
    "long": (ColumnKind.INTEGER, "INT64"),
    "integer": (ColumnKind.INTEGER, "INT32"),
    "boolean": (ColumnKind.BOOLEAN, "BOOL"),
    "string": (ColumnKind.STRING, "BYTES"),
}
_TENSORS: Final = {
    "float16": "FP16", "float32": "FP32", "float64": "FP64",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
}  # fmt: skip


def parse(inputs: str) -> Signature:
    """The signature from the JSON that MLmodel keeps under `signature.inputs`."""
    try:
        specs = json.loads(inputs)
    except (ValueError, RecursionError) as error:
        raise BundleRefused("the signature in MLmodel is not JSON") from error
    if not isinstance(specs, list) or not specs or not all(isinstance(spec, dict) for spec in specs):
        raise BundleRefused("the signature in MLmodel names no inputs")
    if any(spec.get("type") == "tensor" for spec in specs):
        return _matrix(specs)
    return _table(specs)


def narrowed(signature: Signature, known: Mapping[str, Iterable[Any]]) -> Signature:
    """The same, with some columns restricted to these values."""
    if isinstance(signature, Matrix) or not known:
        return signature
    return Table(
        tuple(
            replace(column, known=frozenset(known[column.name])) if column.name in known else column
            for column in signature.columns
        )
    )


def _matrix(specs: list[dict[str, Any]]) -> Matrix:
    tensor = specs[0].get("tensor-spec")
    shape, dtype = (tensor.get("shape"), str(tensor.get("dtype"))) if isinstance(tensor, dict) else (None, "")
    if len(specs) != 1 or not isinstance(shape, list) or len(shape) != 2 or dtype not in _TENSORS:
        raise BundleRefused(
            "the signature in MLmodel asks for tensors that are not served: one matrix of numbers with the shape "
            "[-1, columns] is, and so are named columns"
        )
    width = shape[1] if isinstance(shape[1], int) and shape[1] > 0 else None
    return Matrix(width, _TENSORS[dtype], str(specs[0].get("name") or "input"))


def _table(specs: list[dict[str, Any]]) -> Table:
    columns = []
    for spec in specs:
        name, kind = spec.get("name"), spec.get("type")
        if not isinstance(name, str) or not isinstance(kind, str) or kind not in _TYPES:
            served = ", ".join(_TYPES)
            raise BundleRefused(f"the signature's input {name!r} has the type {kind!r}; served are {served}")
        columns.append(Column(name, *_TYPES[kind], required=bool(spec.get("required", True))))
    if len({column.name for column in columns}) != len(columns):
        raise BundleRefused("the signature in MLmodel names a column twice")
    return Table(tuple(columns))
