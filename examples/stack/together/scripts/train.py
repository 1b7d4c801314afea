"""Trains on the features that Feast has made, and keeps a third of the rows for the stage `evaluation`."""

import os
from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from viridian import training

NUMBERS, TEXTS, LABEL = ["age", "orders_per_month", "complaints"], ["contract"], "churned"

rows = pd.read_csv(Path(os.environ["VIRIDIAN_IN_DIR"]) / "features" / "features.csv").sort_values("customer_id")
known, held_out = train_test_split(rows, test_size=1 / 3, random_state=7, stratify=rows[LABEL])
held_out[[*NUMBERS, *TEXTS, LABEL]].to_csv(Path(os.environ["VIRIDIAN_OUT_DIR"]) / "holdout.csv", index=False)


def inputs(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    return table[[*NUMBERS, *TEXTS]], table[LABEL]


columns = make_column_transformer((StandardScaler(), NUMBERS), (OneHotEncoder(), TEXTS))
model = make_pipeline(columns, LogisticRegression()).fit(*inputs(known))
logged = training.log(model, holdout=inputs(held_out), training=inputs(known), params={"customers": len(known)})
print(f"{logged.model_uri} of {len(known)} customers: " + ", ".join(f"{k} {v:.3f}" for k, v in logged.metrics.items()))
