"""The pod template of a revision: Viridian's own, with the user's fragment merged onto it (strategic merge)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viridian.api.address import IMAGE_SCHEME, MODEL_URI_SECRET_VARIABLE, MODEL_URI_VARIABLE, variable
from viridian.api.features import FEATURES_ANNOTATION, FEATURES_DIGEST_VARIABLE, FEATURES_REF_VARIABLE, ModelFeatures
from viridian.api.kubelet_variables import literal
from viridian.api.model_source import ModelSignature
from viridian.api.modeldeployment import Runtime, Server
from viridian.api.names import (
    FETCH_CONTAINER,
    GROUP,
    HTTP_PORT,
    MANAGEMENT_PORT,
    MODEL_DEPLOYMENT_LABEL,
    REVISION_LABEL,
    SERVER_CONTAINER,
    SLOT_LABEL,
    preview_service,
)
from viridian.api.orders import KEY_VARIABLE, SHADOW_TARGET_VARIABLE
from viridian.api.podtemplate import too_large
from viridian.api.samples import DEPLOYMENT_VARIABLE, NAMESPACE_VARIABLE, POD_VARIABLE
from viridian.api.samples import MANAGEMENT_PORT as MANAGEMENT_PORT_NUMBER
from viridian.core.strategic_merge import InvalidTemplate, merge, names_memory
from viridian.rollout.input import OperatorSettings
from viridian.rollout.records import ServedModel

MODEL_DIR = "/model"
MODEL_SIZE = "21Gi"
"""Of the volume: the largest model that is fetched, and a little."""
TMP_SIZE = "1Gi"
FETCH_MEMORY = "512Mi"
"""Nothing of a model is ever held in memory as a whole while it is fetched; what is left is room for verifying it."""
SERVER_MEMORY = "4Gi"
"""For a server of ours whose needs nobody has written down. A node has more, and one pod must not take all of it."""
KEYS_DIR = "/viridian/trusted-keys"
KEYS_VOLUME = "trusted-keys"


def pod_template(
    name: str,
    model: ServedModel,
    server: Server,
    settings: OperatorSettings,
    signature: ModelSignature | None = None,
    collecting: Mapping[str, Any] | None = None,
    features: ModelFeatures | None = None,
) -> dict[str, Any]:
    """The template of a revision, the same for both slots: what differs by slot is added with the Deployment.

    `collecting` is the fragment of `viridian.rollout.collecting`.
    """
    _check(server)
    own = merge(_own(name, model, server, settings), _platform(server, settings))
    own = merge(own, collecting or {})
    own = merge(own, _started_with(features) if features is not None else {})
    if signature is not None:
        own = merge(own, {"spec": _trusting(signature, server, model)})
    try:
        merged: dict[str, Any] = merge(own, server.template)
    except InvalidTemplate as error:
        raise InvalidTemplate(f"server.template: {error}") from error
    _check_server(merged, server.runtime)
    return merged


def _check(server: Server) -> None:
    template = server.template
    for part, kind in (("metadata", "a map"), ("spec", "a map")):
        if not isinstance(template.get(part, {}), Mapping):
            raise InvalidTemplate(f"server.template.{part} must be {kind}, as in a Deployment's pod template")
    if problem := too_large(template):
        raise InvalidTemplate(f"server.template {problem}: keep large texts in a ConfigMap")
    unknown = set(template) - {"metadata", "spec"}
    if unknown:
        raise InvalidTemplate(
            f"server.template has {', '.join(sorted(unknown))}; it is a pod template: put containers and the like "
            "under server.template.spec"
        )
    labels = template.get("metadata", {}).get("labels") or {}
    ours = [label for label in labels if str(label).startswith(f"{GROUP}/")]
    if ours:
        raise InvalidTemplate(f"server.template.metadata.labels sets {ours[0]}; labels of {GROUP} are Viridian's own")
    for part in ("containers", "initContainers", "volumes"):
        if not isinstance(template.get("spec", {}).get(part, []), list):
            raise InvalidTemplate(f"server.template.spec.{part} must be a list")


def _check_server(merged: Mapping[str, Any], runtime: Runtime) -> None:
    containers = merged.get("spec", {}).get("containers") or []
    if any(c.get("name") == SERVER_CONTAINER and c.get("image") for c in containers if isinstance(c, Mapping)):
        return
    if runtime is Runtime.CUSTOM:
        raise InvalidTemplate(
            "runtime Custom needs the container that serves: name it `server` in server.template.spec.containers "
            "and give it an image"
        )
    raise InvalidTemplate(
        "server.template takes the container `server` away, or its image: leave both there, or set runtime: Custom and "
        "name a container of your own `server`"
    )


def _own(name: str, model: ServedModel, server: Server, settings: OperatorSettings) -> dict[str, Any]:
    pull_secrets = [{"name": secret} for secret in settings.image_pull_secrets]
    return {
        "metadata": {
            "labels": {
                "app.kubernetes.io/name": "model-server",
                "app.kubernetes.io/instance": name,
                "app.kubernetes.io/component": "server",
                "app.kubernetes.io/part-of": "viridian",
                "app.kubernetes.io/managed-by": "viridian",
            },
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(MANAGEMENT_PORT_NUMBER),
                "kubectl.kubernetes.io/default-container": SERVER_CONTAINER,
            },
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": True,
                **settings.platform.ids(),
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **({"imagePullSecrets": pull_secrets} if pull_secrets else {}),
            **_spread(name),
            "initContainers": [_fetch(model, server, settings)],
            "containers": [_server(name, model, server, settings)],
            "volumes": [
                {"name": "model", **_model_volume(model)},
                {"name": "tmp", "emptyDir": {"sizeLimit": TMP_SIZE}},
            ],
        },
    }


def _model_volume(model: ServedModel) -> dict[str, Any]:
    """An empty one that the init step fills, or the image that holds the model, which the init step checks alone."""
    if model.uri.startswith(IMAGE_SCHEME):
        return {"image": {"reference": model.uri.removeprefix(IMAGE_SCHEME)}}
    return {"emptyDir": {"sizeLimit": MODEL_SIZE}}


def _platform(server: Server, settings: OperatorSettings) -> dict[str, Any]:
    """What the platform gives: the init step calls what may be outside; a server of ours calls the cluster alone."""
    platform = settings.platform
    fetch = {"name": FETCH_CONTAINER, **platform.container(proxies=True)}
    serving = {"name": SERVER_CONTAINER, **platform.container(proxies=False)}
    ours = [serving] if server.runtime is Runtime.BUILTIN else []
    return {"spec": {"volumes": platform.volumes(), "initContainers": [fetch], "containers": ours}}


def _spread(name: str) -> dict[str, Any]:
    """Zones and nodes that fail take as few pods as can be: of a revision, and of champion and fallback together.

    Preferences alone, so that one node is enough. Nodes are not named beside zones: where nodes have no zone, the
    scheduler does not score by any of the constraints.
    """
    pods = {"matchLabels": {MODEL_DEPLOYMENT_LABEL: name}}
    return {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": pods,
                "matchLabelKeys": [SLOT_LABEL, REVISION_LABEL],
            }
        ],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "podAffinityTerm": {"labelSelector": pods, "topologyKey": "kubernetes.io/hostname"},
                    }
                ]
            }
        },
    }


def _restricted() -> dict[str, Any]:
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def _resources(server: Server, kind: str, name: str, requests: dict[str, str], most: str) -> dict[str, Any]:
    """A limit of memory only where the user has not written how much it needs: that may be above ours."""
    containers = server.template.get("spec", {}).get(kind) or ()
    own = [each for each in containers if isinstance(each, Mapping) and each.get("name") == name]
    return {"requests": requests} if any(map(names_memory, own)) else {"requests": requests, "limits": {"memory": most}}


def _fetch(model: ServedModel, server: Server, settings: OperatorSettings) -> dict[str, Any]:
    environment = {
        # What the init step may call the address: it never shows one that came from a Secret.
        MODEL_URI_SECRET_VARIABLE: model.uri if model.secret else "",
        "VIRIDIAN_MODEL_DIGEST": model.digest or "",
        "VIRIDIAN_MODEL_DIR": MODEL_DIR,
        "MLFLOW_TRACKING_URI": settings.mlflow_uri or "",
    }
    return {
        "name": FETCH_CONTAINER,
        "image": settings.server_image,
        "command": ["viridian-fetch"],
        "env": [
            *([variable(MODEL_URI_VARIABLE, model.uri, secret=model.secret)] if model.uri else []),
            *({"name": key, "value": literal(value)} for key, value in environment.items() if value),
        ],
        "volumeMounts": [{"name": "model", "mountPath": MODEL_DIR}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
        "resources": _resources(
            server, "initContainers", FETCH_CONTAINER, {"cpu": "50m", "memory": "64Mi"}, FETCH_MEMORY
        ),
        "securityContext": _restricted(),
    }


def _server(name: str, model: ServedModel, server: Server, settings: OperatorSettings) -> dict[str, Any]:
    environment = {
        "VIRIDIAN_MODEL_DIR": MODEL_DIR,
        "VIRIDIAN_MODEL_NAME": model.name or name,
        "VIRIDIAN_MODEL_VERSION": model.version or "",
        "VIRIDIAN_PORT": str(server.port),
        KEY_VARIABLE: settings.orders_key or "",
        SHADOW_TARGET_VARIABLE: f"http://{preview_service(name)}:{server.port}",
    }
    requests = {"cpu": "100m", "memory": "128Mi"}
    common = {
        "name": SERVER_CONTAINER,
        "ports": [
            {"name": HTTP_PORT, "containerPort": server.port, "protocol": "TCP"},
            {"name": MANAGEMENT_PORT, "containerPort": MANAGEMENT_PORT_NUMBER, "protocol": "TCP"},
        ],
        "env": [
            *({"name": key, "value": literal(value)} for key, value in environment.items() if value),
            *_owner(name),
        ],
        "volumeMounts": [
            {"name": "model", "mountPath": MODEL_DIR, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
        "resources": {"requests": requests},
        "securityContext": _restricted(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if server.runtime is Runtime.CUSTOM:
        return common
    return {
        **common,
        "resources": _resources(server, "containers", SERVER_CONTAINER, requests, SERVER_MEMORY),
        "image": settings.server_image,
        "readinessProbe": _probe("/v2/health/ready", period=1, failures=2),
        "livenessProbe": _probe("/v2/health/live", period=10, failures=3),
        "startupProbe": _startup_probe(server.port),
    }


def _owner(name: str) -> list[dict[str, Any]]:
    """What a server says in its metrics about whose they are; slot and revision come with the Deployment."""
    fields = {NAMESPACE_VARIABLE: "metadata.namespace", POD_VARIABLE: "metadata.name"}
    return [
        {"name": DEPLOYMENT_VARIABLE, "value": name},
        *({"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()),
    ]


# It ends once the server is ready. An ordinary start then shows no failed probe, which the kubelet tells as a Warning.
_UNTIL_READY = """\
import socket, time
while True:
    try:
        with socket.create_connection(("localhost", {port}), 5) as server:
            server.sendall(b"GET /v2/health/ready HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
            if b" 200 " in server.recv(64):
                break
    except OSError:
        pass
    time.sleep(0.1)
"""


def _startup_probe(port: int) -> dict[str, Any]:
    return {
        "exec": {"command": ["python3", "-IS", "-c", _UNTIL_READY.format(port=port)]},
        "periodSeconds": 1,
        "timeoutSeconds": 60,
        "failureThreshold": 5,
    }


def _started_with(features: ModelFeatures) -> dict[str, Any]:
    """The definition of features, for the server in variables, and for people who look at its pods."""
    values = {FEATURES_REF_VARIABLE: features.ref, FEATURES_DIGEST_VARIABLE: features.digest or ""}
    variables = [{"name": name, "value": literal(value)} for name, value in values.items() if value]
    shown = {FEATURES_ANNOTATION: features.digest} if features.digest else {}
    return {
        "metadata": {"annotations": shown},
        "spec": {"containers": [{"name": SERVER_CONTAINER, "env": variables}]},
    }


def _trusting(signature: ModelSignature, server: Server, model: ServedModel) -> dict[str, Any]:
    """What a pod needs for telling whose model it gets: in the init step, and in a server of ours once more."""
    keys = signature.public_key_secret_ref
    # Optional: without the Secret the init step says so and tries again, where a pod would wait without a word.
    secret: dict[str, Any] = {"secretName": keys.name, "optional": True}
    if keys.key is not None:
        secret["items"] = [{"key": keys.key, "path": keys.key}]
    trust = {
        "env": [
            {"name": "VIRIDIAN_TRUSTED_KEYS", "value": KEYS_DIR},
            {"name": "VIRIDIAN_SIGNATURE_REQUIRED", "value": "true" if signature.required else "false"},
            *({"name": "VIRIDIAN_SIGNED_MODEL", "value": name} for name in [model.name] if name),
            *({"name": "VIRIDIAN_SIGNED_RUN", "value": run} for run in [model.run] if run),
        ],
        "volumeMounts": [{"name": KEYS_VOLUME, "mountPath": KEYS_DIR, "readOnly": True}],
    }
    checked_again = [{"name": SERVER_CONTAINER, **trust}] if server.runtime is Runtime.BUILTIN else []
    return {
        "volumes": [{"name": KEYS_VOLUME, "secret": secret}],
        "initContainers": [{"name": FETCH_CONTAINER, **trust}],
        "containers": checked_again,
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": HTTP_PORT},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
