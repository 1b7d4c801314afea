"""The pause that monitors with action PauseAutomation make: from when to when it held, kept beside what triggers found.

While a monitor fires, the ModelDeployment shows it. Once it is quiet, nothing does, and the deadline of what was held
back has to count from the end of the pause. So the operator notes both in a ControllerRevision of the policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from viridian.api.monitoring import Action
from viridian.core.lookup import mapping, text
from viridian.core.monitor_results import FiredMonitor
from viridian.core.times import format_time, parse_time
from viridian.retraining.input import Deployment


@dataclass(frozen=True, slots=True)
class MonitorPause:
    """The latest of these pauses."""

    since: datetime
    # None while it holds.
    until: datetime | None = None

    def rendered(self) -> str:
        times = {"since": self.since, "until": self.until}
        return json.dumps({name: format_time(at) for name, at in times.items() if at is not None})


def pausing_monitors(deployment: Deployment | None) -> Iterator[FiredMonitor]:
    """The monitors that pause automation now. Their last word stands while none of them can be evaluated."""
    monitoring = deployment.spec.monitoring if deployment is not None and deployment.spec is not None else None
    results = deployment.champion_results if deployment is not None else None
    if monitoring is None or results is None:
        return
    pausing = {monitor.name for monitor in monitoring.monitors if monitor.action is Action.PAUSE_AUTOMATION}
    yield from (fired for fired in results.fired() if fired.name in pausing)


def pause_now(noted: str, deployment: Deployment | None, now: datetime) -> MonitorPause | None:
    """The latest pause, from what was noted of it and from what monitors find now; None where there never was one."""
    known, fires = _parsed(noted), any(pausing_monitors(deployment))
    if fires:
        return known if known is not None and known.until is None else MonitorPause(now)
    return MonitorPause(known.since, now) if known is not None and known.until is None else known


def _parsed(noted: str) -> MonitorPause | None:
    try:
        document = mapping(json.loads(noted or "{}"))
    except (ValueError, RecursionError):
        return None
    since = parse_time(text(document, "since"))
    return MonitorPause(since, parse_time(text(document, "until"))) if since is not None else None
