"""What the gate asks an evaluation for, as the operator hands it to a stage in `VIRIDIAN_EVALUATION`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from viridian.api.evaluation import EVALUATION_VARIABLE


@dataclass(frozen=True, slots=True)
class SliceRequest:
    column: str
    metric: str = ""
    """Empty for the first of auc, accuracy and rmse that there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """Slices to compare, and whether to compare with a constant prediction."""

    slices: tuple[SliceRequest, ...] = ()
    constant_baseline: bool = False


def requested() -> EvaluationRequest | None:
    """The request in the environment; None where there is none, as outside of a RetrainPolicy's Job."""
    given = os.environ.get(EVALUATION_VARIABLE, "")
    if not given:
        return None
    try:
        document: Any = json.loads(given)
        return EvaluationRequest(
            slices=tuple(SliceRequest(str(one["column"]), str(one.get("metric", ""))) for one in document["slices"]),
            constant_baseline=bool(document["constantBaseline"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{EVALUATION_VARIABLE} is not as the operator writes it: {error}") from error
