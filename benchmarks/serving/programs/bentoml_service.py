"""A scikit-learn model as a BentoML service. Runs in the environment `locks/bench/bentoml.txt`."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1, threads=1, logging={"access": {"enabled": False}})
class Served:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["BENCHMARK_MODEL"])

    @bentoml.api
    async def predict(self, instances: np.ndarray) -> np.ndarray:
        # Not in a thread: on one core the hop only costs.
        return self.model.predict(instances)
