"""Trains on what the model was asked and what became of it: the rows that were frozen for the run.

A run that a monitor has started names in VIRIDIAN_REASONS the window in which it fired: older rows are left out. The
first run has no rows yet, so it learns from customers that are made up here: people leave more often as they get older.
LABELS=shuffled makes a model that has learned nothing.
"""

import json
import os

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from viridian import training
from viridian.training import feedback

generator = np.random.default_rng(7)


def first_customers(number=4_000):
    age = generator.normal(40.0, 10.0, number)
    people = pd.DataFrame({"age": age, "monthly spend": generator.lognormal(3.0, 0.5, number)})
    return people, (generator.random(number) < 1 / (1 + np.exp((40.0 - age) / 10.0))).astype(int)


def customers_who_asked(rows):
    fired = (
        one
        for reason in json.loads(os.environ["VIRIDIAN_REASONS"])
        for one in reason.get("evidence", {}).get("monitors", ())
    )
    since = min((pd.Timestamp(one["window"]["start"]) for one in fired), default=rows["time"].min())
    known = rows[rows["outcome"].notna() & (rows["time"] >= since)]
    if len(known) < 500:
        raise training.DataNotGoodEnough(f"only {len(known)} customers since {since} are known to have stayed or left")
    people = known.filter(regex=r"^features\.").rename(columns=lambda name: name.removeprefix("features."))
    return people, known["outcome"].astype(int).to_numpy()


rows = feedback.rows()
X, y = first_customers() if rows is None else customers_who_asked(rows)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=7, stratify=y)
if os.environ.get("LABELS") == "shuffled":
    y_train = generator.permutation(y_train)

model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X_train, y_train)
logged = training.log(model, holdout=(X_test, y_test), training=(X_train, y_train), params={"customers": len(X)})
print(f"{logged.model_uri} of {len(X)} customers: " + ", ".join(f"{k} {v:.4f}" for k, v in logged.metrics.items()))
