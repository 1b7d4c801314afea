"""The pods of a model's slots, as the loop needs them: read their counters, and let go of their connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from viridian.api.samples import Idle, PodSample, PodTarget, ScrapeFailure


class Pods(Protocol):
    """Neither call raises, whatever the pods do; all pods are asked at the same time, each for about a second."""

    async def scrape(self, targets: Sequence[PodTarget]) -> Mapping[str, PodSample | ScrapeFailure]:
        """Pod uid to what it told, or why it told nothing. Every target is in it."""

    async def close_connections(self, targets: Sequence[PodTarget], *, seconds: float, idle: Idle) -> None:
        """For that many seconds the pods end each connection after its next answer. Best effort; may be repeated."""
