"""The stream of samples that a model server sends while its answers are judged: what server and operator agree on.

The operator asks with an order. The answer has no end until its time is over: parts in the text of `/metrics`, each
with the series that a judge reads, each ended by the line `# EOF`. The first part comes at once. Further parts come as
soon as an answer was bad, and now and then so that both sides know that the other one is there.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from viridian.api.orders import MAX_SECONDS

STREAM_PATH: Final = "/metrics/stream"
END_OF_PART: Final = b"# EOF\n"
HEARTBEAT_SECONDS: Final = 5.0
"""A part comes after so long at the latest."""


class StreamOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The body of the request. A successful answer is bad if it took longer than `slowSeconds`."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0, le=MAX_SECONDS)]
    slow_seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None
