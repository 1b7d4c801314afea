"""What operator and servers say to each other when a revision has lost its users and some still come to its pods."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from viridian.api.orders import MAX_SECONDS

FORWARD_PATH: Final = "/forward"
"""On the management port. POST ForwardOrder, with the operator's proof: 204, or 409 where there is nobody to forward
to. For that long the server asks the other slot for each answer, and each answer ends its connection."""
FORWARDED_HEADER: Final = "x-viridian-forwarded"
"""On each request that a server forwards: it is forwarded once and no further."""


class ForwardOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The body of `POST /forward`."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0, le=MAX_SECONDS)]
