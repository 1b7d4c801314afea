"""A fitted model of a story, with what a trainer records about it and what a server shows of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from tests.support.memory_collector import bundle
from viridian.api.evaluation import HoldoutEvaluation
from viridian.api.input_schema import InputColumn, InputSchema
from viridian.api.profile import ReferenceProfile
from viridian.api.stage import StageReport
from viridian.serving.bundle.signature import Table, parse
from viridian.training.holdout import holdout_of
from viridian.training.judged_champion import evaluation_beside
from viridian.training.log_call import together
from viridian.training.reference import reference
from viridian.training.rows import DatasetColumn
from viridian.training.scores import Predicted, predict, scores

Frame = tuple[pd.DataFrame, Any]
"""Features and target, as a script gives them to `viridian.training.log`."""


@dataclass(frozen=True, kw_only=True)
class FittedModel:
    """What `viridian.training.log` makes of an estimator, but for the bytes of the model."""

    name: str
    """Its id in the registry: `m-…`."""
    estimator: Any
    reference: ReferenceProfile
    columns_of_training: tuple[DatasetColumn, ...]
    holdout: str
    """Digest of the rows that it was judged on."""
    metrics: Mapping[str, float]
    evaluation: HoldoutEvaluation | None
    """Beside the champion, where there was one."""

    @property
    def uri(self) -> str:
        return f"models:/{self.name}"

    @property
    def report(self) -> StageReport:
        """What its stage tells at the end."""
        return StageReport(
            metrics=self.metrics,
            holdout=self.holdout,
            model_uri=self.uri,
            model_digest=self.files[1],
            evaluation=self.evaluation,
        )

    @property
    def classes(self) -> tuple[str, ...]:
        return self.reference.classes

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns_of_training)

    @cached_property
    def files(self) -> tuple[Mapping[str, bytes], str]:
        """What a pod shows of the version, and the version's digest."""
        return bundle(self.reference, (self.name,))

    @cached_property
    def signature(self) -> Table:
        """As a server reads it from MLflow's."""
        listed = [{"name": one.name, "type": one.type, "required": one.required} for one in self.columns_of_training]
        found = parse(json.dumps(listed))
        assert isinstance(found, Table)
        return found

    @cached_property
    def schema(self) -> InputSchema:
        """What a server shows to the operator."""
        columns = (InputColumn(name=c.name, datatype=c.datatype, required=c.required) for c in self.signature.columns)
        return InputSchema(columns=tuple(columns))

    def predict(self, features: pd.DataFrame) -> Predicted:
        return predict(self.estimator, features[list(self.columns)])


def fitted(name: str, estimator: Any, training: Frame, holdout: Frame, champion: FittedModel | None) -> FittedModel:
    """Judged on its holdout beside the champion, with its reference profile, by the trainer's own functions."""
    judged, learnt = together(holdout_of(*holdout), training, None)
    answers = predict(estimator, judged.features)
    found = reference(estimator, learnt, judged, answers)
    assert found is not None
    beside = champion.predict(judged.features) if champion is not None else None
    return FittedModel(
        name=name,
        estimator=estimator,
        reference=found,
        columns_of_training=judged.columns,
        holdout=judged.digest,
        metrics=scores(judged.target, answers, classifier=True),
        evaluation=evaluation_beside(judged, answers, beside, classifier=True) if champion is not None else None,
    )
