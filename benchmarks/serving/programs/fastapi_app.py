"""What one writes by hand: FastAPI around scikit-learn. Runs in the environment `locks/bench/fastapi.txt`."""

import os

import joblib
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

model = joblib.load(os.environ["BENCHMARK_MODEL"])
app = FastAPI()


class Request(BaseModel):
    instances: list[list[float]]


class Answer(BaseModel):
    predictions: list[int]


@app.post("/predict")
async def predict(request: Request) -> Answer:
    # Not in a thread: on one core the hop only costs.
    return Answer(predictions=model.predict(np.array(request.instances)).tolist())
