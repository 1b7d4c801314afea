"""What becomes of routes of the user: a rule is led to the slots, put right after an edit by others, or given back.

Another writer that never gives in, such as a GitOps tool, must not make an endless exchange of writes: after a few
edits within minutes they are put right at intervals only, and a condition says so. A move of the traffic is written at
once all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from viridian.api import reasons
from viridian.api.modeldeployment_status import RouteStatus
from viridian.core.conditions import Finding, Truth
from viridian.core.lookup import dig, text
from viridian.core.plan import Apply
from viridian.core.times import format_time, parse_time
from viridian.rollout.input import RolloutInput
from viridian.rollout.traffic.foreign_edit import last_author, route_edited
from viridian.rollout.traffic.gateway import HTTP_ROUTE, split_backends
from viridian.rollout.traffic.joined import JoinedTraffic
from viridian.rollout.traffic.joined_rule import (
    JoinedRule,
    JoinMark,
    given_back,
    is_marked,
    joined,
    led_before,
    mark_of,
    problem_of,
)
from viridian.rollout.traffic.record import Traffic

_EDITS_AT_ONCE: Final = 3
_INTERVAL: Final = timedelta(minutes=10)
"""So many edits within this time are put right at once; after that, one in this time is."""


@dataclass(frozen=True, slots=True)
class Joining:
    """The writes of a pass to routes of the user, and how the joined rule stands after them."""

    writes: tuple[Apply, ...] = ()
    reason: str = ""
    """Of the condition; empty where no rule is to be joined."""
    message: str = ""
    status: RouteStatus | None = None


def joining(inputs: RolloutInput, port: int, traffic: Traffic | None, now: datetime) -> Joining:
    """What to do for this traffic."""
    provider = inputs.provider
    led = provider.rule if isinstance(provider, JoinedTraffic) else None
    back = tuple(_given_back(inputs, led))
    if led is None:
        wanted = inputs.wanted_join
        why = f"{wanted.shown} is joined once no challenger is on trial and no other route is there" if wanted else ""
        return Joining(back, reasons.JOIN_AWAITS if wanted else "", why)
    route = inputs.user_route(led)
    problem = problem_of(inputs.name, route, led)
    if problem is not None or route is None:
        return Joining(back, *(problem or ("", "")))
    if traffic is None or not _may_lead(inputs, traffic, route, led):
        why = f"{led.shown} is joined once the champion is ready, and after another rule of the route is given back"
        mark = mark_of(route)
        if mark is not None and mark.uid != inputs.uid and not back:
            # Of an object of this name that is gone, and so are the pods that the rule leads to.
            back = (Apply(given_back(route, mark)),)
        return Joining(back, reasons.JOIN_AWAITS, why)
    ours = _led(inputs, port, traffic, now, route, led)
    return Joining((*back, *ours.writes), ours.reason, ours.message, ours.status)


def route_joined(found: Joining) -> Iterator[Finding]:
    """The condition about the rule; there only while one is to be joined."""
    if found.reason:
        truth = Truth.of(found.reason == reasons.JOINED)
        yield Finding(reasons.ROUTE_JOINED, truth, found.reason, found.message)


def _may_lead(inputs: RolloutInput, traffic: Traffic, route: Mapping[str, Any], led: JoinedRule) -> bool:
    """Whether users are safe with the rule; another one that is marked has to be given back first.

    Where the rule leads here already, a champion without ready pods is no reason to lead it elsewhere.
    """
    mark, champion = mark_of(route), inputs.slots.get(traffic.champion)
    if not inputs.has_slot_services or (mark is not None and mark.rule != led.rule):
        return False
    return (mark is not None and mark.uid == inputs.uid) or (champion is not None and champion.serves)


def _led(
    inputs: RolloutInput, port: int, traffic: Traffic, now: datetime, route: Mapping[str, Any], led: JoinedRule
) -> Joining:
    """The rule is led to the split, unless it is already, or another writer has edited it too often."""
    mark, wanted = mark_of(route), split_backends(inputs.name, port, traffic)
    present = list(inputs.joined_backends(led))
    edits, edited_at = _edits_before(inputs.status, mark, led)
    next_mark = JoinMark(
        inputs.name, inputs.uid, led.rule, led_before(inputs.name, route, led, port), tuple(wanted), edits, edited_at
    )
    leads = f"{led.shown} leads to the split of this ModelDeployment"
    known = _status(led, edits, edited_at) if mark is not None or _is_known(inputs.status, led) else None
    if mark == next_mark and present == wanted:
        return Joining((), reasons.JOINED, leads, known)
    refused = inputs.obstacles.get((HTTP_ROUTE, led.route))
    if refused is not None:
        why = f"{led.shown} is not written: {refused.message}"
        return Joining((Apply(joined(route, next_mark)),), reasons.JOIN_AWAITS, why, known)
    if not _is_edited(inputs, mark, present, led):
        return Joining((Apply(joined(route, next_mark)),), reasons.JOINED, leads, known)
    by = last_author(route) or "another writer"
    newest = parse_time(edited_at)
    # A time far ahead is of a clock that was wrong.
    recent = edits if newest is not None and abs(now - newest) < _INTERVAL else 0
    if recent >= _EDITS_AT_ONCE and traffic == inputs.traffic:
        message = (
            f"{by} changes the backends of {led.shown} again and again; they are put right every "
            f"{_INTERVAL // timedelta(minutes=1)} minutes. Let {by} leave the backendRefs of this rule alone, or "
            f"remove spec.traffic.gateway.join of the ModelDeployment {inputs.name}"
        )
        return Joining((), reasons.ROUTE_CONTESTED, message, known)
    event = route_edited(inputs.name, f"{by} has changed the backends of {led.shown}, which this ModelDeployment owns")
    counted = replace(next_mark, edits=recent + 1, edited_at=format_time(now))
    write = Apply(joined(route, counted), tells=(event,))
    return Joining((write,), reasons.JOINED, leads, _status(led, counted.edits, counted.edited_at))


def _given_back(inputs: RolloutInput, led: JoinedRule | None) -> Iterator[Apply]:
    """The rules that are marked for a ModelDeployment of this name, and are not the one that it leads."""
    for route in inputs.user_routes:
        mark = mark_of(route)
        if mark is None or mark.owner != inputs.name:
            continue
        problem = problem_of(inputs.name, route, led) if led is not None else None
        is_led = led is not None and is_marked(route, inputs.name, led)
        if not is_led or problem is not None:
            yield Apply(given_back(route, mark))


def _is_edited(inputs: RolloutInput, mark: JoinMark | None, present: list[Mapping[str, Any]], led: JoinedRule) -> bool:
    """Whether somebody else has written since the operator did: the mark, or the rule, is not as it was left."""
    if mark is None:
        return _is_known(inputs.status, led)
    return present != list(mark.wrote)


def _edits_before(status: Mapping[str, Any], mark: JoinMark | None, led: JoinedRule) -> tuple[int, str]:
    """How many edits of this rule were put right in a row, and when the newest was. The status knows of a lost mark."""
    if mark is not None:
        return mark.edits, mark.edited_at
    count = dig(status, "route", "edits")
    if not _is_known(status, led) or not isinstance(count, int):
        return 0, ""
    return count, text(status, "route", "editedAt")


def _is_known(status: Mapping[str, Any], led: JoinedRule) -> bool:
    """Whether the status tells of this rule, so that a mark has been seen."""
    return (text(status, "route", "name"), text(status, "route", "rule")) == (led.route, led.rule)


def _status(led: JoinedRule, edits: int, edited_at: str) -> RouteStatus:
    return RouteStatus(name=led.route, rule=led.rule or None, edits=edits, edited_at=edited_at or None)
