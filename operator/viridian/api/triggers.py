"""What starts a run. A new source is a struct here, a field of Trigger, and a row in `cel_triggers.SOURCES`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from viridian.api import cel, cel_triggers
from viridian.api.schema import Rule, Struct, doc, duration


class Schedule(Struct, frozen=True, kw_only=True):
    """Points in time by cron."""

    cron: Annotated[
        str,
        doc("Five fields: minute, hour, day of month, month, day of week.", max_length=100, rules=(cel.CRON,)),
    ]
    time_zone: Annotated[str, doc("IANA name such as Europe/Paris.", max_length=64, rules=(cel.TIME_ZONE,))] = "UTC"
    starting_deadline: Annotated[
        str,
        duration(
            "How late a run may still start when its time passed while the operator was down or a run was active.",
            at_least="1s",
        ),
    ] = "1h"


class Trigger(Struct, frozen=True, kw_only=True):
    """A reason to start a run: exactly one source."""

    rules: ClassVar[tuple[Rule, ...]] = (cel_triggers.ONE_TRIGGER_SOURCE,)

    name: Annotated[str, doc("Name of the trigger; unique in the policy.", max_length=63, rules=(cel.label("weekly"),))]
    schedule: (
        Annotated[
            Schedule,
            doc(
                "Start at these times. Times missed for longer than the deadline are dropped; of several, the newest "
                "runs once."
            ),
        ]
        | None
    ) = None
