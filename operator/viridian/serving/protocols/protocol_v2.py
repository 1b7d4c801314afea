"""The Open Inference Protocol, version 2, over HTTP: requests, answers and metadata.

One input tensor for each column, of the shape [rows] or [rows, 1]; or one input of the shape [rows, columns] that
holds numbers in the order of the signature. Tensors are JSON, or bytes behind the JSON (the binary extension).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from viridian.serving.bundle.signature import Column, ColumnKind, Signature, Table
from viridian.serving.data.batch import Batch, MatrixReader, Reader, TableReader, absent, listed, wrong_type
from viridian.serving.data.datatypes import BOOL, BYTES, LAYOUTS, NUMBERS
from viridian.serving.data.outputs import Output
from viridian.serving.errors import BadInput, Rejection
from viridian.serving.json_sizes import ANY_ROOM, MANY_ROWS, Room
from viridian.serving.protocols import binary_tensors, decode

_DATATYPES: Final = {
    ColumnKind.FLOAT: NUMBERS,
    ColumnKind.INTEGER: NUMBERS,
    ColumnKind.BOOLEAN: frozenset({BOOL}),
    ColumnKind.STRING: frozenset({BYTES}),
}


_ABSENT: Final = msgspec.Raw(b"")
_SIZE: Final = "binary_data_size"
_LONGEST_PARAMETER: Final = 32
_MOST_DIMENSIONS: Final = 8
_LARGEST: Final = 2**63 - 1
"""Of one dimension: what the protocol's clients can say at all."""


class Parameters(msgspec.Struct, gc=False):
    """Of a request, an input or an output, those that mean something here. The rest is not even decoded."""

    binary_data_size: msgspec.Raw = _ABSENT
    binary_data: msgspec.Raw = _ABSENT
    binary_data_output: msgspec.Raw = _ABSENT


def _value(raw: msgspec.Raw) -> Any:
    """A parameter's value where it is a plain one; None where it is none of those, or absent."""
    if not 0 < memoryview(raw).nbytes <= _LONGEST_PARAMETER:
        return None
    return msgspec.json.decode(raw)


class Tensor(msgspec.Struct, gc=False):
    """One input. Its data is decoded when its type is known: JSON, or raw bytes."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = _ABSENT
    parameters: Parameters | None = None

    @property
    def binary(self) -> bool:
        """Its data stands behind the JSON."""
        return self.parameters is not None and bool(self.parameters.binary_data_size)


class WantedOutput(msgspec.Struct, gc=False):
    """One output that the client asks for."""

    name: str
    parameters: Parameters | None = None


class InferRequest(msgspec.Struct):
    """The body of `POST …/infer`."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[WantedOutput] | None = None
    parameters: Parameters | None = None


_REQUEST: Final = msgspec.json.Decoder(InferRequest)
_ENCODER: Final = msgspec.json.Encoder()


def parse(body: bytes, json_length: bytes | None = None, room: Room = ANY_ROOM) -> InferRequest:
    """The request; its tensors are not looked into yet."""
    if json_length is None:
        room.check_request(body)
        request: InferRequest = decode.envelope(_REQUEST, body, "an inference request")
        return _whole(request)
    text, tail = binary_tensors.split(body, json_length)
    room.check_request(text)
    request = decode.envelope(_REQUEST, text, "an inference request")
    for tensor in request.inputs:
        if tensor.binary and tensor.parameters is not None:
            data = binary_tensors.take(tail, _value(tensor.parameters.binary_data_size), tensor.name)
            tensor.data, tail = msgspec.Raw(data), tail[len(data) :]
    if len(tail):
        raise BadInput(Rejection.MALFORMED, "", f"{len(tail)} bytes behind the JSON belong to no input")
    return _whole(request)


def _whole(request: InferRequest) -> InferRequest:
    for tensor in request.inputs:
        if not tensor.data and not tensor.binary:
            raise BadInput(Rejection.MALFORMED, tensor.name, f"{tensor.name!r} has no data")
    return request


def rows(request: InferRequest) -> int:
    """As many as the shapes of tensors as bytes speak of: to be known before the bytes are looked at one by one."""
    return max((tensor.shape[0] for tensor in request.inputs if tensor.binary and tensor.shape), default=0)


def batch(request: InferRequest, reader: Reader, rows: int = MANY_ROWS) -> Batch:
    """The request's rows, of which there may be so many, as the signature wants them."""
    inputs = request.inputs
    if not inputs:
        raise BadInput(Rejection.WRONG_SHAPE, "inputs", "there are no inputs")
    for tensor in inputs:
        _check_shape(tensor)
    room = Room(rows, reader.columns)
    if isinstance(reader, MatrixReader) or _is_whole_table(inputs, reader):
        if len(inputs) != 1:
            raise BadInput(Rejection.WRONG_SHAPE, "inputs", f"one input is needed, not {len(inputs)}")
        if not inputs[0].binary:
            room.check_rows(inputs[0].data, inputs[0].name)
        return _from_matrix(inputs[0], reader)
    for tensor in inputs:
        if not tensor.binary:
            Room(rows, 1).check_rows(tensor.data, tensor.name)
    return _from_columns(inputs, reader)


