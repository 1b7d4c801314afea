"""How good predictions are on the holdout: the same numbers for the challenger and for the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.base import is_classifier, is_regressor

from viridian.api.performance import PerformanceMetric
from viridian.api.profile import Task
from viridian.training.stage_exit import DataNotGoodEnough


@dataclass(frozen=True, slots=True)
class Predicted:
    """Labels with the probability of each class in the order of the sorted classes, or numbers without."""

    values: NDArray[Any]
    probabilities: NDArray[np.float64] | None = None


def predict(model: Any, features: Any) -> Predicted:
    """What the fitted estimator itself says."""
    probabilities = model.predict_proba(features) if hasattr(model, "predict_proba") else None
    return Predicted(np.asarray(model.predict(features)).ravel(), probabilities)


def classifies(model: Any) -> bool:
    """Whether it is a classifier; anything but a classifier or a regressor of scikit-learn is refused."""
    if hasattr(model, "__sklearn_tags__"):
        if is_classifier(model):
            return True
        if is_regressor(model):
            return False
    raise TypeError(f"{type(model).__name__} is neither a classifier nor a regressor of scikit-learn")


def scores(target: NDArray[Any], prediction: Predicted, *, classifier: bool) -> Mapping[str, float]:
    """`auc`, `accuracy` and `f1` of a classifier; `rmse` and `r2` of a regressor."""
    return classifier_scores(target, prediction) if classifier else regressor_scores(target, prediction)


def classifier_scores(target: NDArray[Any], prediction: Predicted) -> Mapping[str, float]:
    """With two classes the greater label is the positive one; with more, `auc` is one-vs-rest and `f1` is macro."""
    classes = np.unique(target)
    if len(classes) < 2:
        raise DataNotGoodEnough(f"every row of the holdout has the label {classes[0]!s}: nothing can be compared")
    binary = len(classes) == 2
    averaging = {"pos_label": classes[1]} if binary else {"average": "macro"}
    found = {
        "accuracy": float(metrics.accuracy_score(target, prediction.values)),
        "f1": float(metrics.f1_score(target, prediction.values, zero_division=0.0, **averaging)),
    }
    odds = prediction.probabilities
    if odds is None or odds.shape[1] != len(classes):
        return found
    if binary:
        return {"auc": float(metrics.roc_auc_score(target == classes[1], odds[:, 1])), **found}
    return {"auc": float(metrics.roc_auc_score(target, odds, multi_class="ovr", labels=classes)), **found}


def regressor_scores(target: NDArray[Any], prediction: Predicted) -> Mapping[str, float]:
    return {
        "rmse": float(metrics.root_mean_squared_error(target, prediction.values)),
        "r2": float(metrics.r2_score(target, prediction.values)),
    }


def performance(
    task: Task, classes: NDArray[Any] | None, target: NDArray[Any], prediction: Predicted
) -> Mapping[PerformanceMetric, float]:
    """Everything that monitors can compare live outcomes with. The gate looks at `scores` alone."""
    if task is Task.REGRESSION or classes is None:
        return _of_numbers(target.astype(np.float64), prediction.values.astype(np.float64))
    found = _of_labels(task, classes, target, prediction.values)
    if task is Task.BINARY and prediction.probabilities is not None:
        # Sums in 32 bits may end a little above 1.
        score = np.clip(prediction.probabilities[:, 1].astype(np.float64), 0.0, 1.0)
        found |= _of_scores(score, target == classes[1])
    return found


def _of_numbers(target: NDArray[np.float64], values: NDArray[np.float64]) -> dict[PerformanceMetric, float]:
    error = values - target
    return {
        PerformanceMetric.MAE: float(np.abs(error).mean()),
        PerformanceMetric.RMSE: float(np.sqrt((error * error).mean())),
        PerformanceMetric.BIAS: float(error.mean()),
        PerformanceMetric.R2: float(metrics.r2_score(target, values)),
    }


def _of_labels(
    task: Task, classes: NDArray[Any], target: NDArray[Any], labels: NDArray[Any]
) -> dict[PerformanceMetric, float]:
    averaging = {"pos_label": classes[1]} if task is Task.BINARY else {"average": "macro", "labels": classes}
    precision, recall, f1 = (
        float(score(target, labels, zero_division=0.0, **averaging))
        for score in (metrics.precision_score, metrics.recall_score, metrics.f1_score)
    )
    return {
        PerformanceMetric.ACCURACY: float(metrics.accuracy_score(target, labels)),
        PerformanceMetric.PRECISION: precision,
        PerformanceMetric.RECALL: recall,
        PerformanceMetric.F1: f1,
    }


def _of_scores(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> dict[PerformanceMetric, float]:
    return {
        PerformanceMetric.AUC: float(metrics.roc_auc_score(positive, scores)),
        PerformanceMetric.LOG_LOSS: float(metrics.log_loss(positive, scores, labels=[False, True])),
        PerformanceMetric.BRIER: float(((scores - positive) ** 2).mean()),
    }
