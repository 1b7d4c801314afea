"""Training as a team of MLflow writes it. The operator made the run beforehand, so all of it is in one place."""

import mlflow
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from viridian import training

PARAMETERS = {"n_estimators": 50, "max_depth": 6}

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.3, random_state=7)
model = RandomForestClassifier(**PARAMETERS, random_state=7).fit(X_train, y_train)

# MLFLOW_TRACKING_URI and MLFLOW_RUN_ID are those of the Job: what a script logs already needs no change.
with mlflow.start_run():
    mlflow.log_metric("leaves", sum(tree.get_n_leaves() for tree in model.estimators_))
training.log(
    model,
    holdout=(X_test, y_test),
    training=(X_train, y_train),
    feature_names=data.feature_names,
    params=PARAMETERS,
)
