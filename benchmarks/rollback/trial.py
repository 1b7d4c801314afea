"""One trial: a version is shipped to users who ask all the time, until its tool has decided and nobody meets it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.rollback.application import Models
from benchmarks.rollback.cost import Cost
from benchmarks.rollback.figures import Met, met
from benchmarks.rollback.tool import TRIAL_SECONDS, Decision, Serving
from benchmarks.rollback.traffic import LOST, Traffic
from demo.kubectl import wait_for

HEALTHY_ERRORS = 0.01
"""What a healthy version answers with 500: exactly the bound."""
OUTAGE_SHARE = 0.3
OUTAGE_SECONDS = 10.0
DECISION_SECONDS = TRIAL_SECONDS + 150.0
QUIET_SECONDS = 3.0
"""Without an answer of a rejected version: it has got its last request."""
REST_SECONDS = 180.0
SETTLED_SECONDS = 3


class Kind(StrEnum):
    """What the version on trial is like."""

    BAD = "bad"
    """It has more errors than the bound allows."""
    HEALTHY = "healthy"
    """It has as many as the bound allows."""
    OUTAGE = "outage"
    """It is without errors, as the version that serves; for a while both fail alike."""


@dataclass(frozen=True)
class Trial:
    """How one ended."""

    decision: Decision
    met: Met
    processor_seconds: dict[str, float]
    """What the tool's own programs have used from the shipping to the decision."""
    megabytes: dict[str, float]
    """What each of them holds in memory at the decision."""


class Trials:
    """One tool, one rate: version after version."""

    def __init__(self, serving: Serving, users: Traffic, models: Models) -> None:
        self._serving, self._users, self._models = serving, users, models
        self._serving_errors = 0.0
        """The share of errors of the version that serves."""

    def run(self, kind: Kind, errors: float, revision: str) -> Trial:
        """Ship a version, wait for its end, and come back to rest."""
        self._settle()
        if kind is not Kind.HEALTHY and self._serving_errors:
            self._replace_champion(f"{revision}-sound")
        return self._run(kind, {Kind.BAD: errors, Kind.HEALTHY: HEALTHY_ERRORS, Kind.OUTAGE: 0.0}[kind], revision)

    def _replace_champion(self, revision: str) -> None:
        """A version without errors takes the place of one with errors, which was promoted."""
        self._serving.ship(self._models.failing(0.0), revision)
        wait_for(lambda: self._serving.decision() is Decision.PROMOTED, "a sound version", timeout=DECISION_SECONDS)
        self._serving_errors = 0.0
        self._settle()

    def _run(self, kind: Kind, errors: float, revision: str) -> Trial:
        known = frozenset(answer.revision for answer in self._users.answers) | {LOST}
        first = len(self._users.answers)
        before = Cost.of(self._serving.processes())
        self._serving.ship(self._models.failing(errors), revision)
        decision, decided = self._decision(kind, known, first)
        cost = Cost.of(self._serving.processes())
        self._users.outage = 0.0
        if decision is Decision.REJECTED:
            self._until_nobody_meets_it(known, first)
        elif decision is Decision.PROMOTED:
            self._serving_errors = errors
        answers = self._users.answers[first:]
        tried = frozenset(answer.revision for answer in answers) - known
        self._serving.give_up()
        return Trial(decision, met(answers, tried, decided), cost.since(before), cost.megabytes)

    def _settle(self) -> None:
        """Until one version serves with all of its pods, and users have met it for a while."""
        self._users.outage = 0.0
        wait_for(self._serving.at_rest, "rest", timeout=REST_SECONDS, every=0.5)
        enough = len(self._users.answers) + SETTLED_SECONDS * self._users.rate
        wait_for(lambda: len(self._users.answers) >= enough, "steady load", timeout=60)

    def _decision(self, kind: Kind, known: frozenset[str], first: int) -> tuple[Decision, float | None]:
        """The decision and its moment; none where the time is up."""
        outage_ends: float | None = None
        until = time.monotonic() + DECISION_SECONDS
        while time.monotonic() < until:
            if (decision := self._serving.decision()) is not Decision.NONE:
                return decision, time.monotonic()
            if kind is Kind.OUTAGE and outage_ends is None and self._is_met(known, first):
                self._users.outage, outage_ends = OUTAGE_SHARE, time.monotonic() + OUTAGE_SECONDS
            if outage_ends is not None and time.monotonic() > outage_ends:
                self._users.outage = 0.0
            time.sleep(0.05)  # between two looks at the tool's object
        return Decision.NONE, None

    def _is_met(self, known: frozenset[str], first: int) -> bool:
        return any(answer.revision not in known for answer in self._users.answers[first:])

    def _until_nobody_meets_it(self, known: frozenset[str], first: int) -> None:
        def quiet() -> bool:
            own = [answer.at for answer in self._users.answers[first:] if answer.revision not in known]
            return not own or time.monotonic() - own[-1] > QUIET_SECONDS

        with contextlib.suppress(TimeoutError):
            wait_for(quiet, "the last answer", timeout=60)
