"""What model servers send, made up."""

from __future__ import annotations

import random
import time
import uuid

from viridian.api.feedback import Prediction, PredictionBatch, Served
from viridian.api.profile import Task

OWNERS = {"server": "system:serviceaccount:ml:server"}
HEADERS = {"Authorization": "Bearer server", "Content-Type": "application/json"}
SERVED = Served(
    namespace="ml",
    deployment="churn",
    model="churn",
    version="7",
    revision="9a1b02ee",
    slot="green",
    task=Task.BINARY,
    classes=("stays", "leaves"),
)


def identifier(chance: random.Random, at: float) -> str:
    """UUIDv7."""
    bits = (int(at * 1000) << 80) | (7 << 76) | (chance.getrandbits(12) << 64) | (2 << 62) | chance.getrandbits(62)
    return str(uuid.UUID(int=bits))


def row(chance: random.Random) -> Prediction:
    """Ten features, about 300 bytes."""
    now, score = time.time(), chance.random()
    features: dict[str, float | int | str | bool | None] = {f"feature {n}": chance.random() for n in range(8)}
    features |= {"region": chance.choice(("north", "south")), "active": chance.random() < 0.5}
    label = "leaves" if score > 0.5 else "stays"
    return Prediction(id=identifier(chance, now), time=now, features=features, prediction=label, score=score)


def batch(chance: random.Random, rows: int) -> PredictionBatch:
    return PredictionBatch(served=SERVED, rows=[row(chance) for _ in range(rows)])
