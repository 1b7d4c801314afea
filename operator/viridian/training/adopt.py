"""A stage after the training: bundles the scikit-learn model that a script has logged to the run.

    python -m viridian.training.adopt

The script needs `mlflow.sklearn.log_model(model, name="model", serialization_format="skops")` and nothing of Viridian.
With a table of rows that the model has not seen (`mlflow.log_table(rows, "holdout.json")`, or a data set whose context
is `holdout`) the model is judged, converted to ONNX and given a reference profile, as by `training.log`. Without one it
is sealed and signed as it is.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from viridian.api.registry import TAG_DIGEST, TAG_MODEL_URI
from viridian.api.stage import StageReport
from viridian.serving.bundle import contents as served_bundle
from viridian.serving.bundle.contents import Bundle, Format
from viridian.serving.bundle.signature import ColumnKind, Table
from viridian.serving.errors import ServingError
from viridian.serving.execution import model as serving
from viridian.serving.runtimes.sklearn_runtime import load_estimator
from viridian.training import bundle, stage_exit, tracking
from viridian.training.log_call import TAG_PAYLOAD, TAG_PAYLOAD_REASON, log, logged_model_name
from viridian.training.mlflow_run_contents import holdout_table, newest_model, read_table
from viridian.training.rows import rows_of
from viridian.training.stage_exit import CandidateFailed

NO_HOLDOUT = 'no holdout to compare answers on: log one with mlflow.log_table(rows, "holdout.json")'


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m viridian.training.adopt", description=__doc__)
    parser.add_argument("--run", default=os.environ.get("MLFLOW_RUN_ID", ""), help="MLflow run [MLFLOW_RUN_ID]")
    parser.add_argument(
        "--target",
        default=os.environ.get("VIRIDIAN_TARGET", ""),
        help="column of the holdout that is predicted; the only one that is no feature, if left out [VIRIDIAN_TARGET]",
    )
    given = parser.parse_args(arguments)
    if not given.run:
        parser.error("--run: which MLflow run?")
    print(adopt(given.run, given.target))  # noqa: T201 - it is what the command is for


def adopt(run_id: str, target: str = "") -> str:
    """The run's newest logged model is in MLflow once more, as a bundle; one sentence about it."""
    left = newest_model(run_id)
    if left.bundled:
        return f"{left.uri} is a bundle already"
    with tempfile.TemporaryDirectory() as scratch:
        directory = left.download(Path(scratch) / "model")
        try:
            found = served_bundle.read(directory)
            if found.format is not Format.SKOPS:
                raise CandidateFailed(f"{left.uri} is no scikit-learn model: only those are bundled")
            estimator = load_estimator(found)
        except ServingError as error:
            raise CandidateFailed(f"{left.uri} cannot be bundled: {error}") from error
        table = holdout_table(run_id, Path(scratch))
        if table is None:
            return _sealed(run_id, directory)
        return _judged(run_id, estimator, found, table, target)


def _judged(run_id: str, estimator: Any, found: Bundle, table: pd.DataFrame, target: str) -> str:
    names = _features(estimator, found)
    truth = target or _target(table, names)
    missing = [name for name in (*(names or ()), truth) if name not in table.columns]
    if missing:
        raise CandidateFailed(f"the holdout has no column {missing[0]!r}")
    frame = _typed(table[names if names is not None else [name for name in table.columns if name != truth]], found)
    fitted_on_names = getattr(estimator, "feature_names_in_", None) is not None
    os.environ["MLFLOW_RUN_ID"] = run_id
    logged = log(
        estimator,
        (frame if fitted_on_names else frame.to_numpy(), table[truth].to_numpy()),
        feature_names=list(frame.columns),
    )
    return f"{logged.model_uri} as {logged.payload}: {logged.digest}"


def _features(estimator: Any, found: Bundle) -> list[str] | None:
    """The names of the columns, where they have names."""
    if isinstance(found.signature, Table):
        return [column.name for column in found.signature.columns]
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _target(table: pd.DataFrame, names: list[str] | None) -> str:
    others = [str(name) for name in table.columns if name not in (names or ())]
    if len(others) == 1:
        return others[0]
    shown = ", ".join(map(repr, others[:5])) or "none"
    raise CandidateFailed(
        f"which column of the holdout is the target? Say it by VIRIDIAN_TARGET; no features are: {shown}"
    )


def _typed(frame: pd.DataFrame, found: Bundle) -> pd.DataFrame:
    """The columns with the types of the signature: a text file does not distinguish 5 from 5.0."""
    if not isinstance(found.signature, Table):
        return frame
    kinds = {
        column.name: {"FP32": "float32", "BOOL": "bool", "BYTES": "str"}.get(column.datatype, "float64")
        for column in found.signature.columns
        if column.kind is not ColumnKind.INTEGER
        and not (column.kind is ColumnKind.BOOLEAN and frame[column.name].isna().any())
    }
    return frame.astype(kinds)


def _sealed(run_id: str, directory: Path) -> str:
    """The model as it was logged, with a signature of its columns, sealed and, where there is a key, signed."""
    _describe(directory)
    try:
        serving.load(directory, "adopted", "", threads=1)
    except ServingError as error:
        raise CandidateFailed(f"no server would run it as it is: {error}") from error
    digest = bundle.seal(directory, run=run_id)
    tags = {TAG_DIGEST: digest, TAG_PAYLOAD: Format.SKOPS.name.lower()}
    uri = tracking.log_model(run_id, directory, logged_model_name(), tags)
    tracking.log_values(run_id, {}, {}, {**tags, TAG_MODEL_URI: uri, TAG_PAYLOAD_REASON: NO_HOLDOUT})
    stage_exit.write(StageReport(model_uri=uri, model_digest=digest))
    sys.stderr.write(f"{NO_HOLDOUT}\n")
    return f"{uri} as skops: {digest}"


def _describe(directory: Path) -> None:
    """MLmodel says why it is skops, and the types of the columns where only the input example shows them."""
    path = directory / "MLmodel"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    example = directory / bundle.EXAMPLE
    if not document.get("signature") and example.is_file():
        columns = rows_of(read_table(example)).columns
        document["signature"] = {"inputs": bundle.signature_inputs(columns), "outputs": None, "params": None}
    facts = {"payload": Format.SKOPS.name.lower(), "reason": NO_HOLDOUT}
    document["metadata"] = {**(document.get("metadata") or {}), "viridian": facts}
    path.write_text(yaml.safe_dump(document, sort_keys=True))


if __name__ == "__main__":
    main()
