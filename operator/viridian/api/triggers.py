"""What starts a run. A new source is a struct here, a field of Trigger, and a row in `cel_triggers.SOURCES`."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from viridian.api import cel, cel_triggers
from viridian.api.event_trigger import EventTrigger
from viridian.api.schema import Rule, Struct, distinct, doc, duration


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
    jitter: Annotated[
        str,
        duration(
            "Each time comes later by a share of this, always the same one for a policy and a schedule: schedules of "
            "many policies do not start at the same moment.",
            at_most="1d",
        ),
    ] = "0s"
    unless_run_within: (
        Annotated[
            str,
            duration(
                "A time is left out when a run that made a candidate began so shortly before it, whatever caused it.",
                at_least="1m",
            ),
        ]
        | None
    ) = None


class MonitorsTrigger(Struct, frozen=True, kw_only=True):
    """Monitors of the ModelDeployment that have fired."""

    names: Annotated[
        tuple[Annotated[str, doc("Name of a monitor.", max_length=63, rules=(cel_triggers.MONITOR_NAME,))], ...],
        distinct("Monitors of the ModelDeployment; one of them is enough.", min_length=1, max_length=20),
    ]
    windows: Annotated[int, doc("In how many windows in a row the same monitor must have fired.", ge=1, le=100)] = 1


class NewDataTrigger(Struct, frozen=True, kw_only=True):
    """Data that no run has been given."""

    poll: Annotated[str, duration("How often the resolver of the data looks.", at_least="5m", at_most="7d")] = "15m"


class LabelsTrigger(Struct, frozen=True, kw_only=True):
    """Outcomes that the collector has received."""

    count: Annotated[
        int, doc("How many outcomes must have become mature since the newest run began.", ge=1, le=1_000_000_000)
    ]


class QueryTrigger(Struct, frozen=True, kw_only=True):
    """A value that Prometheus knows. Which Prometheus that is, the operator's installer decides."""

    rules: ClassVar[tuple[Rule, ...]] = (cel_triggers.BOUND_OF_QUERY, cel_triggers.BOUNDS_OF_QUERY_IN_ORDER)

    expression: Annotated[str, doc("PromQL with one series, such as max(error_rate).", min_length=1, max_length=2048)]
    min: Annotated[float, doc("Start when the value is below this.", ge=-1e15, le=1e15)] | None = None
    max: Annotated[float, doc("Start when the value is above this.", ge=-1e15, le=1e15)] | None = None
    for_: Annotated[
        str,
        duration(
            "How long the value must have been beyond its bound, without a gap. After a run this time begins anew.",
            at_least="1m",
            at_most="7d",
        ),
    ] = msgspec.field(default="5m", name="for")


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
    monitors: (
        Annotated[
            MonitorsTrigger,
            doc(
                "Start when a monitor of the ModelDeployment has fired in so many windows in a row. One that goes on "
                "firing starts another run once as many windows have passed after the run before."
            ),
        ]
        | None
    ) = None
    labels: (
        Annotated[LabelsTrigger, doc("Start when so many outcomes have become mature since the newest run began.")]
        | None
    ) = None
    query: (
        Annotated[QueryTrigger, doc("Start when a value that Prometheus knows has been beyond its bound for a while.")]
        | None
    ) = None
    event: (
        Annotated[
            EventTrigger,
            doc(
                "Start when the operator's receiver of events has taken one whose attributes are as written here. "
                "The receiver is off unless the operator is installed with it."
            ),
        ]
        | None
    ) = None
    new_data: (
        Annotated[
            NewDataTrigger,
            doc(
                "Start when data.resolver finds content that no run has been given. The same content under another "
                "revision is no new data."
            ),
        ]
        | None
    ) = None
    cooldown: Annotated[
        str, duration("Pause after a run that this trigger caused before it starts the next; others do not wait.")
    ] = "0s"
