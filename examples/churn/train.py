"""Trains a random forest that tells who is about to leave.

scikit-learn ships no customers, so its breast-cancer rows stand in for them: 569 rows, 30 numbers, two classes.
TREES and MAX_DEPTH make a weaker or a better model: TREES=1 MAX_DEPTH=1 is a poor one.
"""

import os

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from viridian import training

TREES = int(os.environ.get("TREES", "100"))
MAX_DEPTH = int(os.environ.get("MAX_DEPTH", "8"))

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(
    data.data, data.target, test_size=0.3, random_state=7, stratify=data.target
)
if len(X_train) < 100:
    raise training.DataNotGoodEnough(f"only {len(X_train)} rows to learn from")

model = RandomForestClassifier(n_estimators=TREES, max_depth=MAX_DEPTH, random_state=7).fit(X_train, y_train)

logged = training.log(
    model,
    holdout=(X_test, y_test),
    training=(X_train, y_train),
    feature_names=data.feature_names,
    params={"trees": TREES, "max_depth": MAX_DEPTH},
)
print(f"{logged.model_uri} as {logged.payload}: " + ", ".join(f"{k} {v:.4f}" for k, v in logged.metrics.items()))
