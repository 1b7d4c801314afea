"""What bounds the automation of a RetrainPolicy: mode, approvals, the budget, the circuit breaker, blackout windows."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from viridian.api import cel
from viridian.api.schema import Rule, Struct, doc, duration, time, word

MAX_RUNS: Final = 200
"""Runs of a period whose records are kept for the budget; a larger number of runs would be counted wrongly."""


class Mode(StrEnum):
    """How much the operator does by itself."""

    OBSERVE = "Observe"
    RECOMMEND = "Recommend"
    AUTOMATIC = "Automatic"


class TrainingApproval(StrEnum):
    """Whether a person has to approve a run before it begins."""

    AUTO = "Auto"
    REQUIRED = "Required"


class RunApproval(Struct, frozen=True, kw_only=True):
    """What a person has to approve. `gate.approval` is about the hand-over."""

    training: Annotated[
        TrainingApproval,
        doc(
            "Required: a run waits for the annotation viridian.dev/approve with its id before it begins, one that a "
            "person asks for included."
        ),
    ] = TrainingApproval.AUTO


class Rechecks(Struct, frozen=True, kw_only=True):
    """How a pause for bad data ends by itself."""

    recheck: Annotated[
        str,
        duration(
            "While triggers wait for good data, the stages before training look at it again this long after the last "
            "look. Data that only training found bad is not looked at again.",
            at_least="1m",
        ),
    ] = "1h"


class Budget(Struct, frozen=True, kw_only=True):
    """Bounds on what retraining may cost. A run that a person asks for is counted, and not held back."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.SPOT_PRICE_BESIDE_PRICE,)

    cooldown: Annotated[
        str, duration("Pause after a run before a trigger may start the next; manual runs do not wait.")
    ] = "0s"
    max_runs: (
        Annotated[
            int,
            doc("Runs that may begin within a period; further triggers wait.", le=MAX_RUNS, rules=(cel.SOME_RUNS,)),
        ]
        | None
    ) = None
    period: Annotated[
        str, duration("How far back runs count. It ends now: a run counts until it began so long ago.", at_least="1m")
    ] = "30d"
    cpu_hours: (
        Annotated[
            float,
            doc(
                "CPU-hours that the runs of a period may take; further triggers wait. With it, maxRuns is 200 where "
                "it is left out.",
                rules=(cel.SOME_CPU_HOURS,),
            ),
        ]
        | None
    ) = None
    max_hand_overs: (
        Annotated[
            int,
            doc(
                "Candidates that may be handed over within a period. The next one that passes waits until there is "
                "room, or until a person approves it.",
                le=MAX_RUNS,
                rules=(cel.SOME_HAND_OVERS,),
            ),
        ]
        | None
    ) = None
    price: (
        Annotated[float, doc("Price of a CPU-hour, in a currency of your own: for status.budget.cost.", ge=0)] | None
    ) = None
    spot_price: (
        Annotated[float, doc("Price of a CPU-hour on spot nodes. Left out: the same as price.", ge=0)] | None
    ) = None


class CircuitBreaker(Struct, frozen=True, kw_only=True):
    """Stops triggers when one candidate after the other is rejected."""

    rejected_in_a_row: Annotated[
        int,
        doc(
            "So many candidates that are rejected in a row open it: no trigger starts a run until a run that a person "
            "asks for passes, or the spec is edited.",
            ge=1,
            le=20,
        ),
    ]


class Blackout(Struct, frozen=True, kw_only=True):
    """A window in which no trigger starts a run."""

    cron: Annotated[
        str,
        doc(
            "When it begins. Five fields: minute, hour, day of month, month, day of week.",
            max_length=100,
            rules=(cel.CRON,),
        ),
    ]
    duration: Annotated[str, duration("How long it lasts.", at_least="1m", at_most="31d")]
    time_zone: Annotated[str, doc("IANA name such as Europe/Paris.", max_length=64, rules=(cel.TIME_ZONE,))] = "UTC"


class BudgetStatus(Struct, frozen=True, kw_only=True):
    """What the runs of the period took, and what is left."""

    runs: Annotated[int, doc("Runs that began within the period.")]
    runs_left: Annotated[int, doc("Runs that triggers may still start; absent without a limit.")] | None = None
    cpu_hours: Annotated[float, doc("CPU-hours of the period's runs that have ended stages.")] = 0.0
    spot_cpu_hours: Annotated[float, doc("Those of them on spot nodes.")] = 0.0
    cpu_hours_left: Annotated[float, doc("CPU-hours that are left; absent without a limit.")] | None = None
    cost: Annotated[float, doc("What these hours cost; absent without a price.")] | None = None
    hand_overs_left: (
        Annotated[int, doc("Candidates that may still be handed over without a person; absent without a limit.")] | None
    ) = None
    resets_at: Annotated[str, time("When the oldest of these runs counts no more.")] | None = None


class Recommendation(Struct, frozen=True, kw_only=True):
    """The run that would begin, were it not for the mode or a missing approval."""

    run: Annotated[str, word("Its id: the value of viridian.dev/accept or viridian.dev/approve that starts it.")]
    reasons: Annotated[tuple[Annotated[str, doc("One cause.", max_length=316)], ...], doc("Why.", max_length=20)] = ()
    stages: Annotated[
        tuple[Annotated[str, word("Name of a stage.")], ...], doc("What it would do, in order.", max_length=10)
    ] = ()
