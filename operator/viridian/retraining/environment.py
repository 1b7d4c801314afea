"""The environment variables of a stage: all of them are always there, and empty where there is nothing to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from viridian.api.address import secret_of, shown, variable
from viridian.api.evaluation import EVALUATION_VARIABLE
from viridian.api.features import FEATURES_DIGEST_VARIABLE, FEATURES_REF_VARIABLE
from viridian.api.feedback import COLLECTOR_TOKEN_FILE_VARIABLE, ROWS_DIGEST_VARIABLE, FrozenRows
from viridian.api.gate_spec import Gate, GateBaseline
from viridian.api.objective import OBJECTIVE_VARIABLE, Objective
from viridian.api.run_stages import Data
from viridian.core import collector_token
from viridian.core.plan import Manifest
from viridian.judgement.gate_slices import weakest_slice
from viridian.retraining.checks import named_features
from viridian.retraining.queries import experiment_of
from viridian.retraining.records import NO_DATA, RunOrigin
from viridian.retraining.run_report import run_report
from viridian.retraining.runs import Run
from viridian.retraining.stages.run_volumes import OUT_DIR
from viridian.retraining.state import RetrainingState

CHAMPION_VARIABLE: Final = "VIRIDIAN_CHAMPION_URI"


def environment(
    state: RetrainingState, run: str, stage: str, origin: RunOrigin, rows: FrozenRows | None
) -> tuple[Manifest, ...]:
    """The variables of a stage of a run, as a container has them."""
    return tuple(_variable(name, value) for name, value in _values(state, run, stage, origin, rows).items())


def _variable(name: str, value: str) -> Manifest:
    """A champion whose address lies in a Secret is read from there."""
    return variable(name, value, secret=secret_of(value) if name == CHAMPION_VARIABLE else None)


def _values(
    state: RetrainingState, run: str, stage: str, origin: RunOrigin, rows: FrozenRows | None
) -> Mapping[str, str]:
    facts, data, followed = state.facts, _data(state, origin), state.facts.followed
    features = named_features(facts)
    return {
        "VIRIDIAN_RUN_ID": run,
        "VIRIDIAN_MODEL_NAME": followed.name if followed else "",
        "VIRIDIAN_STAGE": stage,
        "VIRIDIAN_REASONS": json.dumps([cause.document() for cause in origin.causes], ensure_ascii=False),
        "VIRIDIAN_DATA_URI": data.uri,
        "VIRIDIAN_DATA_REVISION": data.revision,
        FEATURES_REF_VARIABLE: features.ref if features else "",
        FEATURES_DIGEST_VARIABLE: (features.digest if features else "") or "",
        "VIRIDIAN_DATA_DIGEST": origin.resolved.digest if origin.resolved else "",
        CHAMPION_VARIABLE: facts.deployment.champion_uri if facts.deployment else "",
        OBJECTIVE_VARIABLE: _objective(origin),
        "VIRIDIAN_LAST_EVALUATION": _last_evaluation(state),
        EVALUATION_VARIABLE: _asked_of_an_evaluation(state.spec.gate),
        "VIRIDIAN_OUT_DIR": OUT_DIR,
        "MLFLOW_TRACKING_URI": facts.settings.mlflow_uri or "",
        "MLFLOW_EXPERIMENT_NAME": experiment_of(facts),
        "MLFLOW_RUN_ID": origin.mlflow_run,
        **_rows(rows),
    }


def _data(state: RetrainingState, origin: RunOrigin) -> Data:
    """The data of the run, whole: a record has no query of an address, since that may be a credential."""
    recorded, written, resolved = origin.data, state.spec.data, origin.resolved
    if recorded == NO_DATA:
        return Data(uri="")
    known = written is not None and shown(written.uri) == recorded.uri
    uri = written.uri if written is not None and known else recorded.uri
    if resolved is None:
        return Data(uri=uri, revision=recorded.revision)
    moved = resolved.uri and resolved.uri != recorded.uri
    return Data(uri=resolved.uri if moved else uri, revision=resolved.revision or resolved.digest)


def _objective(origin: RunOrigin) -> str:
    objective = origin.objective
    return msgspec.json.encode(objective).decode() if objective is not None and objective != Objective() else ""


def _rows(rows: FrozenRows | None) -> Mapping[str, str]:
    """Where the rows are that were frozen for this run, what they must hash to, and the token that opens them."""
    return {
        "VIRIDIAN_FEEDBACK_URI": rows.uri if rows else "",
        ROWS_DIGEST_VARIABLE: rows.digest if rows else "",
        COLLECTOR_TOKEN_FILE_VARIABLE: collector_token.TOKEN_FILE if rows else "",
    }


def _weakest_slice(run: Run) -> Mapping[str, Any]:
    """Where the candidate lost most beyond the noise, if it was compared by slices."""
    evaluation = run_report(run).evaluation
    weakest = weakest_slice(evaluation) if evaluation is not None else None
    return {} if weakest is None else {"weakestSlice": weakest.document()}


def _asked_of_an_evaluation(gate: Gate) -> str:
    """What the gate will want to know beside the usual metrics."""
    slices = [{"column": one.column, **({"metric": one.metric} if one.metric else {})} for one in gate.slices]
    return json.dumps(
        {"slices": slices, "constantBaseline": gate.baseline is GateBaseline.CONSTANT}, ensure_ascii=False
    )


def _last_evaluation(state: RetrainingState) -> str:
    run = state.finished[0] if state.finished else None
    latest = run.finished if run is not None else None
    if run is None or latest is None:
        return ""
    evaluation = {"outcome": latest.outcome, "metrics": latest.metrics, "reason": latest.message, **_weakest_slice(run)}
    return json.dumps(evaluation, ensure_ascii=False)
