"""The key of an object: all that ever stands in the queue."""

from __future__ import annotations

from typing import NamedTuple

from viridian.api.names import API_VERSION
from viridian.ports.cluster import ObjectRef


class Key(NamedTuple):
    """One object of one of our kinds; what is known about it is read anew in each pass."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def reference(self) -> ObjectRef:
        return ObjectRef(API_VERSION, self.kind, self.namespace, self.name)
