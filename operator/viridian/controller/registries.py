"""One registry by each identity in MLflow: the operator's own, and one for each namespace with credentials of its own.

What is read and written on behalf of a namespace goes by its own identity, so that MLflow's permissions decide. Nothing
that was read by one identity is shown to another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

One = TypeVar("One")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class ByNamespace(Generic[One]):
    """What serves all namespaces but those that have one of their own."""

    shared: One
    own: Mapping[str, One] = field(default_factory=dict)

    def of(self, namespace: str) -> One:
        return self.own.get(namespace, self.shared)

    def map(self, change: Callable[[One], Other]) -> ByNamespace[Other]:
        """What each of them comes to."""
        return ByNamespace(change(self.shared), {namespace: change(one) for namespace, one in self.own.items()})

    def __iter__(self) -> Iterator[One]:
        yield self.shared
        yield from self.own.values()
