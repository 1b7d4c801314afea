"""The metrics of the model server, as plain values: the names of the metrics, and one reading of one pod.

Server and operator both import this page, so a metric cannot be renamed on one side only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

MANAGEMENT_PORT: Final = 8081
"""Where the built-in server answers `/metrics`, `/healthz` and `POST /connections/close`."""

NAMESPACE_VARIABLE: Final = "VIRIDIAN_NAMESPACE"
DEPLOYMENT_VARIABLE: Final = "VIRIDIAN_DEPLOYMENT"
"""Name of the ModelDeployment."""
POD_VARIABLE: Final = "VIRIDIAN_POD"
SLOT_VARIABLE: Final = "VIRIDIAN_SLOT"
REVISION_VARIABLE: Final = "VIRIDIAN_REVISION"
"""The environment variables that name the owner of a server's container, whatever its runtime."""

REQUESTS_METRIC: Final = "viridian_requests"
"""Counter; Prometheus text appends `_total`. Label `code` is a `CodeClass`."""
DURATION_METRIC: Final = "viridian_request_duration_seconds"
"""Histogram over all inference requests, whatever their code: its count equals the sum of the request counters."""
LATENCY_BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
    0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds of the histogram's buckets in seconds, without the infinite one."""

INFO_METRIC: Final = "viridian_server"
"""Info; Prometheus text appends `_info`. Its labels say whose answers are counted: see `Identity`."""
LAST_ANSWER_METRIC: Final = "viridian_seconds_since_answer"
"""Gauge: for how long no inference request was answered; NaN before the first one."""

PREDICTED_VALUES_METRIC: Final = "viridian_prediction_values"
"""Histogram of scores or predicted numbers on the bins of the version's reference profile, for as long as it counts."""
PREDICTED_CLASSES_METRIC: Final = "viridian_prediction_classes"
"""Counter by `class`, of models with more than two."""


class CodeClass(StrEnum):
    """HTTP status codes by what they say about the answer."""

    SUCCESS = "2xx"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"


class Idle(StrEnum):
    """What becomes of kept-alive connections on which nothing happens while connections are being closed."""

    KEEP = "Keep"
    """They close after their next answer: nothing can be lost. For weight steps and promotions."""
    CLOSE = "Close"
    """They close at once, which can race with a request that is on its way. For reverts, where staying is worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose pod it is: the labels of the info metric, by the same names. An address may be another pod's by now."""

    namespace: str = ""
    deployment: str = ""
    """Name of the ModelDeployment."""
    slot: str = ""
    revision: str = ""
    pod: str = ""
    """Name of the pod."""

    def labels(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in type(self).__slots__}

    def differs_in(self, labels: Mapping[str, str]) -> str:
        """What of these labels belongs to somebody else, for people; empty where nothing does.

        Slot and revision are required. The rest may be missing: servers of older releases do not expose it.
        """
        for name, expected in self.labels().items():
            served = labels.get(name, "")
            if served != expected and (served or name in ("slot", "revision")):
                return f"{name} {served}" if served else f"no {name}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTarget:
    """A pod to talk to, where its management port is, and who has to answer there."""

    uid: str
    ip: str
    identity: Identity
    port: int = MANAGEMENT_PORT
    process: str = ""
    """Distinguishes the server's process from the one before it in the same pod: the start of the container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Answers that took at most `bound` seconds, counted since the process started; the last bound is infinite."""

    bound: float
    count: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSample:
    """What a champion's server has compared of its own answers and a challenger's, since that comparison began."""

    comparison: str
    """Names it; the counts are of no other one."""
    share: float
    """Percent of the requests that are copied now."""
    answers: float
    """Answers that could be compared."""
    disagreement: float
    """The shares of rows that differ, added up over these answers."""
    predictions: Mapping[str, Mapping[str, float]]
    """Rows by who predicted (`champion`, `challenger`) and the bin of the champion's reference profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSample:
    """One reading of one pod. Counters run from the start of the server's process: a smaller one means a restart."""

    uid: str
    at: datetime
    requests: Mapping[CodeClass, float]
    """Of users, and copies of their requests. Every class is present."""
    latency: tuple[Bucket, ...]
    """Cumulative, by rising bound; empty for a runtime that counts requests but does not time them."""
    duration_sum: float
    """Seconds that all timed requests took together."""
    process: str = ""
    """That of the target when it was read."""
    last_answer: datetime | None = None
    """When it last answered a user, by the reader's clock; None for a server that does not show it."""
    shadow: ShadowSample | None = None
    """Of a server that was ordered to copy requests."""

    @property
    def total(self) -> float:
        """All requests, whatever their code."""
        return sum(self.requests.values())


class ScrapeProblem(StrEnum):
    """Why a pod could not be read."""

    UNREACHABLE = "Unreachable"
    """No connection, or it broke."""
    TIMEOUT = "Timeout"
    STATUS = "Status"
    """It answered with something other than 200: custom runtimes without metrics do."""
    MALFORMED = "Malformed"
    """It is no Prometheus text, or the counters of requests are not in it."""
    OTHER_POD = "OtherPod"
    """It says that it belongs to somebody else, or does not say to whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeFailure:
    """A pod that could not be read, and why."""

    uid: str
    at: datetime
    problem: ScrapeProblem
    message: str
    """One sentence for people."""
