"""Made-up people that models of every kind are trained on and asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

TRAINED_ON = 4_000
HELD_OUT = 2_000
AGE, AGE_SPREAD = 40.0, 10.0
AGE_SHIFT = {
    "name": "age-shift",
    "drift": {"features": ["age"], "statistic": "MeanShift", "threshold": 0.5, "decision": "Point"},
}
"""A monitor that fires when people are older or younger by half a standard deviation; it needs an action."""


@dataclass(frozen=True)
class Population:
    """People, and what becomes of them."""

    draw: Callable[[np.random.Generator, int], pd.DataFrame]
    outcome: Callable[[np.random.Generator, pd.DataFrame], pd.Series[Any]]
    estimator: Callable[[], Any]

    def rows(self, number: int, seed: int) -> tuple[pd.DataFrame, pd.Series[Any]]:
        generator = np.random.default_rng(seed)
        people = self.draw(generator, number)
        return people, self.outcome(generator, people)

    def fitted(self) -> Fitted:
        training, holdout = self.rows(TRAINED_ON, seed=1), self.rows(HELD_OUT, seed=2)
        return Fitted(self.estimator().fit(*training), training, holdout)


@dataclass(frozen=True)
class Fitted:
    """A model, what it was trained on, and what it has not seen."""

    model: Any
    training: tuple[pd.DataFrame, pd.Series[Any]]
    holdout: tuple[pd.DataFrame, pd.Series[Any]]


def _numbers(generator: np.random.Generator, number: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": generator.normal(AGE, AGE_SPREAD, number),
            "monthly spend": generator.lognormal(3.0, 0.5, number),
        }
    )


def _mixed(generator: np.random.Generator, number: int) -> pd.DataFrame:
    people = _numbers(generator, number)
    people["category preference"] = generator.choice(["books", "garden", "toys"], number, p=[0.6, 0.3, 0.1])
    people.loc[generator.random(number) < 0.1, "monthly spend"] = np.nan
    return people


def _churns(generator: np.random.Generator, people: pd.DataFrame) -> pd.Series[Any]:
    odds = (people["age"] - AGE) / AGE_SPREAD
    if "category preference" in people:
        odds = odds + 2.0 * (people["category preference"] == "toys")
    return (generator.random(len(people)) < 1 / (1 + np.exp(-odds))).astype(int)


def _segment(generator: np.random.Generator, people: pd.DataFrame) -> pd.Series[Any]:
    blurred = people["age"] + generator.normal(0.0, 3.0, len(people))
    return pd.cut(blurred, [-np.inf, 35, 45, np.inf], labels=["young", "middle", "old"]).astype(str)


def _next_spend(generator: np.random.Generator, people: pd.DataFrame) -> pd.Series[Any]:
    return 2.0 * people["monthly spend"] + people["age"] + generator.normal(0.0, 5.0, len(people))


def _of_several_types() -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = [
        ("numbers", numbers, ["age", "monthly spend"]),
        ("names", OneHotEncoder(handle_unknown="ignore"), ["category preference"]),
    ]
    return make_pipeline(ColumnTransformer(columns), LogisticRegression())


BINARY = Population(_numbers, _churns, lambda: make_pipeline(StandardScaler(), LogisticRegression()))
SEVERAL_TYPES = Population(_mixed, _churns, _of_several_types)
"""Text, numbers and gaps."""
THREE_CLASSES = Population(_numbers, _segment, lambda: make_pipeline(StandardScaler(), LogisticRegression()))
NUMBERS_OUT = Population(_numbers, _next_spend, lambda: HistGradientBoostingRegressor(max_iter=50))


def customers_misjudged() -> Fitted:
    """A model of the same customers that answers the opposite of what it should."""
    fitted = BINARY.fitted()
    people, outcomes = fitted.training
    return Fitted(BINARY.estimator().fit(people, 1 - outcomes), fitted.training, fitted.holdout)
