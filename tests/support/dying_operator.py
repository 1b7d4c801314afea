"""The operator, which dies right after its k-th write: `python dying_operator.py <k> <flags of the operator>`.

No clean-up, no last words: the API server has stored the write, and nobody is left to learn of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Final

from viridian.controller import main
from viridian.ports.cluster import Object, ObjectRef
from viridian.ports.kubernetes import KubernetesCluster

DIED: Final = 86
"""The exit code that tells this death from all others."""


class DyingCluster(KubernetesCluster):
    """The real adapter, which lives for so many writes."""

    left = 0

    async def apply(self, manifest: Mapping[str, Any], *, manager: str, force: bool = True) -> Object:
        stored = await super().apply(manifest, manager=manager, force=force)
        self._one_less()
        return stored

    async def apply_status(self, manifest: Mapping[str, Any], *, manager: str) -> Object:
        stored = await super().apply_status(manifest, manager=manager)
        self._one_less()
        return stored

    async def delete(self, reference: ObjectRef, *, uid: str) -> None:
        await super().delete(reference, uid=uid)
        self._one_less()

    async def record_event(self, regarding: Mapping[str, Any], *, kind: str, reason: str, message: str) -> None:
        await super().record_event(regarding, kind=kind, reason=reason, message=message)
        self._one_less()

    @classmethod
    def _one_less(cls) -> None:
        cls.left -= 1
        if cls.left == 0:
            os._exit(DIED)


if __name__ == "__main__":
    DyingCluster.left = int(sys.argv[1])
    main.KubernetesCluster = DyingCluster  # type: ignore[attr-defined]
    sys.exit(main.main(sys.argv[2:]))
