"""Customers who ask whether they will leave, and who leave or stay: traffic that can shift, with its outcomes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from viridian.api.feedback import OUTCOMES_PATH

AGE: Final = 40.0
AGE_SPREAD: Final = 10.0
BATCH: Final = 200
TIMEOUT_SECONDS: Final = 30


@dataclass(frozen=True)
class Customer:
    age: float
    spend: float
    leaves: bool


def draw(number: int, *, shift: float = 0.0, seed: int = 1, spend_scale: float = 1.0) -> list[Customer]:
    """So many customers; `shift` says how much older than those of the first training, in standard deviations."""
    generator = np.random.default_rng(seed)
    older = generator.normal(shift, 1.0, number)
    spend = spend_scale * generator.lognormal(3.0, 0.5, number)
    leaves = generator.random(number) < 1 / (1 + np.exp(-older))
    return [
        Customer(AGE + AGE_SPREAD * float(one), float(spent), bool(gone))
        for one, spent, gone in zip(older, spend, leaves, strict=True)
    ]


@dataclass(frozen=True)
class Traffic:
    """The model's live Service and the collector, at addresses of this computer."""

    model: str
    collector: str
    bearer: str
    """A service account's, for the collector."""

    def ask(self, customers: Sequence[Customer]) -> list[str]:
        """Ask about each; the ids of the predictions."""
        ids: list[str] = []
        for start in range(0, len(customers), BATCH):
            batch = customers[start : start + BATCH]
            data = [[one.age, one.spend] for one in batch]
            body = {"dataframe_split": {"columns": ["age", "monthly spend"], "data": data}}
            first = post(f"{self.model}/invocations", body, {})[0]["x-viridian-prediction-id"]
            ids += prediction_ids(first, len(batch))
        return ids

    def tell(self, ids: Sequence[str], customers: Sequence[Customer], *, definition: str = "") -> None:
        """What became of them; `definition` names what their labels mean."""
        outcomes = [
            {"prediction_id": name, "outcome": int(one.leaves), "label_definition": definition}
            for name, one in zip(ids, customers, strict=True)
        ]
        _, answer = post(f"{self.collector}{OUTCOMES_PATH}", outcomes, {"Authorization": f"Bearer {self.bearer}"})
        if answer["stored"] != len(outcomes):
            raise RuntimeError(f"the collector stored {answer['stored']} of {len(outcomes)} outcomes")

    def arrive(self, customers: Sequence[Customer]) -> None:
        """Ask about them all, and tell at once what becomes of them."""
        self.tell(self.ask(customers), customers)


def prediction_ids(first: str, rows: int) -> list[str]:
    """The ids of the predictions of a request with so many rows, of which the answer names the first."""
    return [first, *(f"{first}-{row}" for row in range(1, rows))]


def post(url: str, body: Any, headers: Mapping[str, str]) -> tuple[Mapping[str, str], Any]:
    """The headers and the JSON of the answer."""
    request = urllib.request.Request(  # noqa: S310 - an address of this computer
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
        return response.headers, json.loads(response.read())
