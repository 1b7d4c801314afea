"""An ONNX graph that was made elsewhere, such as by `torch.onnx.export`, as an estimator of scikit-learn's kind.

It answers through the model server's own code, and is packed as it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from viridian.serving.bundle.contents import Bundle, Format
from viridian.serving.data.batch import Reader
from viridian.serving.data.outputs import LABEL, PREDICTION, PROBABILITIES
from viridian.serving.errors import ServingError
from viridian.serving.execution import model as serving
from viridian.serving.runtimes import loader
from viridian.training.bundle import signature_of
from viridian.training.payload import Payload, onnx_payload
from viridian.training.rows import DatasetColumn, Rows, rows_of
from viridian.training.served_model import batch_of

WANTED: Final = "a graph gives one number for each row, or its label (int64, from 0) and the probability of each class"
_ASKED: Final = 2
"""Rows, so that a graph for one row alone is found out."""
_LOOKED_AT: Final = 1000
"""Rows whose labels and probabilities are looked at."""
_ROUNDING: Final = 0.01
"""Of a sum of probabilities, in 16 bits too."""


class OnnxGraph(BaseEstimator):  # type: ignore[misc]
    """The bytes of a graph, and the columns that it takes."""

    def __init__(self, graph: bytes, columns: tuple[DatasetColumn, ...]) -> None:
        self.graph = graph
        self.columns = columns

    def predict(self, features: Any) -> NDArray[Any]:
        return self._answer(features, LABEL if isinstance(self, OnnxClassifier) else PREDICTION).ravel()

    def _answer(self, features: Any, name: str) -> NDArray[Any]:
        return _answers(self.graph, self.columns, rows_of(features, [column.name for column in self.columns]))[name]


class OnnxRegressor(RegressorMixin, OnnxGraph):  # type: ignore[misc]
    """A graph that gives a number for each row."""


class OnnxClassifier(ClassifierMixin, OnnxGraph):  # type: ignore[misc]
    """A graph that gives labels from 0 and the probabilities of their classes."""

    def __init__(self, graph: bytes, columns: tuple[DatasetColumn, ...], classes: int) -> None:
        super().__init__(graph, columns)
        self.classes = classes

    @property
    def classes_(self) -> NDArray[np.int64]:
        return np.arange(self.classes)

    def predict_proba(self, features: Any) -> NDArray[Any]:
        return self._answer(features, PROBABILITIES)


def as_estimator(graph: onnx.ModelProto, rows: Rows) -> OnnxGraph:
    """The graph, which takes the columns of these rows; TypeError where it gives what nobody can judge."""
    content, columns = graph.SerializeToString(), rows.columns
    given = _given(content, columns, rows.take(np.zeros(_ASKED, np.int64)))
    odds = given.get(PROBABILITIES)
    if set(given) == {PREDICTION} and given[PREDICTION].dtype.kind in "fiu" and given[PREDICTION].size == _ASKED:
        return OnnxRegressor(content, columns)
    if set(given) == {LABEL, PROBABILITIES} and odds is not None and odds.ndim == 2 and given[LABEL].dtype.kind == "i":
        _check_classes(_given(content, columns, rows.take(np.arange(min(len(rows), _LOOKED_AT)))))
        return OnnxClassifier(content, columns, odds.shape[1])
    found = ", ".join(f"{name} {list(values.shape)}" for name, values in given.items())
    raise TypeError(f"{WANTED}; this one gives {found} for {_ASKED} rows")


def as_payload(model: OnnxGraph, _: Sequence[DatasetColumn]) -> Payload:
    """The graph as it is."""
    return onnx_payload(onnx.load_from_string(model.graph))


def _check_classes(given: Mapping[str, NDArray[Any]]) -> None:
    """Labels count the columns of the probabilities, and these are probabilities."""
    labels, odds = given[LABEL], given[PROBABILITIES].astype(np.float64)
    count = odds.shape[1]
    least, greatest = int(labels.min()), int(labels.max())
    if least < 0 or greatest >= count:
        raise TypeError(f"{WANTED}; the labels of this one go from {least} to {greatest}, for {count} probabilities")
    known = odds[~np.isnan(odds).any(axis=1)]
    sums = known.sum(axis=1)
    if (known < -_ROUNDING).any() or (np.abs(sums - 1) > _ROUNDING).any():
        raise TypeError(f"{WANTED}; the second output of this one does not add up to 1: put a softmax at its end")


def _given(graph: bytes, columns: tuple[DatasetColumn, ...], rows: Rows) -> dict[str, NDArray[Any]]:
    try:
        return _answers(graph, columns, rows)
    except ServingError as error:
        raise TypeError(f"no server would run the graph: {error}") from error
    except Exception as error:
        # onnxruntime raises a dozen unrelated types.
        raise TypeError(
            f"the graph raises {type(error).__name__} for {len(rows)} rows: "
            "export it with a first dimension that is free"
        ) from error


def _answers(graph: bytes, columns: tuple[DatasetColumn, ...], rows: Rows) -> dict[str, NDArray[Any]]:
    runtime, reader = _loaded(graph, columns)
    return {answer.name: answer.values for answer in runtime.predict(batch_of(rows, reader))}


@lru_cache(maxsize=2)
def _loaded(graph: bytes, columns: tuple[DatasetColumn, ...]) -> tuple[loader.ModelRuntime, Reader]:
    signature = signature_of(columns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Format.ONNX.value
        path.write_bytes(graph)
        runtime = loader.load(Bundle(payload=path, format=Format.ONNX, signature=signature), threads=1)
    return runtime, serving.reader(signature)
