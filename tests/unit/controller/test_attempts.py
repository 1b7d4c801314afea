"""Writes whose pass ends before it has heard of them."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from viridian.controller.attempts import Attempt, Attempts
from viridian.controller.keys import Key
from viridian.ports.cluster import ClusterUnavailable

KEY = Key("ModelDeployment", "shop", "churn")
TARGET = ("Deployment", "churn-blue")


async def test_a_write_that_fails_while_its_pass_is_cancelled_is_no_complaint_of_asyncio() -> None:
    """As where leadership is lost: the fence refuses the write, and the loop ends its passes."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    refused = asyncio.Event()

    async def refuse() -> None:
        refused.set()
        raise ClusterUnavailable("this operator does not lead any more")

    started = asyncio.create_task(Attempts().make(KEY, Attempt(TARGET, None, refuse)))
    await refused.wait()
    started.cancel()
    await asyncio.wait([started])
    assert started.cancelled()
    del started
    gc.collect()
    assert complaints == []
