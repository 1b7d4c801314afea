"""Models of other libraries: trained by them, packed, and answered by the server as they answer themselves.

The libraries stand in an environment of their own; the server that is asked here has none of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from tests.support.libraries.environment import CASES, trained
from tests.support.server_process import running
from viridian.serving.data.outputs import LABEL, PREDICTION, PROBABILITIES
from viridian.serving.execution import model as serving
from viridian.serving.execution.model import ModelOutput
from viridian.serving.protocols.prediction_request import Dialect, Request

pytestmark = pytest.mark.needs_programs
"""Programs of other people's: these libraries."""

REFUSED = {
    "catboost_categories": "CatBoost's columns of categories have no form in ONNX: encode them in front of it",
    "lightgbm_linear_leaves": "LightGBM's leaves are linear models: train without linear_tree",
    "lightgbm_zero_as_a_gap": "LightGBM takes zero for a gap: train without zero_as_missing",
    "xgboost_gaps_by_a_number": "XGBoost takes -999 for a gap: fit it on rows whose gaps are NaN",
    "xgboost_hinge": "nothing serves XGBoost's objective binary:hinge",
    "xgboost_linear": "XGBoost's booster gblinear is no ensemble of trees: train with gbtree or dart",
    "xgboost_names_beyond_ascii": "XGBoost does not keep names of categories with letters beyond ASCII",
}
SERVED = [name for name in CASES if name not in REFUSED]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return trained(tmp_path_factory.mktemp("libraries"))


@pytest.mark.parametrize("name", SERVED)
def test_the_server_answers_as_the_library_does(report: dict[str, Any], name: str) -> None:
    case = report[name]
    assert case.get("refused") is None
    assert case["payload"] == "onnx"
    served = serving.load(Path(case["directory"]), "churn", "1", threads=1)
    (answer,) = served.answer([Request(Dialect.INVOCATION, json.dumps({"dataframe_split": case["rows"]}).encode(), "")])
    assert isinstance(answer, ModelOutput)
    outputs = {output.name: output.values for output in answer.outputs}
    if case["probabilities"] is None:
        np.testing.assert_allclose(outputs[PREDICTION], case["values"], rtol=1e-5)
    else:
        assert outputs[LABEL].tolist() == case["values"]
        np.testing.assert_allclose(outputs[PROBABILITIES], case["probabilities"], atol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_served_is_refused_in_words(report: dict[str, Any], name: str) -> None:
    assert REFUSED[name] in report[name]["refused"]


@pytest.mark.parametrize("name", ["xgboost_categories_of_names_and_codes", "lightgbm_categories_of_names_and_codes"])
async def test_a_server_without_the_library_takes_gaps_and_unknown_names(
    report: dict[str, Any], name: str, tmp_path: Path
) -> None:
    """An unknown name is a gap to the library, as its own type of categories has it."""
    case = report[name]
    columns, row = case["rows"]["columns"], case["rows"]["data"][0]
    rows = [[None if name == "city" else value for name, value in zip(columns, row, strict=True)]]
    rows.append(["Atlantis" if name == "city" else value for name, value in zip(columns, row, strict=True)])
    async with running(Path(case["directory"]), tmp_path) as server, aiohttp.ClientSession() as session:
        for body in (case["rows"], {"columns": columns, "data": rows}):
            async with session.post(f"{server.url}/invocations", json={"dataframe_split": body}) as answer:
                predictions = (await answer.json())["predictions"]
            assert answer.status == 200
            assert len(set(predictions)) == 1 if body is not case["rows"] else predictions == case["values"]
