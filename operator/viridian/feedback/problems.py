"""The error responses of the collector. They repeat nothing that was sent but names that objects can have.

Problem
├── Busy      429: the queue is full
├── TooSlow   408: the body did not arrive in time
├── ServiceUnavailable 503: the database or the API server does not answer
├── Full      503: the disk is full
├── OverShare 507: the namespace has its whole share of the disk
├── Servers   507: too many different servers have answered for the deployment
└── Unknown   404: the operator has not announced this deployment, and nothing is kept of it
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from viridian.http_problem import HttpProblem as HttpProblem

RETRY_SECONDS: Final = 2
FULL_RETRY_SECONDS: Final = 60
"""People have to make room first, or what is too old has to go."""

# Messages of msgspec name types, our own fields and positions; others quote what was sent.
_HARMLESS: Final = re.compile(
    r"(?P<what>Expected `[a-z0-9 |]+`(?:, got `[a-z]+`)?|Object missing required field `[a-z_]+`)"
    r"(?: - at `(?P<where>\$[a-z_.\[\]0-9]*)`)?"
)


class CollectorBusy(HttpProblem):
    """Nothing was stored: later."""

    def __init__(self) -> None:
        super().__init__(429, "too many rows are waiting to be stored; send them again later", RETRY_SECONDS)


class TooSlow(HttpProblem):
    """Nothing was stored: the whole body, and in less time."""

    def __init__(self) -> None:
        super().__init__(408, "the body did not arrive in time")


class ServiceUnavailable(HttpProblem):
    """Nothing was stored, because something that is needed for it does not answer: later."""

    def __init__(self, what: str) -> None:
        super().__init__(503, f"{what} does not answer; send it again later", RETRY_SECONDS)


class Full(HttpProblem):
    """Nothing was stored, because there is no room; what was acknowledged before is safe."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "the collector's disk is full: enlarge its volume, or keep rows for a shorter time; send it again later",
            FULL_RETRY_SECONDS,
        )


class OverShare(HttpProblem):
    """Nothing was stored: this namespace keeps as much as it may. The others go on."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            507,
            f"the namespace keeps as much as it may, which is {limit} bytes: keep its rows for a shorter time, or let "
            "it have more (VIRIDIAN_NAMESPACE_DISK_BYTES); send it again later",
            FULL_RETRY_SECONDS,
        )


class Servers(HttpProblem):
    """Raised before anything is written: what is committed together with it need not be undone."""

    def __init__(self) -> None:
        super().__init__(
            507,
            "too many different revisions and servers are known of this deployment: they go with the last of their "
            "rows and windows; send it again later",
            FULL_RETRY_SECONDS,
        )


class Unknown(HttpProblem):
    """Nothing was stored or read. It may be in a moment: a server can start before the operator announces it."""

    def __init__(self, what: str) -> None:
        super().__init__(
            404,
            f"{what} is not known here: the operator announces each ModelDeployment with spec.feedback or "
            "spec.monitoring within moments; see kubectl get modeldeployments --all-namespaces for the names",
            RETRY_SECONDS,
        )


def misunderstood(error: Exception, expected: str) -> HttpProblem:
    """400 for a document that could not be decoded, with its place as far as that gives nothing away."""
    sentence = f"the body is not {expected}"
    if isinstance(error, msgspec.ValidationError) and (found := _HARMLESS.fullmatch(str(error))):
        where = f" at {found['where']}" if found["where"] else ""
        sentence += f": {found['what'].replace('`', '')}{where}"
    return HttpProblem(400, sentence)
