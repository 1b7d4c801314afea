"""Which servers copy requests to a challenger, and until when: each order is a lease, and is given again in time.

Nothing here outlives the process. Another one gives the orders anew, and where none comes they end by themselves.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from viridian.api.samples import PodTarget
from viridian.api.shadow import ShadowOrder
from viridian.controller.keys import Key
from viridian.core.plan import CopyRequests
from viridian.ports.pods import Pods

_PROLONGED_AFTER: Final = 1 / 3
"""Of a lease."""


@dataclass(frozen=True, slots=True)
class _Lease:
    """What a pod has taken, and when by the clock of the event loop."""

    target: PodTarget
    order: ShadowOrder
    at: float


class ShadowOrders:
    """Those of all ModelDeployments."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._leases: dict[Key, dict[str, _Lease]] = {}

    async def keep(self, key: Key, wanted: CopyRequests | None) -> None:
        """From now on these pods of an object copy requests, and no others of it."""
        targets = {target.uid: target for target in wanted.targets} if wanted is not None else {}
        leases, now = self._leases.pop(key, {}), asyncio.get_running_loop().time()
        ended = [lease.target for uid, lease in leases.items() if uid not in targets]
        if ended:
            await self._pods.copy_requests(ended, None)
        if wanted is None:
            return
        kept = {uid: lease for uid, lease in leases.items() if uid in targets}
        due = [target for uid, target in targets.items() if _is_due(kept.get(uid), target, wanted.order, now)]
        taken = await self._pods.copy_requests(due, wanted.order) if due else frozenset()
        self._leases[key] = kept | {uid: _Lease(targets[uid], wanted.order, now) for uid in taken}

    def forget(self, key: Key) -> None:
        """The object is gone, and its pods go with it."""
        self._leases.pop(key, None)


def _is_due(lease: _Lease | None, target: PodTarget, order: ShadowOrder, now: float) -> bool:
    if lease is None or (lease.target, lease.order) != (target, order):
        return True
    return now - lease.at >= order.seconds * _PROLONGED_AFTER
