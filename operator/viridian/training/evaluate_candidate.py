"""The built-in evaluation: candidate and champion on the same rows, whatever script has trained them.

    python -m viridian.training.evaluate_candidate

The candidate is the newest model of the MLflow run, the champion the version that VIRIDIAN_CHAMPION_URI names. Both are
loaded by the model server's own rules. The holdout (VIRIDIAN_HOLDOUT: uri and label) is a Parquet or CSV file; a model
gets the columns that its signature names. What is found is reported, and logged to the run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from viridian.api.address import Address, shown
from viridian.api.evaluation import (
    EVALUATION_ARTIFACT,
    HOLDOUT_VARIABLE,
    MEASURED,
    HoldoutEvaluation,
    MetricComparison,
)
from viridian.api.metric_names import LATENCY_P95, SIZE_BYTES
from viridian.api.registry import TAG_EVALUATION, TAG_HOLDOUT
from viridian.api.run_stages import EvaluatedHoldout
from viridian.api.stage import MAX_REPORT_BYTES, StageReport
from viridian.api.texts import one_line
from viridian.training import isolated_call, stage_exit, tracking, web
from viridian.training.holdout import Holdout, holdout_of
from viridian.training.judged_champion import JudgedChampion, champion_on, evaluation_beside
from viridian.training.log_call import TAG_CHAMPION_PROBLEM, TAG_CHAMPION_URI
from viridian.training.mlflow_run_contents import newest_model, read_table
from viridian.training.scores import scores
from viridian.training.served_answers import ServedAnswers, served_answers
from viridian.training.served_model import NotServed
from viridian.training.stage_exit import CandidateFailed, DataNotGoodEnough
from viridian.training.time_limits import seconds_for


class NotEvaluated(Exception):
    """The holdout cannot be used; the message is one sentence for people."""


def main(arguments: list[str] | None = None) -> int:
    """The exit code of the stage."""
    parser = argparse.ArgumentParser(prog="python -m viridian.training.evaluate_candidate", description=__doc__)
    parser.add_argument("--run", default=os.environ.get("MLFLOW_RUN_ID", ""), help="MLflow run [MLFLOW_RUN_ID]")
    parser.add_argument("--holdout", default="", help=f"where the rows are [uri of {HOLDOUT_VARIABLE}]")
    parser.add_argument("--label", default="", help=f"column of the true outcome [label of {HOLDOUT_VARIABLE}]")
    given = parser.parse_args(arguments)
    try:
        evaluation = evaluate(given.run, _asked(given.holdout, given.label))
    except NotEvaluated as error:
        stage_exit.write(StageReport(failures=(str(error),)))
        sys.stderr.write(f"{one_line(str(error), MAX_REPORT_BYTES)}\n")
        return 1
    sys.stderr.write(f"{evaluation.rows:,} rows compared: {', '.join(evaluation.metrics)}\n")
    return 0


def evaluate(run_id: str, asked: EvaluatedHoldout) -> HoldoutEvaluation:
    """The evaluation, reported and logged to the run."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = _read(asked, Path(scratch))
        candidate = _candidate(run_id, rows, Path(scratch))
    rows = replace(rows, target=comparable(rows.target, candidate.predicted.values))
    champion = champion_on(rows, classifier=candidate.classifier, timed=True)
    beside = champion.answers.predicted if champion.answers else None
    found = evaluation_beside(rows, candidate.predicted, beside, classifier=candidate.classifier)
    evaluation = replace(found, metrics={**found.metrics, **_costs(candidate, champion)})
    values = {**scores(rows.target, candidate.predicted, classifier=candidate.classifier), **champion.metrics}
    tags = {
        TAG_HOLDOUT: rows.digest,
        TAG_EVALUATION: evaluation.rendered(),
        TAG_CHAMPION_URI: shown(os.environ.get("VIRIDIAN_CHAMPION_URI", "")),
        TAG_CHAMPION_PROBLEM: champion.problem,
    }
    tracking.log_values(run_id, values, {}, {key: value for key, value in tags.items() if value})
    tracking.log_document(run_id, EVALUATION_ARTIFACT, evaluation.document())
    stage_exit.write(
        StageReport(metrics=values, holdout=rows.digest, champion_problem=champion.problem, evaluation=evaluation)
    )
    return evaluation


