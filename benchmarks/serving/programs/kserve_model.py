"""A scikit-learn model behind KServe's SDK, as its documentation shows. Runs in `locks/bench/kserve.txt`."""

import os
from typing import Any

import joblib
import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Served(Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.model = joblib.load(os.environ["BENCHMARK_MODEL"])
        self.ready = True

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ARG002
        if isinstance(payload, InferRequest):
            labels = self.model.predict(payload.inputs[0].as_numpy())
            output = InferOutput(name="predict", shape=list(labels.shape), datatype="INT64", data=labels.tolist())
            return InferResponse(payload.id, self.name, [output])
        return {"predictions": self.model.predict(np.array(payload["instances"])).tolist()}


if __name__ == "__main__":
    ModelServer().start([Served("model")])
