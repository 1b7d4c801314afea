"""Manifests that tests start from: the smallest useful ones of both kinds, fresh at every call."""

from __future__ import annotations

from typing import Any

from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, RETRAIN_POLICY

Manifest = dict[str, Any]


def model_deployment(namespace: str, name: str = "churn", **spec: Any) -> Manifest:
    """Follows the alias `candidate` of the model `churn`; keyword arguments replace parts of the spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": MODEL_DEPLOYMENT,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "model": {"registry": {"name": "churn", "alias": "candidate"}},
            "rollout": {
                "steps": [{"weight": 10, "duration": "5m"}, {"weight": 50, "duration": "5m"}],
                "analysis": {"metrics": [{"name": "error-rate", "max": 0.01}, {"name": "latency-p95", "max": 0.25}]},
            },
            **spec,
        },
    }


def retrain_policy(namespace: str, name: str = "churn", **spec: Any) -> Manifest:
    """Retrains the ModelDeployment `churn` every Sunday; keyword arguments replace parts of the spec."""
    container = {"name": "train", "image": "ghcr.io/acme/churn-train:1.4"}
    return {
        "apiVersion": API_VERSION,
        "kind": RETRAIN_POLICY,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "modelDeployment": "churn",
            "triggers": [{"name": "weekly", "schedule": {"cron": "0 3 * * 0"}}],
            "stages": {"training": {"template": {"spec": {"containers": [container]}}}},
            **spec,
        },
    }
