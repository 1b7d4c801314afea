"""Which objects point at what, found from either side without a look at all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from viridian.controller.keys import Key

Pointed = TypeVar("Pointed", bound=Hashable)


class ReverseIndex(Generic[Pointed]):
    """Each key points at one thing at most."""

    def __init__(self) -> None:
        self._pointed: dict[Key, Pointed] = {}
        self._keys: dict[Pointed, set[Key]] = {}

    def point(self, key: Key, pointed: Pointed) -> None:
        """From now on the key points at this, and at nothing else."""
        if self._pointed.get(key) == pointed:
            return
        self.forget(key)
        self._pointed[key] = pointed
        self._keys.setdefault(pointed, set()).add(key)

    def keys(self, pointed: Pointed) -> Iterable[Key]:
        """Those that point at it now, in an order that is always the same."""
        return sorted(self._keys.get(pointed, ()))

    def targets(self, serves: Callable[[str], bool]) -> list[Pointed]:
        """What keys of these namespaces point at."""
        return [pointed for pointed, keys in self._keys.items() if any(serves(key.namespace) for key in keys)]

    def forget(self, key: Key) -> None:
        """The key points at nothing."""
        pointed = self._pointed.pop(key, None)
        if pointed is None:
            return
        keys = self._keys[pointed]
        keys.discard(key)
        if not keys:
            del self._keys[pointed]
