"""The Open Inference Protocol, version 2, over HTTP with JSON: requests, answers and metadata.

One input tensor for each column, of the shape [rows] or [rows, 1]; or one input of the shape [rows, columns] that
holds numbers in the order of the signature. The binary extension is not spoken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from viridian.serving import decode
from viridian.serving.batch import Batch, MatrixReader, Reader, TableReader, listed
from viridian.serving.errors import BadInput, Rejection
from viridian.serving.outputs import Output
from viridian.serving.signature import Column, Kind, Signature, Table

_NUMBERS: Final = frozenset(
    {"FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
)
_DATATYPES: Final = {
    Kind.FLOAT: _NUMBERS,
    Kind.INTEGER: _NUMBERS,
    Kind.BOOLEAN: frozenset({"BOOL"}),
    Kind.STRING: frozenset({"BYTES"}),
}


class Tensor(msgspec.Struct):
    """One input. Its data is decoded when its type is known."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw
    parameters: dict[str, Any] | None = None


class WantedOutput(msgspec.Struct):
    """One output that the client asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    """The body of `POST …/infer`."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[WantedOutput] | None = None
    parameters: dict[str, Any] | None = None


_REQUEST: Final = msgspec.json.Decoder(InferRequest)
_ENCODER: Final = msgspec.json.Encoder()


def parse(body: bytes) -> InferRequest:
    """The request; its tensors are not looked into yet."""
    request: InferRequest = decode.envelope(_REQUEST, body, "an inference request")
    return request


def batch(request: InferRequest, reader: Reader) -> Batch:
    """The request's rows, as the signature wants them."""
    inputs = request.inputs
    if not inputs:
        raise BadInput(Rejection.WRONG_SHAPE, "inputs", "there are no inputs")
    for tensor in inputs:
        if any(size < 0 for size in tensor.shape) or not tensor.shape:
            raise BadInput(Rejection.WRONG_SHAPE, tensor.name, f"{tensor.name!r}: {tensor.shape} is no shape")
    if isinstance(reader, MatrixReader) or _is_whole_table(inputs, reader):
        if len(inputs) != 1:
            raise BadInput(Rejection.WRONG_SHAPE, "inputs", f"one input is needed, not {len(inputs)}")
        return _from_matrix(inputs[0], reader)
    return _from_columns(inputs, reader)


def _is_whole_table(inputs: Sequence[Tensor], reader: TableReader) -> bool:
    return len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].name not in reader.names


def _from_matrix(tensor: Tensor, reader: Reader) -> Batch:
    name, shape = tensor.name, tensor.shape
    if len(shape) != 2:
        raise BadInput(Rejection.WRONG_SHAPE, name, f"{name!r}: the shape is [rows, columns], not {shape}")
    if tensor.datatype not in _NUMBERS:
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
    if bytes(memoryview(tensor.data)[:16]).translate(None, b" \t\r\n").startswith(b"[["):
        values = decode.matrix(tensor.data, names, nullable, tensor.name)
    else:
        values = decode.flat(tensor.data, nullable, tensor.name)
    if values.size != rows * width or (values.ndim == 2 and values.shape[1] != width):
        raise _miscounted(tensor, values.size)
    return values.reshape(rows, width)


def _from_columns(inputs: Sequence[Tensor], reader: TableReader) -> Batch:
    tensors = {tensor.name: tensor for tensor in inputs}
    reader.check_names([tensor.name for tensor in inputs], "inputs")
    rows = inputs[0].shape[0]
    if rows == 0:
        raise BadInput(Rejection.WRONG_SHAPE, inputs[0].name, "there are no rows")
    given = {
        column.name: _column(tensors[column.name], column, rows)
        for column in reader.table.columns
        if column.name in tensors
    }
    # Only now is the number of rows proven by data; before, it is just what the client says.
    absent = [None] * rows
    return reader.from_typed([given.get(column.name, absent) for column in reader.table.columns], rows)


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
    values = decode.vector(column, not column.required, tensor.data)
    if len(values) != rows:
        raise _miscounted(tensor, len(values))
    return values


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


def answer(model: str, version: str, identifier: str, outputs: Sequence[Output]) -> bytes:
    """The body of an answer; data is flat, row by row."""
    return _ENCODER.encode(
        {
            "model_name": model,
            "model_version": version,
            "id": identifier,
            "outputs": [
                {
                    "name": output.name,
                    "datatype": output.datatype,
                    "shape": list(output.values.shape),
                    "data": output.values.ravel().tolist(),
                }
                for output in outputs
            ],
        }
    )


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
