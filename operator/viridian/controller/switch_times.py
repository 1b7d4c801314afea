"""How long it took from a deciding answer to the write that took the traffic back, for the metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from viridian.api.names import TRAFFIC_ANNOTATION
from viridian.controller.keys import Key
from viridian.core.plan import Apply, ClusterAction
from viridian.rollout.traffic.record import parse

Wrote = Callable[[Key, ClusterAction], None]
"""Called with each write that was done."""


def timing(clock: Callable[[], datetime], switched: Callable[[float], None]) -> Wrote:
    """Gives the seconds of each way back for a breach to `switched`, right after its write."""

    def wrote(_: Key, action: ClusterAction) -> None:
        if not isinstance(action, Apply) or not action.urgent:
            return
        traffic = parse(action.manifest["metadata"].get("annotations", {}).get(TRAFFIC_ANNOTATION, ""))
        lost = traffic.reverted if traffic is not None else None
        if lost is not None and lost.decided_at is not None:
            switched(max(0.0, (clock() - lost.decided_at).total_seconds()))

    return wrote
