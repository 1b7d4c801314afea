"""What must never serve, and why not, in the words of the step that found it; and a server of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kube import Object
from tests.support.node.deployment import Deployed
from tests.support.node.registry import ClusterRegistry
from viridian.training.signing import KEY_FILE, make_key

NOT_ITS_DIGEST = f"sha256:{'0' * 64}"


def pod_was_never_ready(deployed: Deployed, slot: str) -> bool:
    return all(
        condition["status"] != "True"
        for pod in deployed.pods(slot)
        for condition in pod["status"].get("conditions", ())
        if condition["type"] == "Ready"
    )


def test_bytes_that_do_not_match_their_digest_never_serve(deployed: Deployed, registry: ClusterRegistry) -> None:
    version = registry.publish(deployed.registered)
    place = registry.place(deployed.registered, version)
    deployed.apply(model={**place, "digest": NOT_ITS_DIGEST}, rollout={"progressDeadline": "20s"})
    told = deployed.until(lambda status: "digest" in _told(status).get("message", ""), "the sentence about the digest")
    assert (_told(told)["status"], _told(told)["reason"]) == ("False", "ModelTampered")
    assert pod_was_never_ready(deployed, "blue")
    assert "champion" not in deployed.status
    print(_told(told)["message"])


def test_a_tampered_challenger_is_rejected(deployed: Deployed, registry: ClusterRegistry) -> None:
    sound = registry.publish(deployed.registered)
    deployed.apply(rollout={"progressDeadline": "15s"})
    deployed.until_serves(sound)
    tampered = registry.publish(deployed.registered, digest=NOT_ITS_DIGEST)
    rejected = deployed.until_rejected(tampered)
    assert rejected["reason"] == "ModelTampered"
    assert "digest" in rejected["message"], rejected
    assert deployed.champion["version"] == sound
    assert deployed.condition("Ready")["status"] == "True"


def test_a_pickle_is_refused_with_advice(deployed: Deployed, registry: ClusterRegistry) -> None:
    registry.publish_pickle(deployed.registered)
    deployed.apply(rollout={"progressDeadline": "20s"})
    told = deployed.until(lambda status: "pickle" in _told(status).get("message", ""), "the sentence about the pickle")
    assert "log the model as ONNX" in _told(told)["message"]
    assert (_told(told)["status"], _told(told)["reason"]) == ("False", "PickleRefused")
    assert "champion" not in deployed.status


def test_what_nobody_trusted_has_signed_never_serves(
    deployed: Deployed, registry: ClusterRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed versions are served; one that is not, and one of somebody else's, are sent home with the reason."""
    private, public = make_key(tmp_path / "ours")
    metadata = {"name": deployed.name, "namespace": deployed.namespace}
    keys = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"a.pem": public.read_text()}}
    deployed.kube.apply(keys)
    model = {
        "registry": {"name": deployed.registered, "alias": "candidate"},
        "signature": {"publicKeySecretRef": {"name": deployed.name}},
    }
    monkeypatch.setenv(KEY_FILE, str(private))
    monkeypatch.setenv("VIRIDIAN_MODEL_NAME", deployed.registered)
    sound = registry.publish(deployed.registered)
    deployed.apply(model=model)
    deployed.until_serves(sound)
    monkeypatch.delenv(KEY_FILE)
    assert deployed.until_rejected(registry.publish(deployed.registered))["reason"] == "ModelUnsigned"
    monkeypatch.setenv(KEY_FILE, str(make_key(tmp_path / "theirs")[0]))
    assert deployed.until_rejected(registry.publish(deployed.registered))["reason"] == "UnknownSigningKey"
    assert deployed.champion["version"] == sound


def _told(status: Object) -> Object:
    return next((one for one in status.get("conditions", ()) if one["type"] == "Ready"), {})


def test_a_server_of_the_users_own_finds_the_model_and_serves(deployed: Deployed, registry: ClusterRegistry) -> None:
    """Plain Python serves the files; it knows nothing of Viridian."""
    version = registry.publish(deployed.registered)
    container = {
        "name": "server",
        "image": "viridian/trainer:dev",
        "command": ["python", "-m", "http.server", "8080", "--directory", "/model"],
        "readinessProbe": {"httpGet": {"path": "/MLmodel", "port": "http"}, "periodSeconds": 1},
    }
    deployed.apply(server={"runtime": "Custom", "template": {"spec": {"containers": [container]}}})
    deployed.until_serves(version)
    assert "flavors" in str(deployed.ask("MLmodel"))
    second = registry.publish(deployed.registered)
    deployed.apply(
        server={"runtime": "Custom", "template": {"spec": {"containers": [container]}}},
        rollout={"steps": [{"weight": 50, "duration": "1s"}], "analysis": {"metrics": []}},
    )
    deployed.until_serves(second)
    assert deployed.until_condition("RollbackReady", "True")["reason"] == "FallbackReady"
