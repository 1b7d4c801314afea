"""Models in skops, run by scikit-learn: for estimators that ONNX cannot express.

The list of types that may be built is ours. MLflow lets each version carry its own list; that list is not even read.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import sklearn
import skops
import skops.io
from sklearn.base import is_classifier
from sklearn.exceptions import InconsistentVersionWarning

from viridian.api.rejections import ModelRejection
from viridian.serving import json_sizes
from viridian.serving.bundle.contents import Bundle, unreadable
from viridian.serving.bundle.signature import Column, ColumnKind, Matrix, Signature, Table
from viridian.serving.data.batch import Batch
from viridian.serving.data.outputs import LABEL, PREDICTION, PROBABILITIES, Output, probabilities
from viridian.serving.errors import BadInput, BundleRefused, Rejection
from viridian.serving.runtimes.trees import check_trees, parts

# Keyed by the minor version of scikit-learn, because private module names move between them. skops itself trusts
# scikit-learn's estimators; these are what it leaves to us, each needed by an estimator that tests dump and load.
TRUSTED: Final = {
    "1.9": (
        # Boosted trees keep `partial(check_array, …)` for columns of categories. Any other function inside a partial is
        # still one that is not trusted.
        "functools.partial",
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils.validation.check_array",
    )
}
_SCHEMA: Final = "schema.json"
MAX_SCHEMA_BYTES: Final = 32 * 1024 * 1024
MAX_OBJECTS: Final = 2_000_000
MAX_RATIO: Final = 100
# Classifiers whose label is the most probable class, so that one pass gives both. Of others, such as those with a
# tuned threshold, the label is asked for separately.
_MOST_PROBABLE: Final = frozenset(
    {
        "DecisionTreeClassifier",
        "ExtraTreesClassifier",
        "GaussianNB",
        "GradientBoostingClassifier",
        "HistGradientBoostingClassifier",
        "LogisticRegression",
        "RandomForestClassifier",
    }
)
_NAMES_ARE_CHECKED: Final = "X does not have valid feature names"


# What scikit-learn says about values that an estimator does not take. It may quote them, so that other words are sent.
_LOAD_ERRORS: Final = (
    (("Found unknown categories",), Rejection.UNKNOWN_VALUE, "a category that the model does not know"),
    (("contains NaN",), Rejection.MISSING_VALUE, "null, or a number of which the model makes NaN, where it takes none"),
    (("contains infinity", "too large for dtype"), Rejection.OUT_OF_RANGE, "a number that is too large for the model"),
    (
        ("Negative values in data", "strictly positive data"),
        Rejection.OUT_OF_RANGE,
        "a number below what the model takes",
    ),
)


class SklearnModel:
    """An estimator with `predict`, and `predict_proba` where it classifies."""

    platform = "sklearn_skops"

    def __init__(self, bundle: Bundle) -> None:
        # Order and names of columns were checked against the signature; the matrix carries none, on purpose.
        warnings.filterwarnings("ignore", message=_NAMES_ARE_CHECKED)
        self._estimator = load_estimator(bundle)
        _use_one_thread(self._estimator)
        self.signature: Signature = bundle.signature or _signature(self._estimator)
        _check_columns(self.signature, self._estimator)
        self._input = _input(self.signature, self._estimator, bundle.none)
        self._probabilistic = hasattr(self._estimator, "predict_proba")
        self._label = LABEL if is_classifier(self._estimator) else PREDICTION
        self._once = self._probabilistic and type(_last(self._estimator)).__name__ in _MOST_PROBABLE

    def predict(self, batch: Batch) -> Sequence[Output]:
        """Label and probabilities of a classifier; the prediction of anything else.

        BadInput where scikit-learn itself calls the values wrong: they are, and nothing is wrong with the model.
        """
        try:
            return self._predict(batch)
        except ValueError as error:
            refused = refusal(error)
            if refused is None:
                raise
            raise refused from error

    def _predict(self, batch: Batch) -> Sequence[Output]:
        rows = self._input(batch)
        if not self._probabilistic:
            return [Output(self._label, np.asarray(self._estimator.predict(rows)))]
        odds = probabilities(np.asarray(self._estimator.predict_proba(rows)))
        if self._once:
            labels = self._estimator.classes_[odds.argmax(axis=1)]
        else:
            labels = np.asarray(self._estimator.predict(rows))
        return [Output(self._label, labels), Output(PROBABILITIES, odds)]


def refusal(error: ValueError) -> BadInput | None:
    """What is wrong with the request, where the error is about the request; None for any other."""
    text = str(error)
    for failures, reason, words in _LOAD_ERRORS:
        if any(failure in text for failure in failures):
            return BadInput(reason, "", f"a row has {words}")
    return None


def load_estimator(bundle: Bundle) -> Any:
    """The estimator itself: of our own version, of types that are trusted, and without trees that lead astray."""
    check_version(bundle.sklearn_version)
    estimator = _load(bundle)
    check_trees(estimator)
    return estimator


def check_version(written_by: str | None) -> None:
    """A skops file is tied to the minor version of scikit-learn that wrote it."""
    ours = _minor(sklearn.__version__)
    if written_by is not None and _minor(written_by) != ours:
        raise BundleRefused(
            f"the model was written by scikit-learn {written_by}, and this server runs {sklearn.__version__}: "
            "train it again with that minor version, or serve it as ONNX",
            ModelRejection.OTHER_SKLEARN,
        )
    if ours not in TRUSTED:
        raise BundleRefused(f"no list of trusted types is known for scikit-learn {ours}", ModelRejection.OTHER_SKLEARN)


def _load(bundle: Bundle) -> Any:
    path = bundle.payload
    if not zipfile.is_zipfile(path):
        raise unreadable(path, "is no skops file")
    _check_sizes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return skops.io.load(path, trusted=list(TRUSTED[_minor(sklearn.__version__)]))
    except skops.io.exceptions.UntrustedTypesFoundException as error:
        found = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED[_minor(sklearn.__version__)]))
        raise BundleRefused(
            f"{path.name} builds types that are not trusted: {', '.join(found[:5])}", ModelRejection.UNTRUSTED_TYPE
        ) from error
    except InconsistentVersionWarning as error:
        check_version(str(error.original_sklearn_version))
        raise BundleRefused(f"{path.name} was written by another scikit-learn", ModelRejection.OTHER_SKLEARN) from error
    except Exception as error:
        raise unreadable(path, f"cannot be loaded by skops {skops.__version__}: {type(error).__name__}") from error


def _check_sizes(path: Path) -> None:
    """What unpacks to far more than it is, and a description of more objects than any estimator has, is not opened."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > path.stat().st_size * MAX_RATIO + MAX_SCHEMA_BYTES:
                raise BundleRefused(
                    f"{path.name} unpacks to more than {MAX_RATIO} times its size", ModelRejection.MALFORMED
                )
            schema = archive.getinfo(_SCHEMA)
            if schema.file_size > MAX_SCHEMA_BYTES:
                raise BundleRefused(
                    f"{_SCHEMA} in {path.name} has more than {MAX_SCHEMA_BYTES} bytes", ModelRejection.MALFORMED
                )
            if json_sizes.structures(archive.read(schema)) > MAX_OBJECTS:
                raise BundleRefused(f"{path.name} describes more than {MAX_OBJECTS} objects", ModelRejection.MALFORMED)
    except BundleRefused:
        raise
    except Exception as error:
        # zipfile and zlib raise many types for what is no archive.
        raise unreadable(path, f"cannot be opened: {type(error).__name__}") from error


