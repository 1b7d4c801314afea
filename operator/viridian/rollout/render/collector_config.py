"""What a server's pod needs for telling the collector what it answers: an address, a token, and the rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from viridian.api import feedback as words
from viridian.api.feedback_spec import Feedback
from viridian.api.kubelet_variables import literal
from viridian.api.modeldeployment import ModelDeploymentSpec, Runtime
from viridian.api.names import SERVER_CONTAINER
from viridian.api.privacy import Rules
from viridian.core import collector_token
from viridian.core.profile_interval import profile_seconds

KEY_DIR: Final = "/var/run/secrets/viridian.dev/feedback"
KEY_VOLUME: Final = "feedback-key"


def collector_settings(spec: ModelDeploymentSpec) -> dict[str, Any]:
    """The settings of a pod that come from the spec: part of its revision. Empty where there are none."""
    settings: dict[str, Any] = {}
    if spec.server.runtime is Runtime.CUSTOM or (spec.feedback is None and spec.monitoring is None):
        return settings
    settings["profileSeconds"] = profile_seconds(spec.monitoring)
    if spec.feedback is not None:
        settings["rules"] = msgspec.to_builtins(_rules(spec.feedback))
        if key := spec.feedback.hash_key_secret_ref:
            settings["key"] = [key.name, key.key]
    return settings


def fragment(spec: ModelDeploymentSpec, collector_url: str | None) -> Mapping[str, Any]:
    """What is merged onto the pod template; nothing where there are no settings or no collector."""
    settings = collector_settings(spec)
    if not settings or collector_url is None:
        return {}
    environment: list[dict[str, Any]] = [
        {"name": words.COLLECTOR_URL_VARIABLE, "value": collector_url},
        {"name": words.COLLECTOR_TOKEN_FILE_VARIABLE, "value": collector_token.TOKEN_FILE},
        {"name": words.PROFILE_SECONDS_VARIABLE, "value": str(settings["profileSeconds"])},
    ]
    mounts, volumes = [collector_token.mount()], [collector_token.volume()]
    if spec.feedback is not None:
        rules = msgspec.json.encode(_rules(spec.feedback)).decode()
        environment.append({"name": words.RULES_VARIABLE, "value": literal(rules)})
        if key := spec.feedback.hash_key_secret_ref:
            environment.append({"name": words.KEY_FILE_VARIABLE, "value": f"{KEY_DIR}/{key.key}"})
            environment.append({"name": words.KEY_SECRET_VARIABLE, "value": key.name})
            mounts.append({"name": KEY_VOLUME, "mountPath": KEY_DIR, "readOnly": True})
            # Optional: without the Secret the server says so and starts again, where a pod would wait without a word.
            items = [{"key": key.key, "path": key.key}]
            secret = {"secretName": key.name, "items": items, "optional": True}
            volumes.append({"name": KEY_VOLUME, "secret": secret})
    return {
        "spec": {
            "containers": [
                {
                    "name": SERVER_CONTAINER,
                    "env": environment,
                    "volumeMounts": mounts,
                }
            ],
            "volumes": volumes,
        }
    }


def _rules(feedback: Feedback) -> Rules:
    return Rules(
        sampling=float(feedback.sampling),
        deny=feedback.columns.deny,
        hash=feedback.columns.hash,
        subject=feedback.subject or "",
    )
