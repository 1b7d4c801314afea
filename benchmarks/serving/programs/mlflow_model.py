"""Writes a joblib file as an MLflow model, for `mlflow models serve`. Runs in `locks/bench/mlflow.txt`."""

import sys

import joblib
import mlflow.sklearn

mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], serialization_format="cloudpickle")
