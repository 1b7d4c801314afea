"""Whatever the bytes are, the answer is JSON or a refusal with a reason: never an exception of another kind."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import models
from viridian.serving.errors import BadInput
from viridian.serving.execution import model
from viridian.serving.execution.model import LoadedModel

NAMES = st.sampled_from([*models.IRIS, "an age", "visits", "member", "city", "X", "other", ""])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=12,
)
ROWS = st.one_of(VALUES, st.lists(st.lists(SCALARS, min_size=3, max_size=5), max_size=3))
TENSORS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "shape": st.lists(st.sampled_from([-1, 0, 1, 2, 4, 10**18]), max_size=3),
        "datatype": st.sampled_from(["FP32", "FP64", "INT64", "BOOL", "BYTES", "", "NONSENSE"]),
        "data": ROWS,
    }
)
INFERENCES = st.one_of(
    VALUES,
    st.fixed_dictionaries(
        {"inputs": st.one_of(VALUES, st.lists(TENSORS, max_size=5))},
        optional={"id": SCALARS, "outputs": VALUES, "parameters": VALUES},
    ),
)
INVOCATIONS = st.one_of(
    VALUES,
    st.fixed_dictionaries(
        {},
        optional={
            "dataframe_split": st.one_of(
                VALUES, st.fixed_dictionaries({"data": ROWS}, optional={"columns": st.lists(NAMES, max_size=5)})
            ),
            "dataframe_records": st.one_of(VALUES, st.lists(st.dictionaries(NAMES, SCALARS, max_size=4), max_size=3)),
            "instances": ROWS,
            "inputs": ROWS,
            "params": VALUES,
        },
    ),
)


@pytest.fixture(scope="module", params=["flowers", "mixed", "unnamed"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "flowers":
        signature = models.iris_columns()
        signature[2]["required"] = False
        models.write_onnx_mlflow(directory, signature, {"inputs": [models.FLOWER]})
    elif request.param == "mixed":
        models.write_mixed(directory)
    else:
        models.write_onnx_alone(directory)
    return model.load(directory, request.param, "", 1)


def answered(served: LoadedModel, body: bytes, *, invocation: bool) -> None:
    with contextlib.suppress(BadInput):
        assert json.loads((served.invoke if invocation else served.infer)(body, "p"))


COMMON = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@COMMON
@given(body=INFERENCES)
def test_any_inference_request(served: LoadedModel, body: Any) -> None:
    answered(served, json.dumps(body).encode(), invocation=False)


@COMMON
@given(body=INVOCATIONS)
def test_any_invocation(served: LoadedModel, body: Any) -> None:
    answered(served, json.dumps(body).encode(), invocation=True)


@COMMON
@given(body=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode(errors="replace"))))
def test_any_bytes(served: LoadedModel, body: bytes) -> None:
    for invocation in (False, True):
        answered(served, body, invocation=invocation)
