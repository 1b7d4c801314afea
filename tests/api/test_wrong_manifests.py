"""Every wrong manifest of the table is refused with a message that a newcomer can act on; right ones are taken."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.wrong_manifests import Refused, Wrong, merged, rows
from tests.support import kube as api
from tests.support.documents import document
from tests.support.kube import Kube
from tests.support.manifests import model_deployment, retrain_policy

# What a server says when a rule itself stumbles: a mistake of ours, and no help to anyone.
STUMBLES = ("no such key", "evaluation error", "no such overload", "failed rule")


@pytest.mark.parametrize("wrong", [pytest.param(row, id=row.mistake) for row in rows(Refused)])
def test_refused(kube: Kube, wrong: Wrong) -> None:
    assert isinstance(wrong.answer, Refused)
    with pytest.raises(api.Refused) as refusal:
        kube.create(wrong.manifest("default"))
    assert wrong.answer.says in str(refusal.value)
    assert not [stumble for stumble in STUMBLES if stumble in str(refusal.value)]


def test_the_table_is_long_enough_to_be_worth_its_name() -> None:
    mistakes = [row.mistake for row in rows(Refused)]
    assert len(mistakes) >= 45
    assert len(set(mistakes)) == len(mistakes)


RIGHT = {
    "a pinned version": (model_deployment, "spec: {model: {registry: {alias: null, version: '7'}}}"),
    "a model without a registry": (
        model_deployment,
        "spec: {model: {registry: null, uri: 'mlflow-artifacts:/1/abc/artifacts/model', digest: 'sha256:"
        + "a" * 64
        + "'}}",
    ),
    "a model in an image, by tag": (
        model_deployment,
        "spec: {model: {registry: null, uri: 'oci://localhost:5000/models/churn_a.b-c:v7', digest: 'sha256:"
        + "a" * 64
        + "'}}",
    ),
    "a model in an image, by digest": (
        model_deployment,
        f"spec: {{model: {{registry: null, uri: 'oci://r.example.com/churn:7@sha256:{'b' * 64}', digest: 'sha256:"
        + "a" * 64
        + "'}}",
    ),
    "keys of several signers": (
        model_deployment,
        "spec: {model: {signature: {required: false, publicKeySecretRef: {name: model-signing.v2}}}}",
    ),
    "one entry of a Secret": (
        model_deployment,
        "spec: {model: {signature: {publicKeySecretRef: {name: model-signing, key: 1f0c_A.pem}}}}",
    ),
    "an alias that only begins like a reserved one": (
        model_deployment,
        "spec: {model: {registry: {alias: latest-good}}}",
    ),
    "no pods": (model_deployment, "spec: {server: {replicas: 0}, fallback: {replicas: 0}}"),
    "a longest name": (model_deployment, f"metadata: {{name: {'m' * 50}}}"),
    "runtime Custom": (
        model_deployment,
        "spec: {server: {runtime: Custom, template: {spec: {containers: [{name: server, image: 'triton:1'}]}}}}",
    ),
    "resources for the built-in server": (
        model_deployment,
        "spec: {server: {template: {spec: {containers: [{name: server, resources: {limits: {cpu: '1'}}}]}}}}",
    ),
    "no steps and no metrics": (model_deployment, "spec: {rollout: {steps: [], analysis: {metrics: []}}}"),
    "an approval first and between": (
        model_deployment,
        "spec: {rollout: {steps: [{approval: {}}, {weight: 1}, {approval: {message: a}}, {weight: 100}]}}",
    ),
    "rows that are kept just long enough for their labels": (
        model_deployment,
        "spec: {feedback: {retention: 22d, labelMaturity: 14d}, monitoring: {window: 2d, season: 14d, monitors: "
        "[{name: auc, performance: {metric: auc, min: 0.8}}, {name: inputs, drift: {}}]}}",
    ),
    "late labels that no monitor waits for": (
        model_deployment,
        "spec: {feedback: {retention: 1h, labelMaturity: 90d}, monitoring: {monitors: [{name: inputs, drift: {}}]}}",
    ),
    "durations of every unit": (
        model_deployment,
        "spec: {rollout: {probation: 1d2h3m4s500ms, progressDeadline: 365d, steps: [{weight: 5, duration: 90m}]}}",
    ),
    "a window as long as the interval": (
        model_deployment,
        "spec: {rollout: {analysis: {interval: 60s, window: 1m, maxHold: 0s}}}",
    ),
    "every metric": (
        model_deployment,
        "spec: {rollout: {analysis: {metrics: [{name: error-rate, max: 0}, {name: success-rate, min: 1}, "
        "{name: latency-p50, max: 0.05}, {name: latency-p90, max: 1}, {name: latency-p95, max: 1.5}, "
        "{name: latency-p99, max: 60}]}}}",
    ),
    "a longest policy's name": (retrain_policy, f"metadata: {{name: {'p' * 40}}}"),
    "no triggers": (retrain_policy, "spec: {triggers: []}"),
    "cron with lists, ranges, steps and names": (
        retrain_policy,
        "spec: {triggers: [{name: a, schedule: {cron: '*/15,59 0-6/2 1,15 jan-MAR Mon-Fri', timeZone: Asia/Tokyo}}]}",
    ),
    "a time zone with a sign": (
        retrain_policy,
        "spec: {triggers: [{name: a, schedule: {cron: 0 3 * * 7, timeZone: Etc/GMT+5}}]}",
    ),
    "a gate of thresholds": (
        retrain_policy,
        "spec: {gate: {rule: Thresholds, metrics: [{name: val/auc, min: 0.8, max: 0.8}]}}",
    ),
    "a gate whose metric has a direction only": (
        retrain_policy,
        "spec: {gate: {metrics: [{name: log_loss, direction: Lower}]}}",
    ),
    "data": (retrain_policy, "spec: {data: {uri: 's3://bucket/train.csv', revision: main}}"),
}


@pytest.mark.parametrize("right", RIGHT)
def test_taken(kube: Kube, namespace: str, right: str) -> None:
    build, change = RIGHT[right]
    manifest = merged(build(namespace), document(change))
    stored = kube.create(manifest)
    assert stored["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modle": {}}, ".spec.modle: field not declared in schema"),
        ({"rollout": {"analysis": {"metrics": [{"name": "error-rate", "max": 0.1}] * 2}}}, "duplicate entries for key"),
    ],
    ids=["unknown field", "duplicate name"],
)
def test_server_side_apply_says_it_in_its_own_words(
    kube: Kube, namespace: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(api.Refused, match=message.replace(".", r"\.")):
        kube.apply(merged(model_deployment(namespace), {"spec": change}))
