"""Whole intents such as the operator applies, small: one of each kind."""

from __future__ import annotations

from typing import Any

from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT
from viridian.ports.cluster import Object

LABELS = {"viridian.dev/model-deployment": "churn", "viridian.dev/slot": "blue"}


def container(**more: Any) -> Object:
    return {
        "name": "server",
        "image": "server:1",
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "management", "containerPort": 8081}],
        "env": [{"name": "VIRIDIAN_SLOT", "value": "blue"}, {"name": "EMPTY", "value": ""}],
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [{"name": "model", "mountPath": "/model", "readOnly": True}],
        **more,
    }


def pod_spec(**more: Any) -> Object:
    return {
        "initContainers": [{"name": "fetch", "image": "server", "command": ["viridian-fetch"]}],
        "containers": [container()],
        "volumes": [{"name": "model", "emptyDir": {}}],
        "securityContext": {"runAsNonRoot": True},
        **more,
    }


def deployment(namespace: str, *, name: str = "churn-blue", pod: Object | None = None, **spec: Any) -> Object:
    """Of zero replicas, so that no controller has much to say about it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(LABELS)},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": dict(LABELS)},
            "template": {"metadata": {"labels": dict(LABELS)}, "spec": pod or pod_spec()},
            **spec,
        },
    }


def job(namespace: str, *, name: str = "churn-1-training", **spec: Any) -> Object:
    """A suspended one, so that its controller leaves it alone."""
    main = {"name": "train", "image": "trainer:1", "env": [{"name": "VIRIDIAN_RUN_ID", "value": "1"}]}
    rules = [{"action": "FailJob", "onExitCodes": {"containerName": "train", "operator": "In", "values": [64, 65]}}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": {"viridian.dev/run": "1"}},
        "spec": {
            "suspend": True,
            "backoffLimit": 1,
            "podFailurePolicy": {"rules": rules},
            "template": {
                "metadata": {"labels": {"viridian.dev/run": "1"}},
                "spec": {"restartPolicy": "Never", "containers": [main]},
            },
            **spec,
        },
    }


def service(namespace: str, selector: dict[str, str] | None = None, *, name: str = "churn", **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"selector": selector or dict(LABELS), "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }


def budget(namespace: str, *, name: str = "churn-blue") -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(LABELS)}},
    }


def autoscaler(namespace: str, *, name: str = "churn-blue") -> Object:
    target = {"type": "Utilization", "averageUtilization": 70}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [
                {
                    "type": "ContainerResource",
                    "containerResource": {"name": "cpu", "container": "server", "target": target},
                }
            ],
        },
    }


def network_policy(namespace: str, *, name: str = "churn-server") -> Object:
    peer = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "operator"}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "podSelector": {
                "matchLabels": dict(LABELS),
                "matchExpressions": [{"key": "viridian.dev/slot", "operator": "Exists"}],
            },
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"port": "http", "protocol": "TCP"}, {"port": 9000, "protocol": "TCP"}]},
                {"from": [peer, {"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 8081, "protocol": "TCP"}]},
            ],
        },
    }


def record(namespace: str, *, name: str = "churn-abc", **metadata: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "revision": 1,
        "data": {"model": {"version": "1"}, "template": {"spec": {"containers": [container()]}}},
    }


def claim(namespace: str, *, name: str = "churn-abc-files") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def config(namespace: str, *, name: str = "settings", data: dict[str, str] | None = None, **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "data": {"a": "1"} if data is None else data,
    }


def model_deployment(namespace: str, *, name: str = "churn", **spec: Any) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": MODEL_DEPLOYMENT,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": {"registry": {"name": "churn", "alias": "candidate"}}, **spec},
    }


def owned_by(owner: Object, manifest: Object) -> Object:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [reference]}}