def _signature(estimator: Any) -> Signature:
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return Table(tuple(Column(str(name), ColumnKind.FLOAT, "FP64") for name in names))
    width = getattr(estimator, "n_features_in_", None)
    return Matrix(int(width) if width else None)


def _check_columns(signature: Signature, estimator: Any) -> None:
    """The estimator was fitted on the signature's columns, in its order."""
    if isinstance(signature, Matrix):
        return
    names = getattr(estimator, "feature_names_in_", None)
    if names is None and not signature.numeric:
        raise BundleRefused(
            "the signature has columns that are no numbers, but the estimator was fitted on a matrix: "
            "fit it on a data frame"
        )
    if names is not None and [str(name) for name in names] != [column.name for column in signature.columns]:
        raise BundleRefused("the signature's columns are not those that the estimator was fitted on, in that order")


def _input(signature: Signature, estimator: Any, none: frozenset[str]) -> Callable[[Batch], Any]:
    """How a batch becomes what the estimator was fitted on: a matrix, or a table where columns are chosen by name.

    A table costs some hundred microseconds, so numbers go as a matrix wherever the estimator does not mind.
    """
    by_name = any(type(part).__name__ == "ColumnTransformer" for part in parts(estimator))
    if isinstance(signature, Matrix) or (signature.numeric and not by_name):
        return lambda batch: batch.matrix
    from viridian.serving.data import dataframe

    return dataframe.maker(signature.columns, none)


def _last(estimator: Any) -> Any:
    """The estimator at the end of a pipeline, or the estimator itself."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _use_one_thread(estimator: Any) -> None:
    """Estimators that were trained with n_jobs=-1 would start a pool of threads for every request."""
    for part in parts(estimator):
        if "n_jobs" in getattr(part, "__dict__", {}):
            part.n_jobs = None


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
