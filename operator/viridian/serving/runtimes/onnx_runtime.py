"""Models in ONNX, run by onnxruntime: a format that cannot carry code."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

# Read once, when the library is loaded: since 1.29 it reports to its maker and keeps an identifier on disk by default.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from viridian.serving.bundle.contents import Bundle, unreadable
from viridian.serving.bundle.signature import Column, ColumnKind, Matrix, Signature, Table
from viridian.serving.data.batch import Batch, nulls
from viridian.serving.data.outputs import LABEL, PREDICTION, PROBABILITIES, Output, probabilities
from viridian.serving.errors import BadInput, BundleRefused, Rejection

_ELEMENTS: Final[Mapping[str, tuple[ColumnKind, str, Any]]] = {
    "tensor(float)": (ColumnKind.FLOAT, "FP32", np.float32),
    "tensor(double)": (ColumnKind.FLOAT, "FP64", np.float64),
    "tensor(float16)": (ColumnKind.FLOAT, "FP16", np.float16),
    "tensor(int64)": (ColumnKind.INTEGER, "INT64", np.int64),
    "tensor(int32)": (ColumnKind.INTEGER, "INT32", np.int32),
    "tensor(bool)": (ColumnKind.BOOLEAN, "BOOL", np.bool_),
    "tensor(string)": (ColumnKind.STRING, "BYTES", np.object_),
}
_GREATEST: Final[Mapping[Any, float]] = {
    np.float16: float(np.finfo(np.float16).max),
    np.float32: float(np.finfo(np.float32).max),
    np.float64: np.inf,
}
"""A graph's own numbers end there."""
_LABELS: Final = ("tensor(int64)", "tensor(string)")
_SILENT: Final = 4
"""Its messages quote the input that caused them; what matters is raised as well."""

_MAX_MESSAGE: Final = 240
"""Of its own sentence about a graph: at that time there is no input that it could quote."""

Feed = Callable[[Batch], dict[str, NDArray[Any]]]


class OnnxModel:
    """One session; onnxruntime takes calls from several threads."""

    platform = "onnxruntime_onnx"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        self._session = _session(bundle, threads)
        inputs = self._session.get_inputs()
        for node in inputs:
            if node.type not in _ELEMENTS:
                raise BundleRefused(f"the ONNX input {node.name!r} has the type {node.type}, which is not served")
        self.signature: Signature = bundle.signature or _signature(inputs)
        self._feed = _feed(self.signature, inputs, bundle.largest)
        self._names = _output_names(self._session.get_outputs())
        self._run = self._session.run

    def predict(self, batch: Batch) -> Sequence[Output]:
        """The session's outputs; a list of class-to-probability maps becomes a matrix."""
        values = self._run(None, self._feed(batch))
        return [_output(name, _array(value, batch.rows)) for name, value in zip(self._names, values, strict=True)]


