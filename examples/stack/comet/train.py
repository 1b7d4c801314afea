"""Training that Comet follows. MLflow has the model, and both have the run under the same id."""

import os

import comet_ml
import mlflow
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from viridian import training

RUN = os.environ["MLFLOW_RUN_ID"]
PARAMETERS = {"trees": 50, "max_depth": 6}

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.3, random_state=7)

# By itself it would send the packages of the image, the environment and the code.
quiet = {"log_code": False, "log_git_metadata": False, "log_env_details": False}
kind = comet_ml.Experiment if os.environ.get("COMET_API_KEY") else comet_ml.OfflineExperiment
where = {} if kind is comet_ml.Experiment else {"offline_directory": os.environ["VIRIDIAN_OUT_DIR"]}
tracked = kind(project_name="churn", experiment_key=RUN, **where, **quiet)
mlflow.MlflowClient().set_tag(RUN, "comet.experiment", tracked.get_key())

model = RandomForestClassifier(PARAMETERS["trees"], max_depth=PARAMETERS["max_depth"], random_state=7)
logged = training.log(
    model.fit(X_train, y_train),
    holdout=(X_test, y_test),
    training=(X_train, y_train),
    feature_names=data.feature_names,
    params=PARAMETERS,
)
tracked.log_parameters(PARAMETERS)
tracked.log_metrics(dict(logged.metrics))
tracked.log_other("model", logged.model_uri)
tracked.end()
