"""A hundred promotions and a hundred reverts in a row, while users ask over connections that they keep.

Each round ships a version without errors, which is promoted, and then one with 30 % of errors, which is taken back. The
aim: no request fails that no bad version has failed. Both providers are tried side by side: with the defaults it is a
million requests in about an hour.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from benchmarks.churn.counted import Counted, counted
from benchmarks.rollback.application import Models, models
from benchmarks.rollback.tool import NAMESPACE, Decision, World, prepared, world
from benchmarks.rollback.tools import VIRIDIAN
from benchmarks.rollback.tools.viridian_service import ViridianApplication
from benchmarks.rollback.traffic import FOREVER, LOST, MAX_REQUESTS, Traffic, traffic
from benchmarks.spread import spread
from demo.kubectl import wait_for

TRIAL_SECONDS = 3
DECISION_SECONDS = 180.0
BAD_ERRORS = 0.3
SETTLED_SECONDS = 1


@dataclass
class Churn:
    """One provider."""

    application: ViridianApplication
    users: Traffic
    known: Models
    bad: set[str] = field(default_factory=set)
    """Revisions."""
    seconds: dict[Decision, list[float]] = field(default_factory=dict)
    """From the shipping of a version to its decision."""

    def round(self, number: int) -> None:
        """RuntimeError where the good version is not promoted, or the bad one is."""
        self._ship(f"good-{number}", 0.0, Decision.PROMOTED)
        before = self._revisions()
        self._ship(f"bad-{number}", BAD_ERRORS, Decision.REJECTED)
        self.bad |= self._revisions() - before
        self.application.give_up()

    def count(self) -> Counted:
        return counted(list(self.users.answers), self.bad)

    def _ship(self, revision: str, errors: float, wanted: Decision) -> None:
        self._settle()
        began = time.monotonic()
        self.application.ship(self.known.failing(errors), revision)
        decision = wait_for(self._decision, f"the end of {revision}", timeout=DECISION_SECONDS, every=0.1)
        if decision is not wanted:
            raise RuntimeError(f"{revision}: {decision.value} instead of {wanted.value}")
        self.seconds.setdefault(decision, []).append(time.monotonic() - began)

    def _decision(self) -> Decision | None:
        decision = self.application.decision()
        return None if decision is Decision.NONE else decision

    def _settle(self) -> None:
        wait_for(self.application.at_rest, "rest", timeout=DECISION_SECONDS)
        enough = len(self.users.answers) + SETTLED_SECONDS * self.users.rate
        wait_for(lambda: len(self.users.answers) >= enough, "steady load", timeout=60)

    def _revisions(self) -> set[str]:
        """All that have answered so far."""
        return {answer.revision for answer in self.users.answers} - {LOST}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.churn", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="a promotion and a revert each (default: 100)")
    parser.add_argument("--rate", type=int, default=160, help="requests a second to each provider (default: 160)")
    parser.add_argument("--requests", type=int, default=500_000, help="at least so many of each (default: 500,000)")
    parser.add_argument("--providers", nargs="*", choices=VIRIDIAN, default=list(VIRIDIAN), help="side by side")
    chosen = parser.parse_args()
    if not 0 < chosen.requests <= MAX_REQUESTS:
        parser.error(f"--requests: between 1 and {MAX_REQUESTS}")
    cluster = prepared()
    with models() as known, ExitStack() as stack, ThreadPoolExecutor() as pool:
        running = {}
        # The gateway comes last: its operator serves both.
        for provider in (name for name in VIRIDIAN if name in chosen.providers):
            opened = stack.enter_context(world(cluster, f"{NAMESPACE}-{provider}"))
            running[provider] = stack.enter_context(churn(opened, known, provider, chosen.rate))
        counts = [pool.submit(run, one, name, chosen.rounds, chosen.requests) for name, one in running.items()]
        return 1 if sum(count.result().others for count in counts) else 0


@contextmanager
def churn(opened: World, known: Models, provider: str, rate: int) -> Iterator[Churn]:
    with (
        VIRIDIAN[provider].application(opened, known.failing(0.0), TRIAL_SECONDS) as application,
        traffic(application.target(), rate, FOREVER) as users,
    ):
        yield Churn(application, users, known)


def run(running: Churn, provider: str, rounds: int, requests: int) -> Counted:
    """All rounds, and then on until there are enough requests."""
    began = time.monotonic()
    for number in range(rounds):
        running.round(number)
        say(f"  {provider} {number + 1}/{rounds}, {time.monotonic() - began:.0f} s: {running.count()}")
    seconds = requests / running.users.rate
    wait_for(lambda: len(running.users.answers) >= requests, "enough requests", timeout=2 * seconds + 60, every=1)
    found = running.count()
    say(f"{provider}: {rounds} promotions and {rounds} reverts, {found}")
    for decision, times in running.seconds.items():
        say(f"  from the shipping to {decision.value}: {spread(times, 's')}")
    return found


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