def _session(bundle: Bundle, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    # Threads that wait for work must sleep: under a CPU limit, spinning takes time away from the requests themselves.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(bundle.payload), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime raises a dozen unrelated types; each means that this file is no model.
        message = " ".join(str(error).split())[:_MAX_MESSAGE]
        why = f"cannot be loaded by onnxruntime {onnxruntime.__version__}: {type(error).__name__}: {message}"
        raise unreadable(bundle.payload, why) from error


def _signature(inputs: Sequence[Any]) -> Signature:
    """What the graph says by itself: one matrix, or one column for each input."""
    if len(inputs) == 1 and _is_matrix(inputs[0]):
        width = inputs[0].shape[1]
        return Matrix(width if isinstance(width, int) else None, _ELEMENTS[inputs[0].type][1], inputs[0].name)
    columns = []
    for node in inputs:
        if not _is_column(node):
            raise BundleRefused(f"the ONNX input {node.name!r} has the shape {node.shape}, which is not served")
        kind, datatype, _ = _ELEMENTS[node.type]
        columns.append(Column(node.name, kind, datatype))
    return Table(tuple(columns))


def _is_matrix(node: Any) -> bool:
    return len(node.shape) == 2 and node.shape[1] != 1 and _ELEMENTS[node.type][0].numeric


def _is_column(node: Any) -> bool:
    return len(node.shape) == 1 or (len(node.shape) == 2 and node.shape[1] in (1, None))


def _feed(signature: Signature, inputs: Sequence[Any], largest: float) -> Feed:
    """How a batch becomes the session's inputs: decided once, at load."""
    if isinstance(signature, Matrix) or (len(inputs) == 1 and _as_numbers(signature) and _is_matrix(inputs[0])):
        return _feed_matrix(signature, inputs, largest)
    return _feed_columns(signature, inputs, largest)


def _as_numbers(signature: Table) -> bool:
    """Numbers and flags, which are 0 and 1 to a model that takes a matrix."""
    return all(column.kind is not ColumnKind.STRING for column in signature.columns)


def _feed_matrix(signature: Signature, inputs: Sequence[Any], largest: float) -> Feed:
    width = signature.width if isinstance(signature, Matrix) else len(signature.columns)
    node = inputs[0]
    takes = node.shape[1] if len(node.shape) == 2 else None
    if len(inputs) != 1 or len(node.shape) != 2 or (isinstance(takes, int) and width is not None and takes != width):
        raise BundleRefused(
            f"the signature has {width} columns, but the ONNX graph takes "
            f"{', '.join(f'{i.name} {i.shape}' for i in inputs)[:200]}"
        )
    name, element = node.name, _ELEMENTS[node.type][2]
    columns = [column.name for column in signature.columns] if isinstance(signature, Table) else []

    def feed(batch: Batch) -> dict[str, NDArray[Any]]:
        if batch.matrix is not None:
            return {name: _cast(batch.matrix, element, largest)}
        vectors = [(batch.columns or {})[column].astype(np.float64) for column in columns]
        return {name: _cast(np.column_stack(vectors), element, largest)}

    return feed


def _feed_columns(signature: Table, inputs: Sequence[Any], largest: float) -> Feed:
    nodes = _by_column(signature, inputs)
    plan = [
        (
            place,
            column.name,
            nodes[column.name].name,
            _ELEMENTS[nodes[column.name].type][2],
            len(nodes[column.name].shape),
        )
        for place, column in enumerate(signature.columns)
    ]
    for column in signature.columns:
        takes = _ELEMENTS[nodes[column.name].type][0]
        # A flag may go where numbers are taken, as 0 or 1, or NaN for null; nothing else is what it is not.
        if takes.numeric is not column.kind.numeric and not (takes.numeric and column.kind is ColumnKind.BOOLEAN):
            raise BundleRefused(f"column {column.name!r} is {column.kind.value} in MLmodel, but not in the ONNX graph")

    def feed(batch: Batch) -> dict[str, NDArray[Any]]:
        given = {}
        for place, column, node, element, dimensions in plan:
            values = batch.matrix[:, place] if batch.matrix is not None else (batch.columns or {})[column]
            given[node] = _cast(values, element, largest, column).reshape((-1, 1) if dimensions == 2 else (-1,))
        return given

    return feed


def _by_column(signature: Table, inputs: Sequence[Any]) -> dict[str, Any]:
    """Column to graph input. skl2onnx replaces what is no letter, digit or underscore in a name by an underscore."""
    if len(signature.columns) == len(inputs) == 1:
        return {signature.columns[0].name: inputs[0]}
    nodes = {node.name: node for node in inputs}
    found = {}
    for column in signature.columns:
        node = nodes.pop(column.name, None) or nodes.pop(re.sub(r"\W", "_", column.name), None)
        if node is None:
            raise BundleRefused(f"the ONNX graph has no input for the column {column.name!r} of the signature")
        found[column.name] = node
    if nodes:
        raise BundleRefused(f"the ONNX graph takes {sorted(nodes)[0]!r}, which the signature does not have")
    return found


def _cast(values: NDArray[Any], element: Any, largest: float, column: str = "") -> NDArray[Any]:
    if element is np.object_:
        # Text in a graph is never null; converters know missing text as the empty string.
        return np.where(nulls(values), "", values)
    if not np.issubdtype(element, np.floating):
        if nulls(values).any():
            where = f"{column!r}: null, which the model's graph cannot take there"
            raise BadInput(Rejection.MISSING_VALUE, column, where)
        return np.ascontiguousarray(values, dtype=element)
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(values, dtype=element)
    bound = min(largest, _GREATEST[element])
    if bound != np.inf and (np.abs(narrow) > bound).any():
        raise BadInput(Rejection.OUT_OF_RANGE, column, _too_large(narrow, largest, column))
    return narrow


def _too_large(narrow: NDArray[Any], largest: float, column: str) -> str:
    of = f"{column!r}: " if column else ""
    if np.isinf(narrow).any():
        return f"{of}a number is too large for the {narrow.dtype.itemsize * 8}-bit numbers of the model"
    return f"{of}a number is beyond ±{largest:.3g}, and this model answers only up to there"


def _output_names(outputs: Sequence[Any]) -> list[str]:
    """Converters name outputs in many ways; a classifier is known by what it gives."""
    kinds = [output.type for output in outputs]
    if len(kinds) == 2 and kinds[0] in _LABELS and any(number in kinds[1] for number in ("float", "double")):
        return [LABEL, PROBABILITIES]
    if len(kinds) == 1:
        return [PREDICTION]
    return [output.name for output in outputs]


def _output(name: str, values: NDArray[Any]) -> Output:
    return Output(name, probabilities(values) if name == PROBABILITIES else values)


def _array(value: Any, rows: int) -> NDArray[Any]:
    if isinstance(value, list):
        # A ZipMap at the end of the graph gives a list of maps from class to probability, all in one order.
        return np.array([list(row.values()) if isinstance(row, dict) else row for row in value])
    array = np.asarray(value)
    return array.reshape(rows) if array.shape == (rows, 1) else array
