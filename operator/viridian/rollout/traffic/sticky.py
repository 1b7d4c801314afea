"""Users who stay with the version that answered them first, by a cookie: the rules of a route that this takes.

A cookie names the challenger of the trial; that of a user who got the champion also names the weight at that time. At
a higher weight such users are split once more, so that all of them together have the new weight: of those who got the
champion at 10 %, (50 - 10) / (100 - 10) go over to the challenger at 50 %. Nobody who met the challenger goes back
before the trial ends. Once the trial is over, no rule reads the cookies any more.

Both parts are in the standard channel of the Gateway API, but not every gateway implements them: headers matched by a
regular expression, and filters of one backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from viridian.api.names import Slot
from viridian.rollout.manifests import Manifest
from viridian.rollout.traffic.record import Traffic

BackendOf = Callable[[Slot, int], Manifest]
"""The backend of a slot, with a weight."""

_ANY: Final = ""
"""Stands for users without a cookie of this trial."""

_REGULAR_EXPRESSION: Final = "RegularExpression"
_COOKIES: Final = "cookie"
_MOST_EARLIER_WEIGHTS: Final = 12
"""A route has at most 16 rules; those of testers, of both kinds of users who stay, and of all others are four."""


@dataclass(frozen=True, slots=True)
class Sticky:
    """The cookie, and the weights of the steps."""

    cookie: str
    weights: tuple[int, ...]

    def rules(self, of_users: Manifest, traffic: Traffic, backend: BackendOf) -> list[Manifest]:
        """In place of the rule for all users: that rule is the first one. None is needed where all meet one slot."""
        trial, champion = traffic.trial, traffic.champion
        if trial is None or not 0 < trial.weight < 100:
            return []
        challenger, left = champion.other, 100 - trial.weight
        kept = {weight: f"{trial.revision}-{weight}" for weight in (*self._earlier(trial.weight), trial.weight)}
        splits = {
            _ANY: {champion: left, challenger: trial.weight},
            trial.revision: {challenger: 1},
            kept[trial.weight]: {champion: 1},
            **{kept[earlier]: {champion: left, challenger: trial.weight - earlier} for earlier in [*kept][:-1]},
        }
        settings = {champion: self._setting(kept[trial.weight]), challenger: self._setting(trial.revision)}
        return [
            {**self._for(value, of_users), "backendRefs": _backends(weights, settings, backend)}
            for value, weights in splits.items()
        ]

    def _earlier(self, weight: int) -> Sequence[int]:
        """Weights at which users of this trial may have got the champion."""
        return sorted({earlier for earlier in self.weights if earlier < weight})[-_MOST_EARLIER_WEIGHTS:]

    def _for(self, value: str, rule: Manifest) -> Manifest:
        """The rule, for users whose cookie has this value."""
        if value == _ANY:
            return dict(rule)
        pattern = f"^(.*; ?)?{self.cookie}={value}(;.*)?$"
        header = {"type": _REGULAR_EXPRESSION, "name": _COOKIES, "value": pattern}
        return {**rule, "matches": [{**match, "headers": [*match["headers"], header]} for match in rule["matches"]]}

    def _setting(self, value: str) -> Manifest:
        """The filter that gives a user the cookie."""
        header = {"name": "Set-Cookie", "value": f"{self.cookie}={value}; Path=/; HttpOnly; SameSite=Lax"}
        return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [header]}}


def _backends(weights: Mapping[Slot, int], settings: Mapping[Slot, Manifest], backend: BackendOf) -> list[Manifest]:
    """Users who stay have their cookie already."""
    split = len(weights) > 1
    return [
        {**backend(slot, weights[slot]), "filters": [settings[slot]] if split else []}
        for slot in Slot
        if slot in weights
    ]


def reads_cookies(rule: Mapping[str, Any]) -> bool:
    """Whether a rule of a route is one of those."""
    headers = [header for match in rule.get("matches") or () for header in match.get("headers") or ()]
    return any((header.get("type"), header.get("name")) == (_REGULAR_EXPRESSION, _COOKIES) for header in headers)