def _check_shape(tensor: Tensor) -> None:
    """What no data can have is refused before anything is computed from it."""
    shape = tensor.shape
    if len(shape) > _MOST_DIMENSIONS or any(size > _LARGEST for size in shape):
        raise BadInput(Rejection.WRONG_SHAPE, tensor.name, f"{tensor.name!r}: the shape is too large")
    if not shape or any(size < 0 for size in shape):
        raise BadInput(Rejection.WRONG_SHAPE, tensor.name, f"{tensor.name!r}: {shape} is no shape")


def _is_whole_table(inputs: Sequence[Tensor], reader: TableReader) -> bool:
    return len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].name not in reader.names


def _from_matrix(tensor: Tensor, reader: Reader) -> Batch:
    name, shape = tensor.name, tensor.shape
    if len(shape) != 2:
        raise BadInput(Rejection.WRONG_SHAPE, name, f"{name!r}: the shape is [rows, columns], not {shape}")
    if tensor.datatype not in NUMBERS:
        raise BadInput(Rejection.WRONG_TYPE, name, f"{name!r}: the datatype {tensor.datatype} holds no numbers")
    if isinstance(reader, TableReader):
        if not reader.table.numeric:
            raise BadInput(
                Rejection.WRONG_TYPE, name, "the model has columns that are not numbers: send one input for each column"
            )
        if shape[1] != len(reader.names):
            raise BadInput(
                Rejection.WRONG_SHAPE, name, f"{name!r}: the model has {len(reader.names)} columns, not {shape[1]}"
            )
    nullable = isinstance(reader, TableReader) and reader.nullable
    return reader.from_matrix(_numbers(tensor, reader.names if isinstance(reader, TableReader) else None, nullable))


def _numbers(tensor: Tensor, names: Sequence[str] | None, nullable: bool) -> NDArray[np.float64]:
    rows, width = tensor.shape
    if rows == 0 or width == 0:
        raise BadInput(Rejection.WRONG_SHAPE, tensor.name, "there are no rows")
    if tensor.binary:
        values = binary_tensors.numbers(tensor.name, tensor.datatype, tensor.shape, memoryview(tensor.data))
        check_complete(values, names, tensor.name, nullable)
        return values
    if bytes(memoryview(tensor.data)[:16]).translate(None, b" \t\r\n").startswith(b"[["):
        values = decode.matrix(tensor.data, names, nullable, tensor.name)
    else:
        values = decode.flat(tensor.data, nullable, tensor.name)
    if values.size != rows * width or (values.ndim == 2 and values.shape[1] != width):
        raise _miscounted(tensor, values.size)
    values = values.reshape(rows, width)
    _check_datatype(tensor, values)
    return values


def _check_datatype(tensor: Tensor, values: NDArray[np.float64]) -> None:
    """Numbers in JSON are what the tensor says of them; as bytes they cannot be anything else."""
    layout = LAYOUTS[tensor.datatype]
    if layout.kind == "f":
        return
    broken = np.argwhere((values != np.floor(values)) & ~np.isnan(values))
    if len(broken):
        raise wrong_type(tensor.name, int(broken[0][0]), ColumnKind.INTEGER, "a fraction")
    bounds = np.iinfo(layout)
    if ((values < float(bounds.min)) | (values > float(bounds.max))).any():
        raise BadInput(
            Rejection.OUT_OF_RANGE,
            tensor.name,
            f"{tensor.name!r} has a number that is too large for {tensor.datatype}",
        )


def check_complete(values: NDArray[np.float64], names: Sequence[str] | None, field: str, nullable: bool) -> None:
    """NaN is null, which JSON distinguishes by itself. Where some columns may be null, the reader looks."""
    if not nullable and np.isnan(values).any():
        row, column = np.argwhere(np.isnan(values))[0]
        raise absent(names[column] if names is not None else field, int(row))


def _from_columns(inputs: Sequence[Tensor], reader: TableReader) -> Batch:
    by_name = {tensor.name: tensor for tensor in inputs}
    exact = reader.check_names([tensor.name for tensor in inputs], "inputs")
    rows = inputs[0].shape[0]
    if rows == 0:
        raise BadInput(Rejection.WRONG_SHAPE, inputs[0].name, "there are no rows")
    given = {
        column.name: _column(by_name[column.name], column, rows)
        for column in reader.table.columns
        if column.name in by_name
    }
    extras = {} if exact else {name: _extra(by_name[name], rows) for name in reader.extra & by_name.keys()}
    # Only now is the number of rows proven by data; before, it is just what the client says.
    nothing = [None] * rows
    found = reader.from_typed([given.get(column.name, nothing) for column in reader.table.columns], rows)
    return reader.with_extras(found, extras) if extras else found


