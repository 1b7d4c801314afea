"""Three models on the same rows: a pipeline, a forest, and boosting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import joblib  # type: ignore[import-untyped]
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from viridian.training.holdout import holdout_of
from viridian.training.packing import pack
from viridian.training.reference import Learnt, reference
from viridian.training.scores import predict

ESTIMATORS: Final[Mapping[str, Any]] = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "forest": RandomForestClassifier(n_estimators=100, max_depth=12, random_state=1),
    "boosting": HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=1),
}


@dataclass(frozen=True)
class Model:
    """One fitted model."""

    name: str
    joblib: Path
    """What all others serve."""
    bundle: Path
    """What Viridian serves, with its reference profile."""
    payload: str
    """`onnx`, or `skops` where ONNX cannot express the estimator."""
    reason: str
    rows: list[list[float]]
    """Rows to ask about."""
    labels: list[int]
    """What the estimator itself says about them."""


def fitted(name: str, folder: Path) -> Model:
    """The model, fitted and written into this folder."""
    features, target = load_breast_cancer(return_X_y=True)
    seen, unseen, seen_target, unseen_target = train_test_split(features, target, random_state=1)
    model = ESTIMATORS[name].fit(seen, seen_target)
    joblib.dump(model, folder / "model.joblib")
    holdout, learnt = holdout_of(unseen, unseen_target), holdout_of(seen, seen_target)
    packed = pack(
        folder / "bundle",
        model,
        holdout,
        predict(model, unseen),
        lambda answered: reference(model, Learnt(learnt.rows, learnt.target), holdout, answered),
        learnt.rows,
    )
    labels = model.predict(unseen).tolist()
    return Model(
        name=name,
        joblib=folder / "model.joblib",
        bundle=packed.directory,
        payload=packed.payload,
        reason=packed.reason,
        rows=unseen.tolist(),
        labels=labels,
    )
