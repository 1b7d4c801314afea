"""Trains the model that says which strip of products a visitor will open: the training stage of the policy.

It learns from the rows that the collector has frozen for this run: those of the last four weeks, since a season does
not come back for a year. The holdout is a quarter of the rows, drawn at random.
"""

from typing import Any

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from viridian import training
from viridian.training import feedback

LATEST = pd.Timedelta(days=28)
LEAST_ROWS = 5_000


def known(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Features and outcomes of the latest weeks."""
    latest = rows[rows["outcome"].notna() & (rows["time"] >= rows["time"].max() - LATEST)]
    if len(latest) < LEAST_ROWS:
        raise training.DataNotGoodEnough(f"only {len(latest)} rows of the last four weeks have an outcome")
    features = latest.filter(regex=r"^features\.").rename(columns=lambda name: name.removeprefix("features."))
    return features, latest["outcome"].astype(object)


def fit(rows: pd.DataFrame) -> tuple[Any, tuple[Any, Any], tuple[Any, Any]]:
    """The fitted model, what it was fitted on, and the holdout."""
    x_fit, x_held, y_fit, y_held = train_test_split(*known(rows), test_size=0.25, random_state=7)
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["category"]),
        (StandardScaler(), ["price_sensitivity", "price", "visits"]),
    )
    model = make_pipeline(columns, LogisticRegression()).fit(x_fit, y_fit)
    return model, (x_fit, y_fit), (x_held, y_held)


if __name__ == "__main__":
    model, learnt, holdout = fit(feedback.rows())
    training.log(model, holdout=holdout, training=learnt)
