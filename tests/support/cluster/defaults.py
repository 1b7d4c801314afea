"""What the API server fills in when it stores the built-in kinds, as far as Viridian's objects are concerned.

Held to the real server by the contract tests: the same manifest applied to both gives the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Object = dict[str, Any]
JOB_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid", "batch.kubernetes.io/job-name", "job-name")


# What a stored object of a built-in kind does not show when it is empty, zero or false.
_SHOWN_EMPTY = frozenset(
    {"emptyDir", "securityContext", "resources", "strategy", "spec", "template", "metadata", "status"}
    # Of a NetworkPolicy an empty one selects everything.
    | {"podSelector", "namespaceSelector"}
)
_HIDDEN_ZEROS = frozenset({"minReadySeconds", "initialDelaySeconds"})
_HIDDEN_TEXTS = frozenset({"value", "name", "subPath", "host", "hostname", "subdomain", "workingDir"})
_HIDDEN_FALSE = frozenset(
    {"readOnly", "hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "paused", "publishNotReadyAddresses"}
)
# Maps whose keys are the user's own words.
_FREE = frozenset({"labels", "annotations", "matchLabels", "selector", "nodeSelector", "limits", "requests", "data"})


def with_defaults(manifest: Object) -> Object:
    """The object as the server would store it; a new one, its parts may be shared with the given one."""
    kind = manifest["kind"]
    if kind != "ControllerRevision":
        manifest = _without_blanks(manifest)
    else:
        manifest = {**manifest, "metadata": _without_blanks(manifest["metadata"])}
    fill = _FILL.get(kind)
    return fill(manifest) if fill else manifest


def under(defaults: Mapping[str, Any], value: Mapping[str, Any] | None) -> Object:
    """The value with what it lacks from the defaults, also inside of maps that both have."""
    result = dict(value or {})
    for key, default in defaults.items():
        if key not in result or result[key] is None:
            result[key] = default
        elif isinstance(default, Mapping) and isinstance(result[key], Mapping):
            result[key] = under(default, result[key])
    return result


def _without_blanks(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_blanks(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, inner in value.items():
        nested = isinstance(inner, dict | list) and not _is_free(key, inner)
        kept = _without_blanks(inner) if nested else inner
        if not _is_hidden(key, kept):
            result[key] = kept
    return result


def _is_free(key: str, value: Any) -> bool:
    """A Deployment's `selector` is no free map, but the one inside of it is."""
    return key == "status" or (key in _FREE and isinstance(value, dict) and "matchLabels" not in value)


def _is_hidden(key: str, value: Any) -> bool:
    if isinstance(value, dict | list):
        return not value and key not in _SHOWN_EMPTY
    if value is False:
        return key in _HIDDEN_FALSE
    return (value == 0 and key in _HIDDEN_ZEROS) or (value == "" and key in _HIDDEN_TEXTS)


def _deployment(manifest: Object) -> Object:
    spec = under(
        {
            "replicas": 1,
            "strategy": {"type": "RollingUpdate"},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        manifest["spec"],
    )
    if spec["strategy"]["type"] == "RollingUpdate":
        spec["strategy"] = under({"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}, spec["strategy"])
    spec["template"] = _pod_template(spec["template"])
    return {**manifest, "spec": spec}


def _job(manifest: Object) -> Object:
    spec = under(
        {"backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False, "manualSelector": False}, manifest["spec"]
    )
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec = under({"parallelism": 1}, spec)
    spec["podReplacementPolicy"] = spec.get(
        "podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"
    )
    spec["template"] = _pod_template(spec["template"])
    return _job_identity({**manifest, "spec": spec})


def _job_identity(manifest: Object) -> Object:
    """The labels by which a Job finds its pods."""
    metadata, spec = manifest["metadata"], manifest["spec"]
    if "uid" not in metadata:
        return manifest
    uid, name = metadata["uid"], metadata["name"]
    labels = dict(zip(JOB_LABELS, (uid, uid, name, name), strict=True))
    template = under({"metadata": {"labels": labels}}, spec["template"])
    selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    return {**manifest, "spec": {**spec, "template": template, "selector": selector}}


def _service(manifest: Object) -> Object:
    spec = under(
        {
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
        },
        manifest["spec"],
    )
    spec["ports"] = [under({"protocol": "TCP", "targetPort": port["port"]}, port) for port in spec.get("ports", [])]
    return {**manifest, "spec": spec}


def _pod(manifest: Object) -> Object:
    return {**manifest, "spec": _pod_spec(manifest["spec"])}


def _lease(manifest: Object) -> Object:
    return {**manifest, "spec": manifest.get("spec") or {}}


def _pod_template(template: Object) -> Object:
    return {**template, "spec": _pod_spec(template["spec"])}


def _pod_spec(spec: Object) -> Object:
    result = under(
        {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "schedulerName": "default-scheduler",
        },
        spec,
    )
    if "serviceAccountName" in result:
        result["serviceAccount"] = result["serviceAccountName"]
    for key in ("containers", "initContainers"):
        if key in result:
            result[key] = [_container(item) for item in result[key]]
    if "volumes" in result:
        result["volumes"] = [_volume(item) for item in result["volumes"]]
    return result


def _container(container: Object) -> Object:
    result = under(
        {
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": _pull_policy(container.get("image", "")),
        },
        container,
    )
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        if key in result:
            result[key] = _probe(result[key])
    if "ports" in result:
        result["ports"] = [under({"protocol": "TCP"}, port) for port in result["ports"]]
    if "env" in result:
        result["env"] = [_environment_variable(item) for item in result["env"]]
    return result


def _environment_variable(variable: Object) -> Object:
    if "fieldRef" in variable.get("valueFrom", {}):
        return under({"valueFrom": {"fieldRef": {"apiVersion": "v1"}}}, variable)
    return variable


def _probe(probe: Object) -> Object:
    result = under({"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}, probe)
    if "httpGet" in result:
        result["httpGet"] = under({"path": "/", "scheme": "HTTP"}, result["httpGet"])
    return result


def _volume(volume: Object) -> Object:
    sources: Mapping[str, Any] = {
        "secret": {"defaultMode": 420},
        "configMap": {"defaultMode": 420},
        "projected": {"defaultMode": 420},
        "downwardAPI": {"defaultMode": 420},
    }
    return {
        key: under(sources.get(key, {}), value) if isinstance(value, dict) else value for key, value in volume.items()
    }


def _pull_policy(image: str) -> str:
    name, _, digest = image.rpartition("/")[2].partition("@")
    floating = name.endswith(":latest") or (":" not in name and not digest)
    return "Always" if floating else "IfNotPresent"


_FILL: Mapping[str, Callable[[Object], Object]] = {
    "Deployment": _deployment,
    "Job": _job,
    "Service": _service,
    "Pod": _pod,
    "Lease": _lease,
}
