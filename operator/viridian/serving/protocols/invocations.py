"""MLflow's `/invocations`: dataframe_split, dataframe_records, instances, inputs or CSV in; `predictions` out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from viridian.serving.data.batch import Batch, MatrixReader, Reader, TableReader
from viridian.serving.data.outputs import LABEL, Output
from viridian.serving.errors import BadInput, Rejection
from viridian.serving.json_sizes import MANY_ROWS, Room
from viridian.serving.protocols import decode

_ABSENT: Final = msgspec.Raw(b"")
_FORMS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
_ENCODER: Final = msgspec.json.Encoder()


class Split(msgspec.Struct):
    """A data frame as pandas writes it with orient="split"; its index means nothing to a model."""

    data: msgspec.Raw
    columns: msgspec.Raw = _ABSENT
    index: msgspec.Raw = _ABSENT


class Invocation(msgspec.Struct):
    """The body: exactly one of the four forms. MLflow's `params` are accepted and have no effect."""

    dataframe_split: msgspec.Raw = _ABSENT
    dataframe_records: msgspec.Raw = _ABSENT
    instances: msgspec.Raw = _ABSENT
    inputs: msgspec.Raw = _ABSENT
    params: msgspec.Raw = _ABSENT


_INVOCATION: Final = msgspec.json.Decoder(Invocation)
_SPLIT: Final = msgspec.json.Decoder(Split)
_NAMES: Final = msgspec.json.Decoder(list[str | int] | None)


def batch(body: bytes, reader: Reader, rows: int = MANY_ROWS) -> Batch:
    """The request's rows, of which there may be so many, as the signature wants them."""
    invocation: Invocation = decode.envelope(_INVOCATION, body, "an invocation")
    given = [form for form in _FORMS if getattr(invocation, form)]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise BadInput(Rejection.MALFORMED, "", f"send exactly one of {', '.join(_FORMS)}; found {found}")
    form = given[0]
    raw: msgspec.Raw = getattr(invocation, form)
    room = Room(rows, reader.columns)
    if form == "dataframe_split":
        return _split(raw, reader, room)
    if form == "dataframe_records" or _starts_with(raw, b"[{"):
        room.check_rows(raw, form)
        return decode.records_to_batch(_table(reader, form), raw, form)
    if _starts_with(raw, b"{"):
        room.check_columns(raw, form)
        columns = decode.loose(decode.ANY, raw, form)
        return _table(reader, form).from_columns({name: _list(values) for name, values in columns.items()}, form)
    room.check_rows(raw, form)
    return decode.rows_to_batch(reader, raw, None, form)


def _split(raw: msgspec.Raw, reader: Reader, room: Room) -> Batch:
    split: Split = decode.loose(_SPLIT, raw, "dataframe_split")
    room.check_rows(split.data, "dataframe_split")
    room.check_names(split.columns, "dataframe_split")
    given = decode.loose(_NAMES, split.columns, "dataframe_split") if split.columns else None
    names = None if given is None else [str(name) for name in given]
    return decode.rows_to_batch(reader, split.data, names, "dataframe_split")


def _table(reader: Reader, form: str) -> TableReader:
    if isinstance(reader, MatrixReader):
        raise BadInput(Rejection.WRONG_SHAPE, form, "the model's columns have no names: send a list of rows")
    return reader


def _list(values: Any) -> list[Any]:
    """One column; a lone value is one row."""
    if not isinstance(values, list):
        return [values]
    if values and all(isinstance(value, list) and len(value) == 1 for value in values):
        return [value[0] for value in values]
    return values


def _starts_with(raw: msgspec.Raw, sign: bytes) -> bool:
    return bytes(memoryview(raw)[:64]).translate(None, b" \t\r\n").startswith(sign)


def answer(outputs: Sequence[Output]) -> bytes:
    """A classifier's labels or a regressor's numbers as one list; several outputs of another kind by name."""
    labels = next((output for output in outputs if output.name == LABEL), None)
    if labels is not None or len(outputs) == 1:
        return _ENCODER.encode({"predictions": (labels or outputs[0]).values.tolist()})
    return _ENCODER.encode({"predictions": {output.name: output.values.tolist() for output in outputs}})
