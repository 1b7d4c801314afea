"""What is logged of an estimator's own parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from viridian.training.own_parameters import MAX_PARAMETERS, own_parameters


class Parameters:
    """An estimator with these parameters."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def get_params(self, deep: bool = True) -> Any:
        return self.found


def test_simple_values_are_logged_by_their_names() -> None:
    found = own_parameters(RandomForestClassifier(n_estimators=7))
    assert (found["n_estimators"], found["bootstrap"], found["max_depth"]) == ("7", "True", "None")
    assert own_parameters(Parameters({"C": np.float64(0.5)})) == {"C": "0.5"}


def test_objects_are_left_out_for_their_text_may_be_another_one_each_time() -> None:
    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(C=0.1))
    found = own_parameters(model)
    assert found["logisticregression__C"] == "0.1"
    assert not {"steps", "logisticregression", "functiontransformer__func"} & set(found)


def test_of_too_many_those_of_the_outermost_estimators_are_kept() -> None:
    inner = {f"step__inner_{number:03d}": number for number in range(MAX_PARAMETERS)}
    found = own_parameters(Parameters({**inner, "outer": 1}))
    assert len(found) == MAX_PARAMETERS
    assert next(iter(found)) == "outer"
    assert "step__inner_099" not in found


def test_a_credential_is_not_logged() -> None:
    model = Parameters({"client__API_KEY": "k", "db_password": "p", "token_pattern": r"\w+"})
    assert own_parameters(model) == {"token_pattern": r"\w+"}


def test_what_does_not_say_its_parameters_has_none() -> None:
    assert own_parameters(object()) == {}
    assert own_parameters(Parameters(None)) == {}
    assert own_parameters(Parameters({"a/../b": 1, "": 2, "good": 3})) == {"good": "3"}
