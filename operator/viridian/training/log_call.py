"""`log`: judge, pack, record, report."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from onnx import ModelProto

from viridian.api.address import shown
from viridian.api.evaluation import EVALUATION_ARTIFACT
from viridian.api.lineage import CODE_REVISION_VARIABLE
from viridian.api.registry import TAG_CODE, TAG_DIGEST, TAG_EVALUATION, TAG_HOLDOUT, TAG_MODEL_URI
from viridian.api.stage import StageReport
from viridian.training import onnx_estimator, stage_exit, tracking
from viridian.training.boosting_libraries import as_estimator
from viridian.training.holdout import Holdout, holdout_of
from viridian.training.judged_champion import champion_on, evaluation_asked_for
from viridian.training.own_parameters import own_parameters
from viridian.training.packing import pack
from viridian.training.reference import Learnt, reference
from viridian.training.scores import classifies, predict, scores

TAG_PAYLOAD: Final = "viridian.payload"
TAG_PAYLOAD_REASON: Final = "viridian.payload-reason"
TAG_CHAMPION_URI: Final = "viridian.champion-uri"
TAG_CHAMPION_PROBLEM: Final = "viridian.champion-problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What was recorded about the model."""

    run_id: str
    model_uri: str
    """`models:/m-…`: what `mlflow.register_model` and a RetrainPolicy register."""
    digest: str
    payload: str
    """`onnx` or `skops`."""
    metrics: Mapping[str, float]
    """With those of the champion as `champion.…`."""
    holdout: str


def log(
    model: Any,
    holdout: tuple[Any, Any],
    *,
    training: tuple[Any, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, Any] | None = None,
    feature_names: Sequence[str] | None = None,
) -> Logged:
    """The fitted model, judged on the holdout beside the champion, is in MLflow as something that can be served.

    `holdout` is (features, target): rows that the model has not seen. `training` are those that it was fitted on, which
    the reference profile is made of; without them it is made of the holdout. `metrics` are added to those computed
    here, or replace them. `params` are logged as they are; without them, and where the run has none, the estimator's
    own ones are. `feature_names` names the columns of a matrix; a data frame brings its own names.

    `model` is an estimator of scikit-learn's kind, a Booster of XGBoost, or an ONNX graph.
    """
    model = as_estimator(model)
    names = feature_names if feature_names is not None else names_in(model)
    rows, learnt = together(holdout_of(*holdout, names=names), training, names)
    if isinstance(model, ModelProto):
        model = onnx_estimator.as_estimator(model, rows.rows)
    classifier = classifies(model)
    expected = predict(model, rows.features)
    champion = champion_on(rows, classifier=classifier)
    evaluation = evaluation_asked_for(rows, expected, champion, classifier=classifier, but=metrics or {})
    found = {**scores(rows.target, expected, classifier=classifier), **(metrics or {}), **champion.metrics}
    with tempfile.TemporaryDirectory() as scratch, tracking.current_run() as run_id:
        packed = pack(
            Path(scratch),
            model,
            rows,
            expected,
            lambda answered: reference(model, learnt, rows, answered),
            learnt.rows,
        )
        name = logged_model_name()
        uri = tracking.log_model(
            run_id, packed.directory, name, {TAG_DIGEST: packed.digest, TAG_PAYLOAD: packed.payload}
        )
        tags = {
            TAG_DIGEST: packed.digest,
            TAG_HOLDOUT: rows.digest,
            TAG_MODEL_URI: uri,
            TAG_PAYLOAD: packed.payload,
            TAG_PAYLOAD_REASON: packed.reason,
            TAG_CHAMPION_URI: shown(os.environ.get("VIRIDIAN_CHAMPION_URI", "")),
            TAG_CHAMPION_PROBLEM: champion.problem,
            TAG_EVALUATION: evaluation.rendered() if evaluation else "",
            TAG_CODE: os.environ.get(CODE_REVISION_VARIABLE, ""),
        }
        given = _parameters(run_id, model) if params is None else {key: str(value) for key, value in params.items()}
        tracking.log_values(run_id, found, given, {key: value for key, value in tags.items() if value})
        if evaluation is not None:
            tracking.log_document(run_id, EVALUATION_ARTIFACT, evaluation.document())
    stage_exit.write(
        StageReport(
            metrics=found,
            holdout=rows.digest,
            model_uri=uri,
            model_digest=packed.digest,
            champion_problem=champion.problem,
            evaluation=evaluation,
        )
    )
    return Logged(
        run_id=run_id, model_uri=uri, digest=packed.digest, payload=packed.payload, metrics=found, holdout=rows.digest
    )


def _parameters(run_id: str, model: Any) -> dict[str, str]:
    """What is logged where the call names no parameters: a run keeps those that it has, from the script or from an
    earlier attempt, since MLflow refuses other values."""
    return {} if tracking.has_parameters(run_id) else own_parameters(model)


def together(holdout: Holdout, training: tuple[Any, Any] | None, names: Sequence[str] | None) -> tuple[Holdout, Learnt]:
    """The holdout and what the model was fitted on, under columns that fit both."""
    if training is None:
        return holdout, Learnt(holdout.rows, holdout.target)
    learnt = holdout_of(*training, names=names)
    rows = holdout.rows.as_in(learnt.rows)
    return replace(holdout, rows=rows), Learnt(learnt.rows, learnt.target)


def names_in(model: Any) -> Sequence[str] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def logged_model_name() -> str:
    """The name of the model that the run is for, without the characters that MLflow keeps for itself."""
    return re.sub(r"[/:.%\"']", "-", os.environ.get("VIRIDIAN_MODEL_NAME", "")) or "model"
