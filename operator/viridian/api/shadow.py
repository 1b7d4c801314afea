"""What operator, champion and challenger say to each other while the champion shadows the challenger."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from viridian.api.orders import MAX_SECONDS

SHADOW_PATH: Final = "/shadow"
"""On the management port. POST ShadowOrder: begin, or go on, until the lease ends. DELETE: end now. Both answer 204.
Both take the operator's proof, see `viridian.api.orders`."""
SHADOW_HEADER: Final = "x-viridian-shadow"
"""On each copy: the id of the live prediction. Who gets it neither counts it as a user's request, nor tells the
collector of it, nor copies it any further."""

COPIED_REQUESTS_METRIC: Final = "viridian_shadow_requests"
"""Challenger: counter of copies that it answered, by `code`. They are not in `viridian_requests`."""
COPIED_DURATION_METRIC: Final = "viridian_shadow_request_duration_seconds"
"""Challenger: histogram, the same as of users' requests."""

COMPARED_METRIC: Final = "viridian_shadow_compared"
"""Champion, as all that follow: counter of requests of which both answers were compared."""
ROWS_METRIC: Final = "viridian_shadow_rows"
"""Counter of rows in them; of a request at most the first hundred."""
AGREEING_METRIC: Final = "viridian_shadow_agreeing_rows"
"""Counter of rows with the same labels in both answers, and with numbers where the other has numbers."""
DIFFERENCE_METRIC: Final = "viridian_shadow_difference"
"""Summary, sum and count over rows: the largest absolute difference between the numbers of both answers."""
PREDICTIONS_METRIC: Final = "viridian_shadow_predictions"
"""Counter of rows by `by` (`champion`, `challenger`) and `bin`: upper edge or category of the reference profile."""
DISAGREEMENT_METRIC: Final = "viridian_shadow_disagreement"
"""Summary, sum and count over answers that can be compared: the share of rows that differ, from 0 to 1. Labels differ
where they are not equal, numbers where they are further apart than the order tolerates. An answer of numbers alone
counts only with a tolerance. What the challenger has refused, or answered in another shape, differs as a whole."""
FAILURES_METRIC: Final = "viridian_shadow_failures"
"""Counter of copies without an answer to compare, by `reason`, a `Failure`."""
DROPPED_METRIC: Final = "viridian_shadow_dropped"
"""Counter of requests that the sample named but that were not copied, by `reason`, a `Drop`."""
SHARE_METRIC: Final = "viridian_shadow_share"
"""Gauge: percent of requests that are copied now; 0 when no lease runs. Its label `comparison` is that of the order."""

MISSING_BIN: Final = "missing"
"""Bin of a prediction that is no number."""
LAST_BIN: Final = "+Inf"
"""Bin of numbers above the last edge."""
OTHER_BIN: Final = "other"
"""Bin of classes without one of their own."""


class ShadowOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /shadow`."""

    target: str
    """`http://host:port` of the challenger, without a path: the one that the server was given at its start."""
    revision: str
    """The challenger's; answers of any other revision are not compared."""
    share: Annotated[float, msgspec.Meta(gt=0, le=100)]
    """Percent of the requests. Which ones follows from their prediction ids."""
    seconds: Annotated[float, msgspec.Meta(gt=0, le=MAX_SECONDS)]
    """The lease: without another order it ends by itself, so that a dead operator leaves no shadow behind."""
    comparison: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Names what is compared, such as one step of one trial: under another name counting begins anew."""
    tolerance: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """How far two numbers may be apart and still agree; None: only labels are compared."""


class Failure(StrEnum):
    """Why a copy brought no answer to compare."""

    CONNECT = "Connect"
    TIME_OUT = "TimeOut"
    CLOSED = "Closed"
    """The connection ended before the answer did."""
    REFUSED = "Refused"
    """4xx to what the champion accepted."""
    FAILED = "Failed"
    """5xx."""
    STATUS = "Status"
    """Anything else but 200; redirects are not followed."""
    MALFORMED = "Malformed"
    """No HTTP, or no answer of the protocol."""
    TOO_LARGE = "TooLarge"
    OTHER_REVISION = "OtherRevision"
    """Somebody else answers at the target."""
    UNLIKE = "Unlike"
    """Other outputs, or another number of rows, than the champion's."""
    INTERNAL = "Internal"
    """A fault of the server that compares."""


class Drop(StrEnum):
    """Why a sampled request was not copied."""

    RATE = "Rate"
    """More than a server copies in a second, whatever the share."""
    QUEUE_FULL = "QueueFull"
    """The challenger does not keep up."""
    TOO_LARGE = "TooLarge"
