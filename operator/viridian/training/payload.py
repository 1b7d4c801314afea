"""The fitted estimator as a file that can be served: ONNX where the conversion keeps its answers, else skops."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import sklearn
import skops.io
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.tree._tree import Tree

from viridian.serving.bundle.contents import Format
from viridian.serving.runtimes.trees import parts
from viridian.training import boosted_trees, boosting_libraries, ensemble_graph, imputed_gaps, split_nodes
from viridian.training.not_expressible import NotExpressible
from viridian.training.rows import DatasetColumn
from viridian.training.scores import classifies

MAX_ERROR_CHARACTERS: Final = 160
GRAPH_NAME: Final = "model"
"""A constant: the converter's default is random, and then the same model would get another digest each time."""

boosted_trees.register()
split_nodes.register()
imputed_gaps.register()


@dataclass(frozen=True, slots=True)
class Payload:
    format: Format
    content: bytes
    flavors: Mapping[str, Any]
    """What MLmodel says about it, so that MLflow's own loaders find it too."""
    facts: Mapping[str, str]


def as_onnx(model: Any, columns: Sequence[DatasetColumn], number: type = FloatTensorType) -> Payload:
    """The estimator as an ONNX graph that takes these columns: as one matrix, or column by column.

    Numbers go in 32 bits, or in the 64 of DoubleTensorType, which costs time and keeps what rounding would spoil.
    """
    if classifies(model) and not hasattr(model, "predict_proba"):
        raise NotExpressible("the classifier gives no probabilities")
    boosting_libraries.register()
    library = boosting_libraries.library_of(model)
    for column in columns:
        # In a column of categories a gap is one value that is not known, and so is the empty text that stands for it.
        if column.type == "string" and not column.required and library is None:
            raise NotExpressible(f"column {column.name!r} is text with gaps, and text has no gaps there")
    if number is DoubleTensorType and endless(model):
        raise NotExpressible("a tree that splits gaps from numbers has infinite thresholds")
    options = {id(model): {"zipmap": False}} if classifies(model) else None
    try:
        with warnings.catch_warnings():
            # What it warns of is measured afterwards.
            warnings.simplefilter("ignore")
            graph = to_onnx(model, initial_types=inputs(model, columns, number), options=options, name=GRAPH_NAME)
        ensemble_graph.finish(graph)
    except NotExpressible:
        raise
    except Exception as error:
        # The converter raises whatever its parts raise; each of them means that there is no graph.
        raise NotExpressible(f"{type(error).__name__}: {unquoted(error)}") from error
    if any(node.op_type == "StringNormalizer" for node in graph.graph.node):
        raise NotExpressible("how its graph makes text lower case depends on the locales of each computer")
    if number is DoubleTensorType:
        split_nodes.round_before_trees(graph)
    return onnx_payload(graph)


def onnx_payload(graph: onnx.ModelProto) -> Payload:
    """A graph as it is."""
    name = Format.ONNX.value
    return Payload(
        Format.ONNX,
        graph.SerializeToString(),
        {
            "onnx": {"data": name, "onnx_version": onnx.__version__, "providers": ["CPUExecutionProvider"]},
            "python_function": {"loader_module": "mlflow.onnx", "data": name},
        },
        {"opset": ",".join(f"{domain.domain or 'ai.onnx'}:{domain.version}" for domain in graph.opset_import)},
    )


def numbers(model: Any) -> tuple[type, ...]:
    """The types of numbers to try, in their order. Some boosted trees compare with thresholds of 64 bits."""
    library = boosting_libraries.library_of(model)
    wide = boosted_trees.contained_in(model) or (library is not None and library.doubles)
    return (DoubleTensorType,) if wide else (FloatTensorType, DoubleTensorType)


def unquoted(error: Exception) -> str:
    """What it says, up to where it may quote numbers or categories of the model."""
    return re.split(r"[\[{]", str(error), maxsplit=1)[0].strip()[:MAX_ERROR_CHARACTERS]


def endless(model: Any) -> bool:
    """A tree has a threshold that is not finite: with numbers of 64 bits, the converter never ends looking for it."""
    return any(isinstance(part, Tree) and not np.isfinite(part.threshold).all() for part in parts(model))


def inputs(model: Any, columns: Sequence[DatasetColumn], number: type) -> list[tuple[str, Any]]:
    """What the graph takes. Estimators that choose columns by name get each of them, others get a matrix.

    Flags go as 0 and 1: the converter knows few things that take flags.
    """
    names = [column.name for column in columns]
    if all(column.type != "string" for column in columns) and not chooses_by_name(model):
        return [(input_name(names), number([None, len(names)]))]
    kinds = {True: StringTensorType, False: number}
    return [(column.name, kinds[column.type == "string"]([None, 1])) for column in columns]


def chooses_by_name(model: Any) -> bool:
    """Whether some part takes a table; boosted trees keep such a part for themselves, and take a matrix."""
    own = [getattr(part, "_preprocessor", None) for part in parts(model)]
    return any(type(part).__name__ == "ColumnTransformer" and part not in own for part in parts(model))


def input_name(names: Sequence[str]) -> str:
    """A matrix has a name of its own; a lone column goes by the column's, as a graph of columns does."""
    return "input" if len(names) != 1 else re.sub(r"\W", "_", names[0])


def as_skops(model: Any) -> Payload:
    """The estimator as skops writes it, tied to this minor version of scikit-learn."""
    name = Format.SKOPS.value
    version = sklearn.__version__
    content = skops.io.dumps(model)
    return Payload(
        Format.SKOPS,
        content,
        {
            "sklearn": {
                "pickled_model": name,
                "serialization_format": "skops",
                "sklearn_version": version,
                # For MLflow's own loader, which believes it. The model server goes by a list of its own.
                "skops_trusted_types": skops.io.get_untrusted_types(data=content),
            },
            "python_function": {"loader_module": "mlflow.sklearn", "model_path": name, "predict_fn": "predict"},
        },
        {"sklearn": version},
    )
