"""What of objects, Events and logs may leave a company: a list of what is kept. Whatever it does not name is left out.

Kept are names, states, numbers of a spec, and sentences that the operator itself makes, without what addresses hide.
Left out are the values of variables, arguments, labels and annotations that others set, and all that a container wrote,
such as the end of its log: it may quote rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from viridian.api import crd, durations
from viridian.api.address import concealed
from viridian.api.names import GROUP, MODEL_DEPLOYMENT
from viridian.api.structural import Schema

OMITTED: Final = "(omitted)"
"""Stands where a text was, so that a reader sees that there was one."""
_COMMANDS: Final = ("approve", "promote", "skip", "reject", "rollback", "retry", "restart", "drill", "run", "accept")
_FACTS: Final = ("traffic", "outcome", "registry-synced", "reverted", "route", "stages", "schedules")
ANNOTATIONS: Final = frozenset(f"{GROUP}/{name}" for name in (*_COMMANDS, *_FACTS))
"""Texts of people in them stand behind the first word, and are cut."""
LABELS: Final = (f"{GROUP}/", "app.kubernetes.io/")
_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
)
_NAMES: Final = frozenset(
    {
        "name", "alias", "version", "cron", "timeZone", "modelDeployment", "digest", "image", "names", "apiVersion",
        "kind", "namespace", "serviceAccountName", "priorityClassName", "schedulerName", "runtimeClassName",
    }
)  # fmt: skip
"""Fields of specs whose texts are names or words of an API."""
_WORDS: Final = _NAMES | {
    "type", "reason", "status", "revision", "id", "run", "step", "slot", "stage", "outcome", "state", "verdict",
    "waitingReason", "from", "to", "job", "holdout", "mlflowRun",
}  # fmt: skip
"""The same of statuses. People write reasons into specs, and the operator writes words there."""
_SENTENCES: Final = frozenset({"message", "waitingFor"})
"""Texts of the operator in the status of a ModelDeployment. In that of a RetrainPolicy they quote containers."""
_WORKLOAD: Final = {
    "spec": {
        "replicas": True, "selector": {"matchLabels": True}, "type": True, "clusterIP": True,
        "ports": {"name": True, "port": True, "targetPort": True},
        "template": {"spec": "pod"},
    },
    "status": True,
}  # fmt: skip
_CONTAINER: Final = {
    "name": True, "image": True, "resources": True, "ports": True, "imagePullPolicy": True, "env": {"name": True},
}  # fmt: skip
_POD: Final = {"containers": _CONTAINER, "initContainers": _CONTAINER, "serviceAccountName": True, "nodeName": True}
_STATE: Final = {"reason": True, "exitCode": True, "startedAt": True, "finishedAt": True}
_STATES: Final = {"waiting": _STATE, "running": _STATE, "terminated": _STATE}
_CONDITION: Final = {"type": True, "status": True, "reason": True, "lastTransitionTime": True}
_POD_STATUS: Final = {
    "phase": True, "reason": True, "startTime": True, "conditions": _CONDITION,
    "containerStatuses": {
        "name": True, "ready": True, "restartCount": True, "image": True, "state": _STATES, "lastState": _STATES,
    },
}  # fmt: skip
_COUNTS: Final = {
    "observedGeneration": True, "replicas": True, "readyReplicas": True, "updatedReplicas": True,
    "availableReplicas": True, "unavailableReplicas": True, "active": True, "succeeded": True, "failed": True,
    "startTime": True, "completionTime": True, "conditions": _CONDITION,
}  # fmt: skip
_KEPT: Final[Mapping[str, Any]] = {
    "Pod": {"spec": _POD, "status": _POD_STATUS},
    "Deployment": {**_WORKLOAD, "status": _COUNTS},
    "Job": {**_WORKLOAD, "status": _COUNTS},
    "Service": {"spec": _WORKLOAD["spec"]},
    "ControllerRevision": {"revision": True},
}
"""Of objects of Kubernetes, by their kind."""
_LOGGED: Final = ("time", "level", "logger", "key", "reconciler", "seconds", "reason")
_FRAME: Final = re.compile(r' *File "([^"]{1,300})", line ([0-9]{1,7}), in ([A-Za-z0-9_<>]{1,100})')


def shareable_object(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what may be secret."""
    kind = str(manifest.get("kind", ""))
    head = {"apiVersion": manifest.get("apiVersion"), "kind": kind, "metadata": _metadata(manifest["metadata"])}
    ours = next((one for one in crd.DEFINITIONS if one.name == kind), None)
    if ours is not None:
        properties = crd.root_schema(ours)["properties"]
        shown = _WORDS | _SENTENCES if kind == MODEL_DEPLOYMENT else _WORDS
        kept = {"spec": _NAMES, "status": shown}
        parts = {name: fields for name, fields in kept.items() if name in properties and name in manifest}
        return {**head, **{name: _by_schema(manifest[name], properties[name], "", parts[name]) for name in parts}}
    found = _by_tree(manifest, _KEPT.get(kind, {}))
    return {**head, **found}


