"""The pause that monitors with action PauseAutomation make: from when to when it held, kept beside what triggers found.

While a monitor fires, the ModelDeployment shows it. Once it is quiet, nothing does, and the deadline of what was held
back has to count from the end of the pause. So the operator notes both in a ControllerRevision of the policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from viridian.api.monitoring import Action
from viridian.api.names import OVERRIDE_ANNOTATION
from viridian.core.lookup import json_in, mapping, text
from viridian.core.monitor_results import FiredMonitor
from viridian.core.times import format_time, parse_time
from viridian.retraining.input import Deployment
from viridian.retraining.run_commands import command_about


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorPause:
    """The latest of these pauses."""

    since: datetime
    # None while it holds.
    until: datetime | None = None
    # What a person wrote who ended it although monitors still fire.
    override: str = ""
    # The text that ended an earlier one: it does not end this one as well.
    used: str = ""

    def rendered(self) -> str:
        """As it is noted."""
        times = {"since": format_time(self.since), "until": format_time(self.until) if self.until else ""}
        found = {**times, "override": self.override, "used": self.used}
        return json.dumps({name: value for name, value in found.items() if value}, ensure_ascii=False)


def pausing_monitors(deployment: Deployment | None) -> Iterator[FiredMonitor]:
    """The monitors that pause automation now. Their last word stands while none of them can be evaluated."""
    monitoring = deployment.spec.monitoring if deployment is not None and deployment.spec is not None else None
    results = deployment.champion_results if deployment is not None else None
    if monitoring is None or results is None:
        return
    pausing = {monitor.name for monitor in monitoring.monitors if monitor.action is Action.PAUSE_AUTOMATION}
    yield from (fired for fired in results.fired() if fired.name in pausing)


def pause_now(
    noted: str, deployment: Deployment | None, annotations: Mapping[str, str], now: datetime
) -> MonitorPause | None:
    """The latest pause, from what was noted of it and from what monitors find now; None where there never was one."""
    known, firing = _parsed(noted), [fired.name for fired in pausing_monitors(deployment)]
    if not firing:
        return _when_quiet(known, now) if known is not None else None
    if known is not None and known.override:
        return known
    begun = MonitorPause(since=now, used=known.used if known is not None else "")
    pause = known if known is not None and known.until is None else begun
    found = (command_about(annotations, OVERRIDE_ANNOTATION, name) for name in firing)
    command = next((command for command in found if command is not None and command.value != pause.used), None)
    return pause if command is None else replace(pause, until=now, override=command.value)


def _when_quiet(known: MonitorPause, now: datetime) -> MonitorPause:
    ended = replace(known, until=now) if known.until is None else known
    return replace(ended, override="", used=ended.override) if ended.override else ended


def _parsed(noted: str) -> MonitorPause | None:
    document = mapping(json_in(noted))
    since, until = parse_time(text(document, "since")), parse_time(text(document, "until"))
    if since is None:
        return None
    return MonitorPause(since=since, until=until, override=text(document, "override"), used=text(document, "used"))
