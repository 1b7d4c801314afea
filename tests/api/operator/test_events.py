"""The receiver of events in the real operator, with its shipped rights, before a real API server."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from localcluster.ports import free_ports
from tests.support.event_sending import KEY, binary, body_of, cloud_event, signed
from tests.support.kube import Kube, Kubectl, eventually
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, environment
from tests.support.manifests import retrain_policy
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess
from viridian.api.names import RECEIVED_EVENT_LABEL

ROOT = Path(__file__).resolve().parents[3]
EVENT = {"name": "ready", "event": {"type": "dev.example.batch.ready"}}

ORDERS = "--orders-secret=viridian-system/viridian-orders"
Operator = Callable[..., OperatorProcess]


class Receiving:
    """Operators with a receiver each, and a sender to any of them."""

    def __init__(self, make: Operator, kube: Kube, namespace: str, folder: Path) -> None:
        self.make, self.kube, self.namespace = make, kube, namespace
        self.keys = folder / "keys"
        self.keys.mkdir()
        (self.keys / "airflow").write_text(KEY)

    def operator(self, *flags: str) -> tuple[OperatorProcess, int]:
        (port,) = free_ports(1)
        return self.make(f"--events-port={port}", f"--events-keys={self.namespace}={self.keys}", *flags), port

    def send(self, port: int, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        url = f"http://127.0.0.1:{port}/v1/events/{self.namespace}/churn"
        request = urllib.request.Request(url, body, dict(headers), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def send_event(self, port: int, number: int) -> tuple[int, dict[str, Any]]:
        body = body_of(cloud_event(f"batch-{number}"))
        return self.send(port, body, signed(body, time.time()))

    def stored(self) -> list[str]:
        """Ids of the events that are stored."""
        found = self.kube.list("apps/v1", "ControllerRevision", self.namespace)
        return sorted(one["data"]["event"]["id"] for one in found if RECEIVED_EVENT_LABEL in one["metadata"]["labels"])


@pytest.fixture
def receiving(operator: Operator, kube: Kube, namespace: str, tmp_path: Path) -> Receiving:
    kube.apply(retrain_policy(namespace, triggers=[EVENT]))
    return Receiving(operator, kube, namespace, tmp_path)


def test_fifty_events_are_two_runs_although_the_operator_is_killed_between_them(
    receiving: Receiving, kube: Kube, kubelet: Kubelet, churn: LiveModel, namespace: str, mlflow: MlflowServer
) -> None:
    churn.apply({"registry": {"name": namespace, "alias": "candidate"}})
    policy = LivePolicy(kube, kubelet, namespace)
    spec = policy.apply()["spec"] | {"triggers": [EVENT]}
    kube.apply({**policy.identity, "spec": spec})
    operator, port = receiving.operator(f"--mlflow-uri={mlflow.url}", ORDERS)
    with operator:
        operator.until_ready()
        assert receiving.send_event(port, 0) == (202, {"stored": 1, "known": 0, "ignored": 0})
        first = policy.running()
        assert all(receiving.send_event(port, number)[0] == 202 for number in range(25))
        operator.kill()
    assert len(receiving.stored()) == 25
    operator, port = receiving.operator(f"--mlflow-uri={mlflow.url}", ORDERS)
    with operator:
        operator.until_ready()
        assert receiving.send_event(port, 24) == (202, {"stored": 0, "known": 1, "ignored": 0})
        assert all(receiving.send_event(port, number)[0] == 202 for number in range(25, 50))
        policy.ends(first, JobEnd(66, "nothing to do"))
        policy.finished()
        second = policy.running(2)
        policy.ends(second, JobEnd(66, "nothing to do"))
        policy.finished(2)
        eventually(lambda: policy.condition("Ready")["reason"] == "Waiting", what="rest after both runs")
        assert operator.stop() == 0, operator.log()
    assert len(policy.jobs()) == 2
    causes = [json.loads(environment(job)["VIRIDIAN_REASONS"]) for job in (first, second)]
    assert [len(one) for one in causes] == [1, 49]
    answered = [cause["evidence"]["id"] for one in causes for cause in one]
    assert sorted(answered) == sorted(f"batch-{number}" for number in range(50))


def test_two_operators_receive_and_each_event_is_stored_once(receiving: Receiving) -> None:
    (one, first), (two, second) = receiving.operator(), receiving.operator()
    with one, two:
        one.until_ready()
        two.until_ready()
        replies = [receiving.send_event(port, number) for number in range(5) for port in (first, second)]
    assert [status for status, _ in replies] == [202] * 10
    assert sum(document["stored"] for _, document in replies) == 5
    assert receiving.stored() == [f"batch-{number}" for number in range(5)]


def test_a_token_is_asked_about_and_needs_the_role_of_a_sender(
    receiving: Receiving, kube: Kube, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("apply", "-f", str(ROOT / "manifests" / "components" / "events-tokens" / "rbac.yaml"))
    for account in ("airflow", "stranger"):
        kubectl("create", "serviceaccount", account, "-n", namespace)
    role, subject = "--clusterrole=viridian-event-sender", f"--serviceaccount={namespace}:airflow"
    kubectl("create", "rolebinding", "airflow", "-n", namespace, role, subject)
    eventually(lambda: may_send(kube, namespace, "airflow"), what="the right to send")
    event = binary({"specversion": "1.0", "id": "1", "source": "/p", "type": "dev.example.batch.ready"})

    def token(account: str, audience: str = "viridian-events") -> str:
        return kubectl("create", "token", account, "-n", namespace, "--audience", audience).strip()

    def send(shown: str) -> tuple[int, dict[str, Any]]:
        return receiving.send(port, b"", {**event, "Authorization": f"Bearer {shown}"})

    operator, port = receiving.operator()
    with operator:
        operator.until_ready()
        assert [send(shown)[0] for shown in ("forged", token("airflow", "another"))] == [401, 401]
        refused, document = send(token("stranger"))
        assert (refused, "retrainpolicies/events" in document["error"]) == (403, True)
        assert receiving.stored() == []
        shown = token("airflow")
        assert send(shown) == (202, {"stored": 1, "known": 0, "ignored": 0})
        assert receiving.stored() == ["1"]
    assert shown not in operator.log()


def may_send(kube: Kube, namespace: str, account: str) -> bool:
    attributes = {"group": "viridian.dev", "resource": "retrainpolicies", "subresource": "events", "verb": "create"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {"name": ""},
        "spec": {
            "user": f"system:serviceaccount:{namespace}:{account}",
            "resourceAttributes": {**attributes, "namespace": namespace, "name": "churn"},
        },
    }
    return bool(kube.create(review)["status"]["allowed"])
