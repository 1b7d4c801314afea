"""`log`: judge, pack, record, report."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from viridian.api.registry import TAG_DIGEST, TAG_HOLDOUT, TAG_MODEL_URI
from viridian.training import bundle, outcome, tracking
from viridian.training.holdout import Holdout, holdout_of
from viridian.training.outcome import CandidateFailed, Report
from viridian.training.payload import NotExpressible, as_onnx, as_skops, difference
from viridian.training.scores import Prediction, classifies, predict, scores
from viridian.training.served import NotServed, Served

CHAMPION_PREFIX: Final = "champion."
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
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, Any] | None = None,
    feature_names: Sequence[str] | None = None,
) -> Logged:
    """The fitted model, judged on the holdout beside the champion, is in MLflow as something that can be served.

    `holdout` is (features, target): rows that the model has not seen. `metrics` are added to those computed here, or
    replace them. `feature_names` names the columns of a matrix; a data frame brings its own names.
    """
    rows = holdout_of(*holdout, names=feature_names if feature_names is not None else names_in(model))
    expected = predict(model, rows.features)
    classifier = classifies(model)
    champion, problem = champion_scores(rows, classifier=classifier)
    found = {**scores(rows.target, expected, classifier=classifier), **(metrics or {}), **champion}
    with tempfile.TemporaryDirectory() as scratch, tracking.current_run() as run_id:
        packed = pack(Path(scratch) / "bundle", model, rows, expected)
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
            TAG_CHAMPION_URI: os.environ.get("VIRIDIAN_CHAMPION_URI", ""),
            TAG_CHAMPION_PROBLEM: problem,
        }
        texts = {key: str(value) for key, value in (params or {}).items()}
        tracking.log_values(run_id, found, texts, {key: value for key, value in tags.items() if value})
    outcome.write(
        Report(
            metrics=found,
            holdout=rows.digest,
            model_uri=uri,
            model_digest=packed.digest,
            champion_problem=problem or None,
        )
    )
    return Logged(
        run_id=run_id, model_uri=uri, digest=packed.digest, payload=packed.payload, metrics=found, holdout=rows.digest
    )


@dataclass(frozen=True, slots=True)
class Packed:
    directory: Path
    digest: str
    payload: str
    reason: str


def pack(directory: Path, model: Any, rows: Holdout, expected: Prediction) -> Packed:
    """The bundle, as ONNX if the server's runtime then answers as the estimator does, else as skops."""
    onnx = directory / "onnx"
    facts = {"estimator": f"{type(model).__module__}.{type(model).__qualname__}"}
    try:
        digest = bundle.write(
            onnx, as_onnx(model, [column.name for column in rows.columns]), rows, {**facts, "parity": "passed"}
        )
        doubt = difference(expected, Served(onnx).predict(rows))
    except (NotExpressible, NotServed) as error:
        doubt = outcome.shortened(str(error))
    if doubt is None:
        return Packed(onnx, digest, "onnx", "")
    reason = f"not as ONNX: {doubt}"
    skops = directory / "skops"
    digest = bundle.write(skops, as_skops(model), rows, {**facts, "reason": reason})
    try:
        doubt = difference(expected, Served(skops).predict(rows))
    except NotServed as error:
        raise CandidateFailed(f"no server would load it: {error}; {reason}") from error
    if doubt is not None:
        raise CandidateFailed(f"a server would answer otherwise: {doubt}; {reason}")
    return Packed(skops, digest, "skops", reason)


def champion_scores(rows: Holdout, *, classifier: bool) -> tuple[Mapping[str, float], str]:
    """The champion's numbers on the same rows, or why there are none. No champion is no problem."""
    uri = os.environ.get("VIRIDIAN_CHAMPION_URI", "")
    if not uri:
        return {}, ""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            prediction = Served(tracking.download(uri, Path(scratch))).predict(rows)
        found = scores(rows.target, prediction, classifier=classifier)
    except Exception as error:
        # Whatever is wrong with the old model must not lose the new one; the gate says what a missing number means.
        problem = outcome.shortened(f"the champion {uri} could not be judged: {error or type(error).__name__}")
        sys.stderr.write(f"{problem}\n")
        return {}, problem
    return {f"{CHAMPION_PREFIX}{name}": value for name, value in found.items()}, ""


def names_in(model: Any) -> Sequence[str] | None:
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def logged_model_name() -> str:
    """The name of the model that the run is for, without the characters that MLflow keeps for itself."""
    return re.sub(r"[/:.%\"']", "-", os.environ.get("VIRIDIAN_MODEL_NAME", "")) or "model"
