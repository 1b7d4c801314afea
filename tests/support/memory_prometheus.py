"""Prometheus in memory: the port `Prometheus`, whose values follow a function of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from viridian.ports.prometheus import Point, Series

Values = Callable[[str, float], list[float]]
"""One value for each series of an expression at that moment."""


class MemoryPrometheus:
    """Answers at once, unless it has a failure or hangs."""

    def __init__(self, values: Values = lambda *_: []) -> None:
        self.values = values
        self.failure: Exception | None = None
        self.hanging = False
        self.asked: list[str] = []
        """The expressions, in order."""

    async def now(self, namespace: str, expression: str, at: float) -> tuple[Series, ...]:
        return await self.row(namespace, expression, at, at, 1)

    async def row(
        self,
        namespace: str,
        expression: str,
        start: float,
        end: float,
        step: float,
        *,
        stale_after: float | None = None,
    ) -> tuple[Series, ...]:
        self.asked.append(expression)
        if self.hanging:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        series: list[list[Point]] = []
        for number in range(round((end - start) / step) + 1):
            at = start + number * step
            for place, value in enumerate(self.values(expression, at)):
                series += [[] for _ in range(place + 1 - len(series))]
                series[place].append(Point(at, value))
        return tuple(tuple(one) for one in series)
