"""Where the pods of a revision find the registry and the collector, and by which key they know the operator's orders.

The key is treated like an address: it is public, it may change, and the model does not depend on it.

An address is no part of a revision: another one makes no new revision and restarts nobody. Pods that run keep the
addresses that they began with. As soon as a pod of a slot has to be made anew (moved to another node, added, deployed
again from its record), the slot gets the present ones: the former registry may be gone, and the pod could not get its
model from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from viridian.api.feedback import COLLECTOR_URL_VARIABLE
from viridian.api.names import ADDRESSES_ANNOTATION, FETCH_CONTAINER, SERVER_CONTAINER
from viridian.api.orders import KEY_VARIABLE

MLFLOW_VARIABLE: Final = "MLFLOW_TRACKING_URI"
Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Empty for what a pod does not get."""

    mlflow: str = ""
    collector: str = ""
    orders: str = ""
    """The operator's public key."""

    def to_json(self) -> dict[str, str]:
        return {name: value for name in Addresses.__slots__ if (value := getattr(self, name))}

    @staticmethod
    def from_json(data: object) -> Addresses | None:
        if not isinstance(data, Mapping):
            return None
        return Addresses(**{name: str(data.get(name) or "") for name in Addresses.__slots__})

    def in_template(self, template: Object) -> Addresses:
        """Those of them that stand in a pod template: the user may have chosen another, and not every pod has each."""
        spec = template["spec"]
        fetch = {"name": MLFLOW_VARIABLE, "value": self.mlflow} in _environment(spec, "initContainers", FETCH_CONTAINER)
        server = _environment(spec, "containers", SERVER_CONTAINER)
        tells = {"name": COLLECTOR_URL_VARIABLE, "value": self.collector} in server
        obeys = {"name": KEY_VARIABLE, "value": self.orders} in server
        return Addresses(self.mlflow if fetch else "", self.collector if tells else "", self.orders if obeys else "")

    def in_place_of(self, recorded: Addresses) -> Addresses:
        """These, for what is recorded; what came since is for new revisions, and nothing takes the place of nothing."""
        return Addresses(
            (self.mlflow or recorded.mlflow) if recorded.mlflow else "",
            (self.collector or recorded.collector) if recorded.collector else "",
            (self.orders or recorded.orders) if recorded.orders else "",
        )


def given(deployment: Object) -> Addresses | None:
    """Those that a slot's Deployment was given in the place of the recorded ones; None where it has the recorded."""
    text = (deployment["metadata"].get("annotations") or {}).get(ADDRESSES_ANNOTATION)
    try:
        return Addresses.from_json(json.loads(text)) if text else None
    except ValueError:
        return None


def moved(before: Addresses, now: Addresses) -> str:
    """In words, what is elsewhere now; empty when nothing is."""
    pairs = (
        ("MLflow at", before.mlflow, now.mlflow),
        ("the collector at", before.collector, now.collector),
        ("taking orders by the key", before.orders, now.orders),
    )
    return " and ".join(f"{name} {old} (now {new})" for name, old, new in pairs if old != new)


def readdressed(template: Object, recorded: Addresses, now: Addresses) -> dict[str, Any]:
    """The template with these addresses in the place of the recorded ones."""
    spec = template["spec"]
    return {
        **template,
        "spec": {
            **spec,
            "initContainers": [
                _with(container, FETCH_CONTAINER, MLFLOW_VARIABLE, recorded.mlflow, now.mlflow)
                for container in spec.get("initContainers") or ()
            ],
            "containers": [
                _with(
                    _with(container, SERVER_CONTAINER, COLLECTOR_URL_VARIABLE, recorded.collector, now.collector),
                    SERVER_CONTAINER,
                    KEY_VARIABLE,
                    recorded.orders,
                    now.orders,
                )
                for container in spec["containers"]
            ],
        },
    }


def _with(container: Object, name: str, variable: str, before: str, after: str) -> Object:
    if container.get("name") != name or not before:
        return container
    old, new = {"name": variable, "value": before}, {"name": variable, "value": after}
    return {**container, "env": [new if entry == old else entry for entry in container.get("env") or ()]}


def _environment(spec: Object, kind: str, name: str) -> list[Any]:
    containers = [container for container in spec.get(kind) or () if container.get("name") == name]
    return [entry for container in containers for entry in container.get("env") or ()]
