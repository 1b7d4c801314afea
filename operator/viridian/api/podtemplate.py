"""The part of a pod template that the two kinds look into.

A template is passed on to Kubernetes, which knows its fields better than any copy here; so everything inside `spec` and
inside a container is kept as it is written. What is declared here is what rules speak about, and what would otherwise
be lost without a word: a field beside `metadata` and `spec`, a container without a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from viridian.api.names import GROUP
from viridian.api.schema import PRESERVE_UNKNOWN, VALIDATIONS, Rule

MAX_CONTAINERS: Final = 16
MAX_FIELDS: Final = 64
"""More than a pod's spec or a container has."""
MAX_BYTES: Final = 256 * 1024
"""Of a whole template, as JSON. It is kept in the record of a revision, and its parts are quoted in messages."""
_NAMES: Final = {
    "serviceAccountName": "Service account of the pods; its token is mounted only where this template asks for it.",
    "serviceAccount": "The old name of serviceAccountName.",
    "schedulerName": "Scheduler that places the pods.",
    "priorityClassName": "Priority class of the pods.",
    "runtimeClassName": "Runtime class of the pods.",
    "nodeName": "Node that the pods are bound to.",
}
"""Fields of a pod's spec that name other objects: messages repeat them."""


def too_large(template: Mapping[str, Any]) -> str:
    """The message about a template that is too large; empty for any other."""
    size = len(msgspec.json.encode(template))
    return f"is {size} bytes long, and may have {MAX_BYTES}" if size > MAX_BYTES else ""


_OWN_LABELS = Rule(
    rule=f"self.all(key, !key.startsWith('{GROUP}/'))",
    message=f"labels under {GROUP}/ are Viridian's own and select its pods: choose another prefix",
)


def fragment(provided: Mapping[str, str]) -> dict[str, Any]:
    """Schema of what is merged onto a template of Viridian's own.

    `provided` names the container in each list that is there already and so needs no image.
    """
    template = _template(restart_policy="Always")
    for containers, name in provided.items():
        _items(template, containers)[VALIDATIONS] = [_needs_image(name).render()]
    return template


def whole() -> dict[str, Any]:
    """Schema of a Job's template, which stands for itself: at least one container, and an image for each."""
    template = _template(restart_policy="Never")
    spec = template["properties"]["spec"]
    spec["properties"]["containers"]["minItems"] = 1
    for containers in ("containers", "initContainers"):
        _items(template, containers)["required"] = ["name", "image"]
    spec["required"] = ["containers"]
    template["required"] = ["spec"]
    return template


def _items(template: dict[str, Any], containers: str) -> dict[str, Any]:
    items: dict[str, Any] = template["properties"]["spec"]["properties"][containers]["items"]
    return items


def _needs_image(provided: str) -> Rule:
    return Rule(
        rule=f"self.name == '{provided}' || has(self.image)",
        message=f"only the container {provided} comes with an image: write one, or name this container {provided}",
    )


def _template(restart_policy: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "metadata": {
                "description": "Labels and annotations of the pods.",
                "type": "object",
                "properties": {
                    "labels": {
                        "description": f"Labels; those under {GROUP}/ are Viridian's own.",
                        "type": "object",
                        "maxProperties": 64,
                        "additionalProperties": {"type": "string", "maxLength": 63},
                        VALIDATIONS: [_OWN_LABELS.render()],
                    },
                    "annotations": {
                        "description": "Annotations.",
                        "type": "object",
                        "maxProperties": 64,
                        "additionalProperties": {"type": "string", "maxLength": 65536},
                    },
                },
            },
            "spec": {
                "description": "A pod's spec: everything that `kubectl explain pod.spec` knows.",
                "type": "object",
                PRESERVE_UNKNOWN: True,
                "maxProperties": MAX_FIELDS,
                "properties": {
                    **{
                        name: {"description": description, "type": "string", "maxLength": 253}
                        for name, description in _NAMES.items()
                    },
                    "restartPolicy": _restart_policy(restart_policy),
                    "containers": _containers("Containers, keyed by name."),
                    "initContainers": _containers("Containers that run before the others, keyed by name."),
                },
            },
        },
    }


def _restart_policy(allowed: str) -> dict[str, Any]:
    rule = Rule(rule=f"self == '{allowed}'", message=f"Viridian needs restartPolicy: {allowed}; leave the field out")
    return {
        "description": f"Only {allowed}, which is also what stands here when the field is left out.",
        "type": "string",
        "maxLength": 32,
        VALIDATIONS: [rule.render()],
    }


def _containers(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "type": "array",
        "maxItems": MAX_CONTAINERS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            PRESERVE_UNKNOWN: True,
            "maxProperties": MAX_FIELDS,
            "required": ["name"],
            "properties": {
                "name": {
                    "description": "Name of the container.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 63,
                },
                "image": {
                    "description": "Image that it runs.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                },
            },
        },
    }
