"""When a challenger may become the champion, and which former champions need no steps: parts of a ModelDeployment."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from viridian.api import cel
from viridian.api.schema import Rule, Struct, doc, duration, time

_ONE_MEASURE: Final = Rule(
    rule="has(self.duration) != has(self.revisions)",
    message="write exactly one of duration and revisions",
    message_expression=(
        "has(self.duration) ? 'duration and revisions exclude each other: remove one of them' : "
        "'say how far back the window reaches: duration: 7d, or revisions: 3'"
    ),
)


class PromotionHold(Struct, frozen=True, kw_only=True):
    """Nothing is promoted for a while. Steps go on below a weight of 100, and every way back stays open."""

    reason: Annotated[
        str, doc("Why, for people; shown in status and events. Such as: audit ML-42.", min_length=1, max_length=1024)
    ]
    until: (
        Annotated[str, time("When the hold ends by itself. Left out: once this part of the spec is removed.")] | None
    ) = None
    by: Annotated[str, doc("Who holds, for people.", min_length=1, max_length=253)] | None = None


class PromotionWindow(Struct, frozen=True, kw_only=True):
    """When promotions may happen: windows that begin at the times of a cron expression."""

    cron: Annotated[
        str,
        doc(
            "When it opens. Five fields: minute, hour, day of month, month, day of week.",
            max_length=100,
            rules=(cel.CRON,),
        ),
    ]
    duration: Annotated[str, duration("How long it is open.", at_least="10m", at_most="31d")]
    time_zone: Annotated[str, doc("IANA name such as Europe/Paris.", max_length=64, rules=(cel.TIME_ZONE,))] = "UTC"


class RollbackWindow(Struct, frozen=True, kw_only=True):
    """Which former champions get the traffic back without steps: exactly one of `duration` and `revisions`."""

    rules: ClassVar[tuple[Rule, ...]] = (_ONE_MEASURE,)

    duration: Annotated[str, duration("Those that were champion within this time.", at_least="1m")] | None = None
    revisions: (
        Annotated[int, doc("So many of the champions before the present one, newest first.", ge=1, le=10)] | None
    ) = None
