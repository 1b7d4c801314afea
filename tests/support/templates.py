"""Pod templates where they are limited to resources, scheduling and plain environment: what is taken and what is not.

The operator and the admission policies are held to the same tables.
"""

from __future__ import annotations

import copy
from typing import Any

from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT

Object = dict[str, Any]
IMAGES = ("registry.example.com/trainers/*", "registry.example.com/one:1")
IMAGE = "registry.example.com/trainers/churn:1.4"

HARMLESS: dict[str, tuple[Object, Object]] = {
    "nothing": ({}, {}),
    "resources": ({}, {"resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}}}),
    "plain environment": ({}, {"env": [{"name": "OMP_NUM_THREADS", "value": "1"}, {"name": "TZ", "value": ""}]}),
    "a bound of the server": ({}, {"env": [{"name": "VIRIDIAN_MAX_BODY_BYTES", "value": "1"}]}),
    "a node": ({"nodeSelector": {"gpu": "yes"}, "tolerations": [{"operator": "Exists"}], "affinity": {}}, {}),
    "a spread": ({"topologySpreadConstraints": [{"topologyKey": "zone"}], "priorityClassName": "low"}, {}),
}
"""Fields of the pod, and of its container."""

TOO_MUCH: dict[str, tuple[Object, Object]] = {
    "privileged": ({}, {"securityContext": {"privileged": True}}),
    "host network": ({"hostNetwork": True}, {}),
    "host path": ({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, {}),
    "a service account": ({"serviceAccountName": "powerful"}, {}),
    "a token": ({"automountServiceAccountToken": True}, {}),
    "a pull secret": ({"imagePullSecrets": [{"name": "bank"}]}, {}),
    "an init container": ({"initContainers": [{"name": "side", "image": "evil"}]}, {}),
    "a priority of the system": ({"priorityClassName": "system-node-critical"}, {}),
    "a null in the pod": ({"securityContext": None}, {}),
    "a command": ({}, {"command": ["sh"]}),
    "arguments": ({}, {"args": ["-c", "id"]}),
    "a hook": ({}, {"lifecycle": {"postStart": {"exec": {"command": ["id"]}}}}),
    "a mount": ({}, {"volumeMounts": [{"name": "model", "mountPath": "/x"}]}),
    "all of a Secret": ({}, {"envFrom": [{"secretRef": {"name": "bank"}}]}),
    "a Secret": ({}, {"env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "bank", "key": "p"}}}]}),
    "a null in the place of the environment": ({}, {"env": None}),
    "a null in the place of resources": ({}, {"resources": None}),
    "claims": ({}, {"resources": {"claims": [{"name": "gpu"}]}}),
    "another environment": ({}, {"env": [{"$patch": "replace"}]}),
    "a variable less": ({}, {"env": [{"name": "TZ", "value": "", "$patch": "delete"}]}),
    "another container": ({}, {"$patch": "replace"}),
    "code of Python's own": ({}, {"env": [{"name": "PYTHONPATH", "value": "/model"}]}),
    "code of the loader's": ({}, {"env": [{"name": "LD_PRELOAD", "value": "/model/x.so"}]}),
    "another model": ({}, {"env": [{"name": "VIRIDIAN_MODEL_URI", "value": "https://evil"}]}),
    "no signature": ({}, {"env": [{"name": "VIRIDIAN_SIGNATURE_REQUIRED", "value": "false"}]}),
    "another collector": ({}, {"env": [{"name": "VIRIDIAN_COLLECTOR_URL", "value": "https://evil"}]}),
    "another registry": ({}, {"env": [{"name": "MLFLOW_TRACKING_URI", "value": "https://evil"}]}),
    "a proxy": ({}, {"env": [{"name": "https_proxy", "value": "http://evil"}]}),
}


def template(kind: str, fields: tuple[Object, Object]) -> Object:
    """A template of that kind with these fields of the pod and of its container."""
    pod, inside = copy.deepcopy(fields)
    own = {"name": "server"} if kind == MODEL_DEPLOYMENT else {"name": "train", "image": IMAGE}
    return {"spec": {**pod, "containers": [{**own, **inside}]}}


def manifest(kind: str, namespace: str, made: Object, **more: Any) -> Object:
    """An object of that kind with this template."""
    model: Object = {"model": {"registry": {"name": "churn", "alias": "candidate"}}, "server": {"template": made}}
    policy: Object = {"modelDeployment": "churn", "stages": {"training": {"template": made}}}
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": "limited", "namespace": namespace},
        "spec": {**(model if kind == MODEL_DEPLOYMENT else policy), **more},
    }
