"""How many calls of the API server may be under way for objects whose next look could wait.

A pass reads ten objects at once; many passes at a time would fill the server's queue, and a pass over a model on trial
would stand in it. So background passes share a number of calls, and what is at stake calls freely.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any, Final

from viridian.controller.wrapped_port import Call, wrapped
from viridian.core.urgency import Urgency
from viridian.ports.cluster import Cluster

BACKGROUND_CALLS: Final = 16

CALLING_FOR: Final[ContextVar[Urgency]] = ContextVar("calling_for", default=Urgency.AT_STAKE)
"""How urgent the pass is that the running code belongs to; what belongs to none waits for nobody."""


def within_budget(cluster: Cluster, background_calls: int = BACKGROUND_CALLS) -> Cluster:
    """The same cluster; calls for what is not at stake wait until fewer of their like are under way."""
    background = asyncio.Semaphore(background_calls)

    async def in_turn(_: str, call: Call) -> Any:
        if CALLING_FOR.get() is Urgency.AT_STAKE:
            return await call()
        async with background:
            return await call()

    return wrapped(cluster, in_turn)
