"""`viridian/profile.json`: what a model was trained on, and how it did on its holdout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viridian.api.privacy import plain
from viridian.api.profile import MAX_FEATURES, Profile, ReferenceProfile, Sketch, Task
from viridian.training import profile
from viridian.training.holdout import Holdout
from viridian.training.rows import Rows
from viridian.training.scores import Predicted, performance

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Learnt:
    """The rows that the model was fitted on."""

    rows: Rows
    target: NDArray[Any]


def reference(model: Any, learnt: Learnt, holdout: Holdout, prediction: Predicted) -> ReferenceProfile | None:
    """The profile of a fitted model, from the rows it has seen and its answers to rows that it has not.

    The answers are the server's, with its rounding: they are what live ones are compared with.

    None of a model with more features than a profile holds.
    """
    if len(learnt.rows.columns) > MAX_FEATURES:
        return None
    classes = getattr(model, "classes_", None)
    task = _task(classes, prediction)
    names = tuple(plain(name) for name in classes.tolist()) if classes is not None else ()
    threshold = _threshold(model)
    score = prediction.probabilities[:, 1] if prediction.probabilities is not None and task is Task.BINARY else None
    measured = performance(task, classes, holdout.target, prediction)
    scored = profile.scores(score.astype(np.float64), threshold) if score is not None else None
    return ReferenceProfile(
        task=task,
        classes=names,
        threshold=threshold,
        profile=Profile(
            features=profile.sketches((name, learnt.rows.values[name]) for name in learnt.rows.names),
            prediction=scored or _sketch(prediction.values, names),
            rows=len(holdout.target),
            sampled=len(learnt.rows),
        ),
        label=_sketch(learnt.target, names),
        metrics={str(name): value for name, value in measured.items()},
        holdout_rows=len(holdout.target),
        calibration=profile.calibration(score, holdout.target == classes[1], scored.edges)
        if score is not None and classes is not None and scored is not None
        else None,
    )


def _task(classes: NDArray[Any] | None, prediction: Predicted) -> Task:
    """Two classes without probabilities have no score, and are profiled like any number of classes."""
    if classes is None:
        return Task.REGRESSION
    binary = len(classes) == 2 and prediction.probabilities is not None
    return Task.BINARY if binary else Task.MULTICLASS


def _threshold(model: Any) -> float:
    """The score above which the estimator itself says positive; scikit-learn can tune it or take it as a parameter."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    chosen = getattr(last, "best_threshold_", getattr(last, "threshold", DEFAULT_THRESHOLD))
    by_score = getattr(last, "response_method", "auto") in ("auto", "predict_proba")
    return float(chosen) if by_score and isinstance(chosen, float) else DEFAULT_THRESHOLD


def _sketch(values: NDArray[Any], classes: tuple[str, ...]) -> Sketch:
    """Classes are named all of them: they are outputs of the model, not data about a person."""
    return profile.categories(values, classes) if classes else profile.numbers(values.astype(np.float64))
