"""What Flux applies: objects of the shipped examples, and how far it has come with them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import yaml

from localcluster.paths import REPOSITORY
from tests.support.kube import Kube, Object, condition, eventually
from viridian.core.strategic_merge import merge

_EXAMPLES: Final = REPOSITORY / "examples" / "gitops"
PATIENCE: Final = 120.0


def example(name: str, changes: dict[str, Object]) -> list[Object]:
    """The objects of an example, each with the changes for its kind."""
    objects = yaml.safe_load_all((_EXAMPLES / name).read_text())
    return [merge(one, changes.get(one["kind"], {})) for one in objects]


@dataclass(frozen=True)
class FluxObject:
    """An object that one of the controllers works on."""

    kube: Kube
    identity: Object

    @property
    def status(self) -> Object:
        return dict(self.kube.read(self.identity).get("status") or {})

    @property
    def ready(self) -> Object:
        return condition(self.kube.read(self.identity), "Ready")

    def refresh(self) -> None:
        """The controller looks at once, as `flux reconcile` asks it to; it has looked afterwards."""
        asked = str(time.time_ns())
        self.kube.merge(self.identity, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": asked}}})
        self.until(lambda flux: flux.status.get("lastHandledReconcileAt") == asked, "a look that was asked for")

    def until(self, holds: Callable[[FluxObject], Any], what: str) -> None:
        """AssertionError with the status and the events where it does not come to that."""
        try:
            eventually(lambda: holds(self), what=what, timeout=PATIENCE, every=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.status, indent=1)}\n{self.events()}") from error

    def events(self) -> list[str]:
        """What its controller has told of it."""
        name, namespace = self.identity["metadata"]["name"], self.identity["metadata"]["namespace"]
        found = self.kube.list("v1", "Event", namespace)
        mine = [one for one in found if one["involvedObject"].get("name") == name]
        return [one["message"] for one in mine if one["involvedObject"]["kind"] == self.identity["kind"]]
