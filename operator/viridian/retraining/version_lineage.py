"""What a run's version was made from, and what an audit asks for that is missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Final

from viridian.api.features import digest_shown
from viridian.api.lineage import Lineage
from viridian.api.registry import TAG_CODE, TAG_DIGEST, TAG_FEATURES, TAG_IMAGE, TAG_PARAMETERS, TAG_ROWS, TrainingRun
from viridian.api.schema import MAX_WORD
from viridian.api.stage import StageName, StageReport
from viridian.api.texts import one_line
from viridian.retraining.records import NO_DATA
from viridian.retraining.runs import Run
from viridian.retraining.stages.state import StageOutcome, StageResult

_MLFLOW_COMMIT: Final = "mlflow.source.git.commit"
_MAX_PARAMETERS: Final = 4000
"""Characters of the parameters that a tag shows; the MLflow run has all of them."""
_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "data": ("data_digest", "data_revision", "rows_digest"),
    "features": ("features_digest",),
    "code": ("code_revision",),
    "image": ("image_digest",),
    "parameters": ("parameters_digest",),
    "model": ("model_digest",),
}
"""What may change between two versions, and the fields that show it; of the data, the first that both have."""


def data_of(run: Run, report: StageReport) -> Mapping[str, str]:
    """What the run was trained on: what it reported, else what was resolved, else what it was given."""
    given, resolved = run.origin.data, run.origin.resolved
    if report.data or resolved is not None:
        return report.data or (resolved.document() if resolved else {})
    return {} if given == NO_DATA else {"uri": given.uri, "revision": given.revision}


def lineage_of(run: Run, report: StageReport, mlflow: TrainingRun | None) -> Lineage:
    """What the version of the run was made from, as far as that is known."""
    data, trained = data_of(run, report), _trained(run)
    tags = mlflow.tags if mlflow is not None else {}
    code = tags.get(TAG_CODE) or trained.code_revision or tags.get(_MLFLOW_COMMIT, "")
    return Lineage(
        data_revision=_word(data.get("revision", "")),
        data_digest=_word(data.get("digest", "")),
        rows_digest=_word(trained.rows_digest),
        code_revision=_word(code),
        features_digest=report.features or digest_shown(tags.get(TAG_FEATURES, "")),
        image_digest=_word(trained.image_digest),
        parameters_digest=_digest(mlflow.params) if mlflow is not None and mlflow.params else "",
        model_digest=_word(report.model_digest or tags.get(TAG_DIGEST, "")),
    )


def lineage_tags(lineage: Lineage, mlflow: TrainingRun | None) -> Mapping[str, str]:
    """The parts that have tags of their own on a version; data and model have theirs anyway."""
    return {
        TAG_CODE: lineage.code_revision,
        TAG_FEATURES: lineage.features_digest,
        TAG_IMAGE: lineage.image_digest,
        TAG_ROWS: lineage.rows_digest,
        TAG_PARAMETERS: _shown(mlflow.params) if mlflow is not None and mlflow.params else "",
    }


def changed(before: Lineage | None, after: Lineage) -> tuple[str, ...]:
    """Which parts of a version are not those of another one; all that is known where there is no other one."""
    return tuple(part for part, fields in _PARTS.items() if _differ(before or Lineage(), after, fields))


def missing(run: Run, report: StageReport, lineage: Lineage, *, features: bool) -> Iterator[str]:
    """What `audit: Strict` asks for and the version lacks, each with what to do about it.

    `features`: whether the ModelDeployment names a definition of features.
    """
    resolved = run.origin.resolved is not None
    only_rows = run.origin.data == NO_DATA and not report.data and lineage.rows_digest
    if not (lineage.data_digest or resolved or only_rows):
        yield "no digest of its data: write data.resolver: {}, or report data {uri, revision, digest}"
    if features and not lineage.features_digest:
        yield (
            "no digest of its features, and spec.model.features of the ModelDeployment names them: report features "
            f"{{digest}} in a stage, or set the tag {TAG_FEATURES} on the MLflow run"
        )
    if not lineage.code_revision:
        yield (
            "no revision of its code: annotate the template of stages.training with org.opencontainers.image.revision, "
            f"or set the tag {TAG_CODE} on the MLflow run"
        )
    if not lineage.image_digest:
        yield "no digest of its image: its pod was gone before the operator saw which image it ran"
    if not lineage.parameters_digest:
        yield "no parameters: log them to the MLflow run"
    if not lineage.model_digest:
        yield "no digest of the model: log it by viridian.training.log, or report model.digest"


def _trained(run: Run) -> StageResult:
    stage = run.named(StageName.TRAINING)
    return (
        stage.result if stage is not None and stage.result is not None else StageResult(outcome=StageOutcome.COMPLETE)
    )


def _differ(before: Lineage, after: Lineage, fields: tuple[str, ...]) -> bool:
    both = next((name for name in fields if getattr(before, name) and getattr(after, name)), None)
    if both is not None:
        return bool(getattr(before, both) != getattr(after, both))
    return any(getattr(before, name) != getattr(after, name) for name in fields)


def _word(value: str) -> str:
    return one_line(value, MAX_WORD)


def _digest(params: Mapping[str, str]) -> str:
    return f"sha256:{hashlib.sha256(json.dumps(dict(params), sort_keys=True).encode()).hexdigest()}"


def _shown(params: Mapping[str, str]) -> str:
    """As many parameters as fit, by name."""
    shown: dict[str, str] = {}
    for name in sorted(params):
        fuller = {**shown, one_line(name, MAX_WORD): one_line(params[name], MAX_WORD)}
        if len(json.dumps(fuller)) > _MAX_PARAMETERS:
            break
        shown = fuller
    return json.dumps(shown)