def comparable(target: NDArray[Any], predicted: NDArray[Any]) -> NDArray[Any]:
    """The target as the model writes its labels: some answer with texts where the file has numbers."""
    if target.dtype.kind in "biuf" and predicted.dtype.kind not in "biuf":
        return np.array([f"{value:g}" if isinstance(value, float) else str(value) for value in target.tolist()])
    return target


def _asked(uri: str, label: str) -> EvaluatedHoldout:
    given = os.environ.get(HOLDOUT_VARIABLE, "")
    try:
        known = msgspec.json.decode(given, type=EvaluatedHoldout) if given else EvaluatedHoldout(uri="", label="")
    except msgspec.MsgspecError as error:
        raise NotEvaluated(f"{HOLDOUT_VARIABLE} cannot be read: {error}") from error
    asked = msgspec.structs.replace(known, uri=uri or known.uri, label=label or known.label)
    if not asked.uri or not asked.label:
        raise NotEvaluated(f"no holdout is named: set {HOLDOUT_VARIABLE}, or give --holdout and --label")
    return asked


def _read(asked: EvaluatedHoldout, scratch: Path) -> Holdout:
    try:
        table = read_table(_local(asked.uri, scratch))
    except Exception as error:
        # Of many libraries; their words may quote values of the file, or a password of the address.
        why = Address(asked.uri).concealed_in(str(error)) if isinstance(error, OSError) else type(error).__name__
        raise NotEvaluated(f"the holdout {shown(asked.uri)} cannot be read: {why}") from error
    if asked.label not in table.columns:
        names = ", ".join(map(repr, list(table.columns)[:10]))
        raise NotEvaluated(f"the holdout has no column {asked.label!r} with the outcome, but {names}")
    if table.empty:
        raise DataNotGoodEnough("the holdout has no rows")
    return _as_holdout(table, asked.label)


def _as_holdout(table: pd.DataFrame, label: str) -> Holdout:
    unlabelled = int(table[label].isna().sum())
    if unlabelled:
        raise DataNotGoodEnough(f"{unlabelled} rows of the holdout have no {label}")
    try:
        return holdout_of(table.drop(columns=label), table[label].to_numpy())
    except (TypeError, ValueError) as error:
        raise NotEvaluated(f"the holdout cannot be used: {error}") from error


def _local(uri: str, scratch: Path) -> Path:
    place = urlsplit(uri)
    if place.scheme in ("", "file"):
        return Path(place.path)
    if not web.is_web_address(uri):
        return tracking.download(uri, scratch)
    return web.download(uri, scratch / (Path(place.path).name or "holdout"))


def _candidate(run_id: str, rows: Holdout, scratch: Path) -> ServedAnswers:
    """The newest model of the run. One that no server would run must not be deployed."""
    left = newest_model(run_id)
    directory = left.download(scratch / "candidate")
    try:
        ask = partial(served_answers, timed=True)
        return isolated_call.call(ask, directory, rows.rows, seconds=seconds_for(len(rows.rows)))
    except (NotServed, isolated_call.NotDone) as error:
        raise CandidateFailed(f"the candidate {left.uri} cannot be judged: {error}") from error


def _costs(candidate: ServedAnswers, champion: JudgedChampion) -> dict[str, MetricComparison]:
    """Latency and size of both. They are measured, so there is no interval."""
    ours, theirs = _measured(candidate), _measured(champion.answers) if champion.answers else {}
    return {
        name: MetricComparison(candidate=value, champion=theirs.get(name), method=MEASURED)
        for name, value in ours.items()
    }


def _measured(answers: ServedAnswers) -> dict[str, float]:
    size = {SIZE_BYTES: float(answers.size_bytes)}
    return size if answers.latency_p95 is None else {LATENCY_P95: answers.latency_p95, **size}


if __name__ == "__main__":
    sys.exit(main())
