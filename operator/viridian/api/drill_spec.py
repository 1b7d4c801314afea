"""The rollback is rehearsed: a part of a ModelDeployment."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from viridian.api import cel
from viridian.api.schema import Rule, Struct, doc, duration

MIRRORED_BY_GATEWAY: Final = Rule(
    rule="!has(self.drill) || self.drill.mode != 'Mirrored' || "
    "(self.traffic.provider == 'Gateway' && !(has(self.traffic.gateway) && has(self.traffic.gateway.join)))",
    message="only a gateway copies requests to the fallback: write traffic: {provider: Gateway, gateway: {parentRefs: "
    "[{name: public}]}}, or mode: Live",
    field_path=".drill",
)


class DrillMode(StrEnum):
    """How a drill reaches the fallback."""

    LIVE = "Live"
    MIRRORED = "Mirrored"


class RollbackDrill(Struct, frozen=True, kw_only=True):
    """A rehearsal of the rollback: the fallback bears the present load for a while."""

    cron: Annotated[
        str,
        doc(
            "When drills begin. Five fields: minute, hour, day of month, month, day of week. A drill begins within an "
            "hour of that time, once nothing else goes on, or it is left out.",
            max_length=100,
            rules=(cel.CRON,),
        ),
    ]
    mode: Annotated[
        DrillMode,
        doc(
            "Live: all users are served by the fallback for the duration of the drill. Mirrored: it gets copies of all "
            "requests, users stay with the champion, and nobody sees its answers; needs `traffic.provider: Gateway`."
        ),
    ]
    duration: Annotated[str, duration("How long the fallback answers in a drill.", at_least="10s", at_most="1h")] = "1m"
    time_zone: Annotated[str, doc("IANA name such as Europe/Paris.", max_length=64, rules=(cel.TIME_ZONE,))] = "UTC"
