"""A dashboard on 127.0.0.1 in a thread of this process, and its pages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from viridian.bounded_site import BoundedSite
from viridian.dashboard.dashboard_app import DashboardApp

PAGES = {
    "dashboard-models": "/",
    "dashboard-model": "/models/ml/churn",
    "dashboard-rollout": "/models/ml/churn/rollout",
    "dashboard-experiment": "/models/ml/offers/rollout",
    "dashboard-drift": "/models/ml/churn/drift",
    "dashboard-review": "/models/ml/churn/review",
    "dashboard-blueprint": "/models/ml/churn/blueprint",
    "dashboard-digest": "/digest?since=5d",
    "dashboard-labels": "/models/ml/churn/labels?account=labeller",
    "dashboard-policy": "/policies/ml/churn-weekly",
}
"""The pages of people who are signed in, by the name of their picture."""


@contextmanager
def serving(app: DashboardApp) -> Iterator[str]:
    """The address of the pages, until the end of the block."""
    loop = asyncio.new_event_loop()
    site = BoundedSite(app.application(), 0)
    ready = threading.Event()

    def run() -> None:
        loop.run_until_complete(site.start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(site.close())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        if not ready.wait(30):
            raise TimeoutError("the dashboard did not start")
        yield f"http://127.0.0.1:{site.port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
