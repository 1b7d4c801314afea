"""Trains the model that says which payments are frauds: the training stage of both policies.

It learns from the rows that the collector has frozen for this run: those of the last two weeks, since thieves change.
The holdout is a quarter of the rows, drawn at random. A column that is empty for now is a column of the model all the
same: a server refuses requests with columns that its model does not have.
"""

from typing import Any

import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from viridian import training
from viridian.training import feedback

LATEST = pd.Timedelta(days=14)
LEAST_FRAUDS = 500


def known(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Features and outcomes of the latest weeks."""
    latest = rows[rows["outcome"].notna() & (rows["time"] >= rows["time"].max() - LATEST)]
    frauds = int((latest["outcome"] == "theft").sum())
    if frauds < LEAST_FRAUDS:
        raise training.DataNotGoodEnough(f"only {frauds} frauds of the last two weeks are known")
    features = latest.filter(regex=r"^features\.").rename(columns=lambda name: name.removeprefix("features."))
    return features, latest["outcome"].astype(object)


def fit(rows: pd.DataFrame) -> tuple[Any, tuple[Any, Any], tuple[Any, Any]]:
    """The fitted model, what it was fitted on, and the holdout."""
    x_fit, x_held, y_fit, y_held = train_test_split(*known(rows), test_size=0.25, random_state=7)
    forest = RandomForestClassifier(
        12, max_depth=8, min_samples_leaf=20, max_samples=0.5, class_weight="balanced", random_state=7
    )
    model = forest.fit(x_fit, y_fit)
    return model, (x_fit, y_fit), (x_held, y_held)


if __name__ == "__main__":
    model, learnt, holdout = fit(feedback.rows())
    training.log(model, holdout=holdout, training=learnt)
