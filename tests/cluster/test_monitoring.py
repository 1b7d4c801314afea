"""From requests to verdicts on a real node: servers count, the collector joins, the operator judges each minute.

All models are there from the start, so that their windows pass at the same time. A verdict stands for its window alone,
so whoever waits remembers what was said of all.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from demo.customers import post, prediction_ids
from demo.kubectl import Kubectl
from demo.port_forward import port_forwarded
from tests.cluster.conftest import Operator
from tests.support.kube import Kube, Object, condition, eventually
from tests.support.node import populations
from tests.support.node.deployment import LOOK, Deployed
from tests.support.node.populations import Fitted
from tests.support.node.registry import ClusterRegistry
from viridian.api.feedback import OUTCOMES_PATH, TOKEN_AUDIENCE
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT

PATIENCE = 240.0
BATCH = 200
WINDOW_SECONDS = 60
AGE_SHIFT = {**populations.AGE_SHIFT, "action": "Review"}
KINDS = {
    "several-types": populations.SEVERAL_TYPES,
    "three-classes": populations.THREE_CLASSES,
    "numbers-out": populations.NUMBERS_OUT,
}


@dataclass(frozen=True)
class Asked:
    """A model that serves, and its users."""

    deployed: Deployed
    url: str

    def predict(self, people: pd.DataFrame) -> list[str]:
        """Asks about everybody; the ids of the predictions."""
        ids: list[str] = []
        for start in range(0, len(people), BATCH):
            batch = people.iloc[start : start + BATCH]
            body = {"dataframe_split": json.loads(batch.to_json(orient="split", index=False))}
            headers, answer = post(f"{self.url}/invocations", body, {})
            assert len(answer["predictions"]) == len(batch)
            ids += prediction_ids(headers["x-viridian-prediction-id"], len(batch))
        return ids


@pytest.fixture(scope="module")
def models(
    kube: Kube, kubectl: Kubectl, namespace: str, operator: Operator, registry: ClusterRegistry, collector: str
) -> Iterator[Mapping[str, Asked]]:
    binary = populations.BINARY.fitted()
    fitted: dict[str, Fitted] = dict.fromkeys(("by-0-6", "by-0-4", "by-few"), binary)
    fitted |= {name: population.fitted() for name, population in KINDS.items()}
    deployed = {name: Deployed(kube, namespace, name) for name in fitted}
    versions = {name: registry.publish_fitted(one.registered, fitted[name]) for name, one in deployed.items()}
    for name, one in deployed.items():
        watched: Object = {} if name in KINDS else {"monitors": [AGE_SHIFT]}
        one.apply(monitoring={"window": "1m", **watched}, feedback={})
    with ExitStack() as open_doors:
        found = {}
        for name, one in deployed.items():
            one.until_serves(versions[name])
            found[name] = Asked(one, open_doors.enter_context(port_forwarded(kubectl, name, 8080)))
        token = kubectl("create", "token", "default", f"--audience={TOKEN_AUDIENCE}").strip()
        # One window sees it all: nobody is asked about later, and every outcome is known when the window ends.
        eventually(lambda: time.time() % WINDOW_SECONDS < WINDOW_SECONDS / 3, what="the next window", timeout=60)
        for name, asked in found.items():
            if name in KINDS:
                people, outcomes = KINDS[name].rows(1_600, seed=3)
                _tell(collector, token, asked.predict(people), outcomes)
            else:
                asked.predict(_aged(0.4 if name == "by-0-4" else 0.6, 20 if name == "by-few" else 1_600))
        yield found


def _aged(shift: float, number: int) -> pd.DataFrame:
    """People of whom any large part is older by that many standard deviations of the training data."""
    generator = np.random.default_rng(7)
    training = populations.BINARY.rows(populations.TRAINED_ON, seed=1)[0]["age"]
    drawn = generator.normal(0.0, 1.0, number)
    even = (drawn - drawn.mean()) / drawn.std()
    spend = generator.lognormal(3.0, 0.5, number)
    return pd.DataFrame({"age": training.mean() + training.std() * (even + shift), "monthly spend": spend})


@dataclass(frozen=True)
class Statuses:
    """What has been said of each model, the oldest first."""

    kube: Kube
    namespace: str
    said: dict[str, list[Object]] = field(default_factory=lambda: defaultdict(list))

    def until(self, name: str, holds: Callable[[Object], Any], what: str) -> Object:
        """The first status of this model for which this holds."""

        def check() -> Object | None:
            for one in self.kube.list(API_VERSION, MODEL_DEPLOYMENT, self.namespace):
                status, known = one.get("status") or {}, self.said[one["metadata"]["name"]]
                if not known or known[-1] != status:
                    known.append(status)
            return next((status for status in self.said[name] if holds(status)), None)

        return eventually(check, what=f"{what} of {name}", timeout=PATIENCE, every=LOOK)

    def until_condition(self, name: str, kind: str, status: str) -> Object:
        return self.until(name, lambda found: _condition(found, kind).get("status") == status, f"{kind}={status}")


@pytest.fixture(scope="module")
def statuses(kube: Kube, namespace: str, models: Mapping[str, Asked]) -> Statuses:
    return Statuses(kube, namespace)


def _condition(status: Object, kind: str) -> Object:
    return condition({"status": status}, kind)


def _figure(status: Object, monitor: str) -> Object:
    told = next(one for one in status["monitoring"]["monitors"] if one["name"] == monitor)
    figure: Object = told["figures"][0]
    return figure


def test_a_feature_that_moved_by_0_6_asks_for_a_review(statuses: Statuses) -> None:
    status = statuses.until_condition("by-0-6", "DataDrift", "True")
    told = _condition(status, "DataDrift")
    print(told["message"])
    assert told["reason"] == "FeatureShift"
    assert "age" in told["message"]
    figure = _figure(status, "age-shift")
    assert figure["value"] == pytest.approx(0.6, abs=0.1)
    assert figure["samples"] <= 1_600
    assert _condition(status, "ReviewRequired")["status"] == "True"
    assert _condition(status, "Ready")["status"] == "True"


def test_a_feature_that_moved_by_0_4_does_not(statuses: Statuses) -> None:
    status = statuses.until_condition("by-0-4", "DataDrift", "False")
    print(_condition(status, "DataDrift")["message"])
    assert _figure(status, "age-shift")["value"] == pytest.approx(0.4, abs=0.09)
    assert _condition(status, "ReviewRequired")["status"] == "False"
    assert all(_condition(one, "DataDrift").get("status") != "True" for one in statuses.said["by-0-4"])


def test_twenty_rows_are_too_few_for_a_verdict(statuses: Statuses) -> None:
    status = statuses.until(
        "by-few",
        lambda found: "monitoring" in found and _figure(found, "age-shift")["samples"] == 20,
        "a judged window",
    )
    drift = _condition(status, "DataDrift")
    print(drift["message"])
    assert _figure(status, "age-shift")["verdict"] == "InsufficientData"
    assert (drift["status"], drift["reason"]) == ("Unknown", "InsufficientData")


def _tell(collector: str, token: str, ids: list[str], outcomes: pd.Series[Any]) -> None:
    rows = [{"prediction_id": one, "outcome": outcome} for one, outcome in zip(ids, outcomes.tolist(), strict=True)]
    _, answer = post(f"{collector}{OUTCOMES_PATH}", rows, {"Authorization": f"Bearer {token}"})
    assert answer["stored"] == len(rows)


@pytest.mark.parametrize("name", list(KINDS))
def test_every_kind_of_model_is_served_profiled_and_monitored(statuses: Statuses, name: str) -> None:
    for kind in ("DataDrift", "PredictionDrift", "ConceptDrift"):
        status = statuses.until_condition(name, kind, "False")
        print(_condition(status, kind)["message"])
    monitors = {one["name"]: one for one in status["monitoring"]["monitors"]}
    assert monitors["errors"]["verdict"] == "Quiet"
    assert monitors["errors"]["figures"][0]["samples"] >= 500
