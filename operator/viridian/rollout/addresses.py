"""Where the pods of a revision find their model, the registry and the collector, and by which key they know orders.

The key is treated like an address: it is public, it may change, and the model does not depend on it. A model is its
digest, so its address is that of a place: the same files may be registered again elsewhere.

An address is no part of a revision: another one makes no new revision and restarts nobody. Pods that run keep the
addresses that they began with. As soon as a pod of a slot has to be made anew (moved to another node, added, deployed
again from its record), the slot gets the present ones: the former registry may be gone, and the pod could not get its
model from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from viridian.api.address import IMAGE_SCHEME, MODEL_URI_VARIABLE, shown
from viridian.api.feedback import COLLECTOR_URL_VARIABLE
from viridian.api.names import ADDRESSES_ANNOTATION, FETCH_CONTAINER, SERVER_CONTAINER
from viridian.api.orders import KEY_VARIABLE
from viridian.core.container_variables import values, with_value

Object = Mapping[str, Any]

_PLACES: Final = {
    "model": (FETCH_CONTAINER, MODEL_URI_VARIABLE, "the model at"),
    "mlflow": (FETCH_CONTAINER, "MLFLOW_TRACKING_URI", "MLflow at"),
    "collector": (SERVER_CONTAINER, COLLECTOR_URL_VARIABLE, "the collector at"),
    "orders": (SERVER_CONTAINER, KEY_VARIABLE, "taking orders by the key"),
}
"""Where each address stands in a pod template: container and variable; and how a sentence begins about it."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Empty for what a pod does not get."""

    mlflow: str = ""
    collector: str = ""
    orders: str = ""
    """The operator's public key."""
    model: str = ""
    """Without what may be a credential. Empty for one in a Secret or in an image, which is no variable's value."""

    def of(self, name: str) -> str:
        return str(getattr(self, name))

    def to_json(self) -> dict[str, str]:
        return {name: self.of(name) for name in _PLACES if self.of(name)}

    @staticmethod
    def from_json(data: object) -> Addresses | None:
        if not isinstance(data, Mapping):
            return None
        return Addresses(**{name: str(data.get(name) or "") for name in _PLACES})

    def with_model_of(self, template: Object) -> Addresses:
        """These, and the address of the model in a pod template."""
        uri = next(values(template, FETCH_CONTAINER, MODEL_URI_VARIABLE), "")
        return replace(self, model="" if uri.startswith(IMAGE_SCHEME) else shown(uri))

    def in_template(self, template: Object) -> Addresses:
        """Those of them that stand in a pod template: the user may have chosen another, and not every pod has each."""
        there = {
            name: self.of(name)
            for name, (container, variable, _) in _PLACES.items()
            if self.of(name) in values(template, container, variable)
        }
        return Addresses(**there)

    def in_place_of(self, recorded: Addresses) -> Addresses:
        """These, for what is recorded; what came since is for new revisions, and nothing takes the place of nothing."""
        return Addresses(**{name: self.of(name) or recorded.of(name) for name in _PLACES if recorded.of(name)})


def given(deployment: Object) -> Addresses | None:
    """Those that a slot's Deployment was given in the place of the recorded ones; None where it has the recorded."""
    text = (deployment["metadata"].get("annotations") or {}).get(ADDRESSES_ANNOTATION)
    try:
        return Addresses.from_json(json.loads(text)) if text else None
    except ValueError:
        return None


def moved(before: Addresses, now: Addresses) -> str:
    """In words, what is elsewhere now; empty when nothing is."""
    changed = [(words, before.of(name), now.of(name)) for name, (_, _, words) in _PLACES.items()]
    return " and ".join(f"{words} {old} (now {new})" for words, old, new in changed if old != new)


def readdressed(template: Object, recorded: Addresses, now: Addresses) -> Object:
    """The template with these addresses in the place of the recorded ones."""
    for name, (container, variable, _) in _PLACES.items():
        template = with_value(template, container, variable, recorded.of(name), now.of(name))
    return template
