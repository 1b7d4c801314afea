"""A rule of a user's own HTTPRoute: how it is found, marked, led to the slots, and given back.

`spec.rules` is one atomic list of the Gateway API, so a write names all rules. The others are written as they were
read, and only onto the very version of the route that was read: an edit in between is a conflict, and nothing is lost.
The mark stands on the route and changes in the same write. It says whose the rule is, and where it led before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from viridian.api import reasons
from viridian.api.names import ADOPT_LABEL, JOINED_ANNOTATION, JOINED_LABEL, JOINED_LABEL_VALUE, Slot, slot_deployment
from viridian.core.lookup import annotations_of, dig, entries, json_in, labels_of, text
from viridian.core.times import format_time, parse_time
from viridian.rollout.manifests import Manifest
from viridian.rollout.traffic.gateway import GATEWAY_GROUP, HTTP_ROUTE

Object = Mapping[str, Any]
_MAX_EDITS: Final = 1000
"""Nobody has counted so many: somebody else has written the number."""


@dataclass(frozen=True, slots=True)
class JoinedRule:
    """A rule of a route, by name; without one it is the only rule of the route."""

    route: str
    rule: str = ""

    @property
    def shown(self) -> str:
        """The rule in a sentence."""
        which = f"the rule {self.rule}" if self.rule else "the only rule"
        return f"{which} of the HTTPRoute {self.route}"


@dataclass(frozen=True, slots=True)
class JoinMark:
    """What the operator has noted on a route."""

    owner: str
    """Name of the ModelDeployment, in the namespace of the route."""
    uid: str
    rule: str
    before: tuple[Object, ...]
    """Where the rule led before."""
    wrote: tuple[Object, ...]
    """Where the operator has led it last."""
    edits: int = 0
    """How many edits by others were put right within minutes of each other."""
    edited_at: str = ""
    """When the newest of them was put right."""

    def text(self) -> str:
        """As it stands on the route."""
        parts = {"owner": self.owner, "uid": self.uid, "rule": self.rule}
        edited = {"edits": self.edits, "editedAt": self.edited_at} if self.edits else {}
        return json.dumps({**parts, "before": self.before, "wrote": self.wrote, **edited}, sort_keys=True)


def mark_of(route: Object) -> JoinMark | None:
    """The mark; None where there is none, or none that can be read."""
    found = json_in(annotations_of(route).get(JOINED_ANNOTATION, ""))
    owner, uid = text(found, "owner"), text(found, "uid")
    if not owner or not uid:
        return None
    before, wrote, edits = entries(found, "before"), entries(found, "wrote"), dig(found, "edits")
    known = edits if isinstance(edits, int) and 0 < edits < _MAX_EDITS else 0
    at = parse_time(dig(found, "editedAt")) if known else None
    return JoinMark(owner, uid, text(found, "rule"), before, wrote, known, format_time(at) if at is not None else "")


def is_marked(route: Object, name: str, rule: JoinedRule) -> bool:
    """Whether the rule is led for the ModelDeployment of that name."""
    mark = mark_of(route)
    return mark is not None and (mark.owner, mark.rule) == (name, rule.rule) and route_name(route) == rule.route


def problem_of(name: str, route: Object | None, wanted: JoinedRule) -> tuple[str, str] | None:
    """Reason and sentence why the rule cannot be led to a ModelDeployment; None where it can."""
    if route is None:
        return reasons.ROUTE_NOT_FOUND, f"there is no HTTPRoute {wanted.route}; create it, or change join.route"
    mark = mark_of(route)
    if mark is not None and mark.owner != name:
        return reasons.ROUTE_TAKEN, f"the HTTPRoute {wanted.route} is joined by the ModelDeployment {mark.owner}"
    if labels_of(route).get(ADOPT_LABEL) != name:
        how = f"kubectl label httproute {wanted.route} {ADOPT_LABEL}={name}"
        return reasons.ROUTE_NOT_AGREED, f"the HTTPRoute {wanted.route} does not agree to be joined: {how}"
    if place_of(route, wanted.rule) is None:
        names = ", ".join(filter(None, (text(rule, "name") for rule in _rules(route)))) or "none with a name"
        how = "" if wanted.rule else "; give the rule that is meant a name, and write it as join.rule"
        return reasons.RULE_NOT_FOUND, f"{wanted.shown} is not there: it has {len(_rules(route))}, {names}{how}"
    return None


def place_of(route: Object, rule: str) -> int | None:
    """The place of the rule in its route; None where it is not there, or where no name tells which is meant."""
    rules = _rules(route)
    if not rule:
        return 0 if len(rules) == 1 else None
    return next((place for place, one in enumerate(rules) if text(one, "name") == rule), None)


def backends_of(route: Object, rule: str) -> tuple[Object, ...]:
    """Where the rule leads; empty where it is not there."""
    place = place_of(route, rule)
    return entries(_rules(route)[place], "backendRefs") if place is not None else ()


def weights_of(name: str, backends: Iterable[Object]) -> Mapping[Slot, int]:
    """The weights of the slots among backends."""
    slots = {slot_deployment(name, slot): slot for slot in Slot}
    found = {slots.get(text(one, "name")): one.get("weight", 1) for one in backends if not text(one, "namespace")}
    return {slot: weight for slot, weight in found.items() if slot is not None and isinstance(weight, int)}


def led_before(name: str, route: Object, rule: JoinedRule, port: int) -> tuple[Object, ...]:
    """Where the rule led, or leads, by the will of others."""
    now, mark = backends_of(route, rule.rule), mark_of(route)
    if not weights_of(name, now):
        return now
    if mark is not None and mark.rule == rule.rule:
        return mark.before
    # The mark was lost, so the live Service stands for what was there before.
    return ({"group": "", "kind": "Service", "name": name, "port": port, "weight": 1},)


def joined(route: Object, mark: JoinMark) -> Manifest:
    """The route with its rule led to what the mark says, and marked.

    So are copies of the rule, which others have made: they would lead to the slots by the split of that moment.
    """
    metadata = {"labels": {JOINED_LABEL: JOINED_LABEL_VALUE}, "annotations": {JOINED_ANNOTATION: mark.text()}}
    place = place_of(route, mark.rule)
    named = () if place is None else (place,)
    return _with_rules(route, {*named, *_leading_to_slots(route, mark.owner)}, mark.wrote, metadata)


def given_back(route: Object, mark: JoinMark) -> Manifest:
    """The route without the mark, and with its rule as it was before; what others have led elsewhere stays there.

    Whatever leads to the slots is the rule: others may have given it another name, or made it one of several.
    """
    return _with_rules(route, _leading_to_slots(route, mark.owner), mark.before, {})


def route_name(route: Object) -> str:
    """The name of the route."""
    return text(route, "metadata", "name")


def _leading_to_slots(route: Object, name: str) -> list[int]:
    """The places of these rules."""
    rules = enumerate(_rules(route))
    return [place for place, rule in rules if weights_of(name, entries(rule, "backendRefs"))]


def _with_rules(route: Object, places: Iterable[int], backends: Sequence[Object], metadata: Object) -> Manifest:
    """What is applied: all rules, of which those at the places have these backends."""
    rules: list[Manifest] = [dict(rule) for rule in _rules(route)]
    for place in places:
        rules[place].pop("backendRefs", None)
        if backends:
            rules[place]["backendRefs"] = [dict(one) for one in backends]
    identity = {key: dig(route, "metadata", key) for key in ("name", "namespace", "uid", "resourceVersion")}
    return {
        "apiVersion": HTTP_ROUTES[0],
        "kind": HTTP_ROUTE,
        "metadata": {**identity, **metadata},
        "spec": {"rules": rules},
    }


def _rules(route: Object) -> tuple[Object, ...]:
    return entries(route, "spec", "rules")


HTTP_ROUTES: Final = (f"{GATEWAY_GROUP}/v1", HTTP_ROUTE)
"""Version and kind of routes."""
JOINED: Final = "JoinedRoute"
"""The kind under which a route of a user stands among the objects of a provider: one of the operator has its own."""
