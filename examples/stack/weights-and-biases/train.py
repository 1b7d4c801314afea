"""Training that Weights & Biases follows. MLflow has the model, and both have the run under the same id."""

import os

import mlflow
import wandb
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from viridian import training

RUN = os.environ["MLFLOW_RUN_ID"]
PARAMETERS = {"trees": 50, "max_depth": 6}

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.3, random_state=7)

# A second attempt of the stage goes on with the run of the first one.
tracked = wandb.init(project="churn", id=RUN, resume="allow", dir=os.environ["VIRIDIAN_OUT_DIR"], config=PARAMETERS)
mlflow.MlflowClient().set_tag(RUN, "wandb.run", f"{tracked.project}/{tracked.id}")

model = RandomForestClassifier(PARAMETERS["trees"], max_depth=PARAMETERS["max_depth"], random_state=7)
logged = training.log(
    model.fit(X_train, y_train),
    holdout=(X_test, y_test),
    training=(X_train, y_train),
    feature_names=data.feature_names,
    params=PARAMETERS,
)
tracked.log(dict(logged.metrics))
tracked.summary["model"] = logged.model_uri
tracked.finish()