def shareable_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An Event; the sentence of one that others than the operator have emitted is left out."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    source = event.get("reportingComponent") or event.get("reportingController") or ""
    times = ("eventTime", "firstTimestamp", "lastTimestamp", "type", "reason", "count")
    own = about.get("kind") == MODEL_DEPLOYMENT and GROUP in str(about.get("apiVersion", ""))
    text = str(event.get("message") or event.get("note") or "")
    return {
        **{name: event[name] for name in times if event.get(name) is not None},
        "about": {name: about.get(name) for name in ("kind", "name", "namespace")},
        "from": source,
        "message": concealed(text) if own else OMITTED,
    }


def shareable_log_line(line: str) -> str | None:
    """A line of the operator's log; None for one that is no JSON, since nobody knows what it holds."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict):
        return None
    kept = {name: entry[name] for name in _LOGGED if isinstance(entry.get(name), str | int | float)}
    if isinstance(entry.get("message"), str):
        kept["message"] = concealed(entry["message"])
    if isinstance(entry.get("exception"), str):
        kept["exception"] = _trace(entry["exception"])
    return json.dumps(kept, ensure_ascii=False)


def _trace(text: str) -> list[str]:
    """Where it was raised, and the class: the words of an exception may quote anything."""
    lines = text.splitlines()
    frames = [f"{found[1]}:{found[2]} {found[3]}" for line in lines if (found := _FRAME.match(line))]
    raised = lines[-1].partition(":")[0] if lines else ""
    return [*frames, raised if all(map(str.isidentifier, raised.split("."))) else OMITTED]


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    owners = metadata.get("ownerReferences") or ()
    return {
        **{name: metadata[name] for name in _METADATA if name in metadata},
        "labels": {name: value if name.startswith(LABELS) else OMITTED for name, value in labels.items()},
        "annotations": {name: _annotation(name, value) for name, value in annotations.items()},
        "ownerReferences": [{name: owner.get(name) for name in ("kind", "name", "uid")} for owner in owners],
    }


def _annotation(name: str, value: str) -> str:
    if name not in ANNOTATIONS:
        return OMITTED
    if name.removeprefix(f"{GROUP}/") in _FACTS:
        return concealed(value)
    return value.split(maxsplit=1)[0].partition("#")[0] if value.strip() else ""


def _by_schema(value: Any, schema: Schema, name: str, kept: frozenset[str]) -> Any:
    """Of our kinds: what the schema declares, and of texts those in the fields that are `kept`."""
    if isinstance(value, Mapping):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        declared = {key: _by_schema(value[key], known[key], key, kept) for key in value if key in known}
        # The keys of a map are chosen by people: a key that is called `name` is no name.
        free = {key: _by_schema(value[key], others, "", kept) for key in value if others and key not in known}
        return {**declared, **free}
    if isinstance(value, list):
        return [_by_schema(item, schema.get("items", {}), name, kept) for item in value]
    if not isinstance(value, str):
        return value
    if name not in kept and "enum" not in schema and not _is_time(value, schema):
        return OMITTED
    return concealed(value)


def _is_time(value: str, schema: Schema) -> bool:
    """A point in time, or a duration."""
    if schema.get("format") == "date-time":
        return True
    try:
        durations.parse(value)
    except ValueError:
        return False
    return True


def _by_tree(value: Any, tree: Any) -> Any:
    """Of objects of Kubernetes: what the tree names."""
    tree = _POD if tree == "pod" else tree
    if isinstance(value, list):
        return [_by_tree(item, tree) for item in value]
    if tree is True or not isinstance(value, Mapping):
        return value if tree is True else None
    return {name: _by_tree(value[name], inner) for name, inner in tree.items() if name in value}