def _extra(tensor: Tensor, rows: int) -> list[Any]:
    """Values of a column that the model does not take."""
    column = Column(
        tensor.name, ColumnKind.FLOAT if tensor.datatype in NUMBERS else ColumnKind.STRING, tensor.datatype, False
    )
    return _column(tensor, column, rows)


def _column(tensor: Tensor, column: Column, rows: int) -> list[Any]:
    name, shape = tensor.name, tensor.shape
    if shape[0] != rows or len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise BadInput(
            Rejection.WRONG_SHAPE, name, f"{name!r}: the shape is {shape}, but [{rows}] or [{rows}, 1] is needed"
        )
    if tensor.datatype not in _DATATYPES[column.kind]:
        raise BadInput(
            Rejection.WRONG_TYPE,
            name,
            f"{name!r}: the datatype is {tensor.datatype}, but the column holds {column.datatype}",
        )
    if tensor.binary:
        return _raw_column(tensor, column)
    values = decode.vector(column, not column.required, tensor.data)
    if len(values) != rows:
        raise _miscounted(tensor, len(values))
    if column.kind.numeric:
        _check_datatype(tensor, np.array(values, dtype=np.float64).reshape(rows, 1))
    return values


def _raw_column(tensor: Tensor, column: Column) -> list[Any]:
    raw = memoryview(tensor.data)
    if column.kind is ColumnKind.BOOLEAN:
        return binary_tensors.flags(tensor.name, tensor.shape, raw)
    if column.kind is ColumnKind.STRING:
        return binary_tensors.strings(tensor.name, tensor.shape, raw)
    values = binary_tensors.numbers(tensor.name, tensor.datatype, tensor.shape, raw).reshape(-1, 1)
    check_complete(values, [column.name], column.name, nullable=not column.required)
    return values[:, 0].tolist()  # type: ignore[no-any-return]


def _miscounted(tensor: Tensor, found: int) -> BadInput:
    needed = math.prod(tensor.shape)
    return BadInput(
        Rejection.WRONG_SHAPE,
        tensor.name,
        f"{tensor.name!r}: the shape {tensor.shape} needs {needed} values, not {found}",
    )


def wanted(request: InferRequest, outputs: Sequence[Output]) -> list[Output]:
    """The outputs that were asked for, in that order; all of them when none was named."""
    if not request.outputs:
        return list(outputs)
    by_name = {output.name: output for output in outputs}
    for output in request.outputs:
        if output.name not in by_name:
            raise BadInput(
                Rejection.UNKNOWN_OUTPUT,
                output.name,
                f"the model has no output {output.name!r}; it has {listed(list(by_name))}",
            )
    return [by_name[output.name] for output in request.outputs]


def answer(model: str, version: str, request: InferRequest, outputs: Sequence[Output]) -> tuple[bytes, int | None]:
    """The body of an answer, with the length of its JSON where bytes follow; data is flat, row by row."""
    raw = _raw_outputs(request)
    tail: list[bytes] = []
    entries = []
    for output in outputs:
        entry: dict[str, Any] = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": list(output.values.shape),
        }
        if raw is not None and raw.get(output.name, raw[None]):
            tail.append(binary_tensors.write(output.values))
            entry["parameters"] = {_SIZE: len(tail[-1])}
        else:
            entry["data"] = output.values.ravel().tolist()
        entries.append(entry)
    text = _ENCODER.encode({"model_name": model, "model_version": version, "id": request.id, "outputs": entries})
    return (text, None) if not tail else (b"".join((text, *tail)), len(text))


def _raw_outputs(request: InferRequest) -> dict[str | None, bool] | None:
    """Which outputs are wanted as bytes; under None what counts for those that are not named. None: not one."""
    everywhere = bool(request.parameters and _value(request.parameters.binary_data_output))
    named: dict[str | None, bool] = {
        output.name: bool(_value(output.parameters.binary_data))
        for output in request.outputs or ()
        if output.parameters and output.parameters.binary_data
    }
    return {None: everywhere, **named} if everywhere or any(named.values()) else None


def metadata(model: str, version: str, platform: str, signature: Signature, outputs: Sequence[Output]) -> bytes:
    """What the model takes and gives. -1 is a number of rows."""
    if isinstance(signature, Table):
        inputs = [{"name": c.name, "datatype": c.datatype, "shape": [-1]} for c in signature.columns]
    else:
        inputs = [{"name": signature.name, "datatype": signature.datatype, "shape": [-1, signature.width or -1]}]
    return _ENCODER.encode(
        {
            "name": model,
            "versions": [version] if version else [],
            "platform": platform,
            "inputs": inputs,
            "outputs": [{"name": o.name, "datatype": o.datatype, "shape": [-1, *o.values.shape[1:]]} for o in outputs],
        }
    )
