"""What can go wrong between the operator and the API server, asked for by a test before it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from viridian.ports.cluster import ClusterConflict, ClusterRefused, ClusterUnavailable


class Killed(BaseException):
    """The operator's process died here. Not an Exception: nothing may catch it and go on."""


class Fault(Enum):
    """One way in which a call goes wrong; those with `happens` do so after the call took effect."""

    KILL_BEFORE = "the operator died before the request arrived"
    KILL_AFTER = "the operator died after the request took effect"
    LOSE_REQUEST = "no connection to the API server"
    LOSE_ANSWER = "the connection broke before the answer came"
    CONFLICT = "the object has been modified"
    REFUSED = "not allowed"
    THROTTLED = "429 too many requests"
    SERVER_ERROR = "500 internal error"

    @property
    def happens(self) -> bool:
        return self in (Fault.KILL_AFTER, Fault.LOSE_ANSWER)

    def error(self) -> BaseException:
        if self in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            return Killed(self.value)
        if self is Fault.CONFLICT:
            return ClusterConflict(self.value)
        if self is Fault.REFUSED:
            return ClusterRefused(self.value)
        return ClusterUnavailable(self.value, retry_after=1.0 if self is Fault.THROTTLED else None)


@dataclass(frozen=True)
class Call:
    """One call at the port: numbered among all calls, and (from 1) among those that may change something."""

    number: int
    verb: str
    kind: str
    namespace: str
    name: str
    manager: str = ""
    write: int = 0
    digest: str = ""

    @property
    def mutating(self) -> bool:
        return self.write > 0

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.name}".rstrip()


@dataclass
class _Rule:
    matches: Callable[[Call], bool]
    fault: Fault
    times: int


class Faults:
    """Rules in the order in which they were asked for; each fires as often as it was told, then it is used up."""

    def __init__(self) -> None:
        self.outage = False
        """As long as it is set, no request arrives."""
        self._rules: list[_Rule] = []

    def on_write(self, number: int, fault: Fault) -> None:
        """At the mutating call with this number, counted from 1 since the cluster was made or `forget_calls`."""
        self._rules.append(_Rule(lambda call: call.write == number, fault, 1))

    def on_call(self, number: int, fault: Fault) -> None:
        """At the call with this number, reads included."""
        self._rules.append(_Rule(lambda call: call.number == number, fault, 1))

    def on(self, matches: Callable[[Call], bool], fault: Fault, times: int = 1) -> None:
        """At the next calls that match."""
        self._rules.append(_Rule(matches, fault, times))

    def clear(self) -> None:
        self.outage = False
        self._rules.clear()

    def next_for(self, call: Call) -> Fault | None:
        if self.outage:
            return Fault.LOSE_REQUEST
        for rule in self._rules:
            if rule.times > 0 and rule.matches(call):
                rule.times -= 1
                return rule.fault
        return None
