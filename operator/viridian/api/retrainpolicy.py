"""RetrainPolicy: when the model is to be looked at again, how a new one is made, and what it must beat."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

import msgspec

from viridian.api import cel, podtemplate
from viridian.api.modeldeployment_status import Condition
from viridian.api.names import MAX_MODEL_DEPLOYMENT_NAME
from viridian.api.schema import MAX_WORD, Rule, Struct, doc, duration, named, prose, time, word

MAX_REPORTED_METRICS: Final = 64
"""More numbers than this are cut from a status; MLflow keeps them all."""


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
    """A reason to start a run."""

    name: Annotated[str, doc("Name of the trigger; unique in the policy.", max_length=63, rules=(cel.label("weekly"),))]
    schedule: Annotated[
        Schedule,
        doc(
            "Start at these times. Times missed for longer than the deadline are dropped; of several, the newest runs "
            "once."
        ),
    ]


class Data(Struct, frozen=True, kw_only=True):
    """The data to train on, passed to the stages as they are written here."""

    uri: Annotated[
        str,
        doc(
            "Where the data is: VIRIDIAN_DATA_URI in the container.",
            min_length=1,
            max_length=2048,
            rules=(cel.DATA_WITHOUT_USER,),
        ),
    ]
    revision: Annotated[str, doc("Which state of it: VIRIDIAN_DATA_REVISION.", max_length=256)] = ""


class Stage(Struct, frozen=True, kw_only=True):
    """One container that does one part of the work; the contract stands in docs/training.md."""

    template: Annotated[
        dict[str, Any],
        doc(
            "PodTemplateSpec of the Job. The first container does the work and gets Viridian's environment variables.",
            extra=podtemplate.whole(),
        ),
    ]
    timeout: Annotated[str, duration("How long the stage may take in all.", at_least="10s")] = "6h"
    backoff_limit: Annotated[int, doc("Retries after an error; eviction and node loss do not count.", ge=0, le=20)] = 2


class Stages(Struct, frozen=True, kw_only=True):
    training: Annotated[Stage, doc("Trains a candidate and logs it to the MLflow run it is given.")]


class GateRule(StrEnum):
    """How a candidate is compared with the champion."""

    NON_INFERIOR = "NonInferior"
    THRESHOLDS = "Thresholds"


class Direction(StrEnum):
    HIGHER = "Higher"
    LOWER = "Lower"


class GateMetric(Struct, frozen=True, kw_only=True):
    """One number that the trainer reports and the operator judges."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.BOUNDS_IN_ORDER,)

    name: Annotated[str, doc("Name of the metric as it was reported.", min_length=1, max_length=250)]
    min: Annotated[float, doc("The candidate is rejected below this.")] | None = None
    max: Annotated[float, doc("The candidate is rejected above this.")] | None = None
    direction: (
        Annotated[
            Direction,
            doc("Which way is better. Left out: Lower for names that end in an error such as rmse, else Higher."),
        ]
        | None
    ) = None


class Gate(Struct, frozen=True, kw_only=True):
    """What a candidate must show before it is handed to the rollout."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.THRESHOLDS_NEED_BOUNDS,)

    rule: Annotated[
        GateRule,
        doc(
            "NonInferior: within the bounds and, on the same holdout, not worse than the champion by more than the "
            "margin. Thresholds: within the bounds."
        ),
    ] = GateRule.NON_INFERIOR
    margin: Annotated[
        float, doc("How much worse than the champion still counts as equal, in the metric's own unit.", ge=0)
    ] = 0.005
    metrics: Annotated[
        tuple[GateMetric, ...],
        named(
            "name",
            "The numbers that count. None: every number that was reported for the champion too.",
            max_length=20,
        ),
    ] = ()


class Budget(Struct, frozen=True, kw_only=True):
    """Bounds on what retraining may cost."""

    cooldown: Annotated[
        str, duration("Pause after a run before a schedule may start the next; manual runs do not wait.")
    ] = "0s"


class RunHistory(Struct, frozen=True, kw_only=True):
    runs: Annotated[int, doc("Finished runs that are remembered, and whose Jobs are kept.", ge=1, le=100)] = 10


class RetrainPolicySpec(Struct, frozen=True, kw_only=True):
    """The desired state."""

    model_deployment: Annotated[
        str,
        doc(
            "Name of the ModelDeployment in the same namespace whose model is retrained.",
            max_length=MAX_MODEL_DEPLOYMENT_NAME,
            rules=(cel.MODEL_DEPLOYMENT_STAYS, cel.label("churn")),
        ),
    ]
    suspend: Annotated[
        bool, doc("No schedule starts a run. An active run goes on, and a run that a person asks for starts.")
    ] = False
    triggers: Annotated[
        tuple[Trigger, ...],
        named("name", "Reasons to start a run. The annotation viridian.dev/run starts one by hand.", max_length=20),
    ] = ()
    data: Annotated[Data, doc("The data to train on.")] | None = None
    stages: Annotated[Stages, doc("What a run does.")]
    gate: Annotated[Gate, doc("What a candidate must show.")] = msgspec.field(default_factory=Gate)
    budget: Annotated[Budget, doc("Bounds on what retraining may cost.")] = msgspec.field(default_factory=Budget)
    history: Annotated[RunHistory, doc("What is kept.")] = msgspec.field(default_factory=RunHistory)


class ActiveRun(Struct, frozen=True, kw_only=True):
    id: Annotated[str, word("Identity of the run, derived from what caused it.")]
    reasons: Annotated[
        tuple[Annotated[str, doc("One cause.", max_length=MAX_WORD)], ...],
        doc("What caused it.", max_length=20),
    ] = ()
    stage: Annotated[str, word("Stage it is in.")] = "training"
    started_at: Annotated[str, time("When it began.")] | None = None
    job: Annotated[str, word("The Job at work.")] | None = None
    mlflow_run: Annotated[str, word("Its run in MLflow.")] | None = None


class FinishedRun(Struct, frozen=True, kw_only=True):
    id: Annotated[str, word("Identity of the run.")]
    outcome: Annotated[
        str, word("HandedOver, Rejected, Failed, ForeignModel, DataQualityFailed, Skipped or Cancelled.")
    ]
    reasons: Annotated[
        tuple[Annotated[str, doc("One cause.", max_length=MAX_WORD)], ...],
        doc("What caused it.", max_length=20),
    ] = ()
    message: Annotated[str, prose("Sentence for people.")] = ""
    version: Annotated[str, word("Version in the registry that came of it.")] | None = None
    metrics: Annotated[dict[str, float], doc("What the trainer reported.", max_length=MAX_REPORTED_METRICS)] = (
        msgspec.field(default_factory=dict)
    )
    started_at: Annotated[str, time("When it began.")] | None = None
    finished_at: Annotated[str, time("When it ended.")] | None = None


class TriggerStatus(Struct, frozen=True, kw_only=True):
    name: Annotated[str, word("Name of the trigger.")]
    last_fired: Annotated[str, time("When it last started a run.")] | None = None
    next: Annotated[str, time("When it fires next.")] | None = None


class RetrainPolicyStatus(Struct, frozen=True, kw_only=True):
    """The world as last seen: a cache, rebuilt when deleted."""

    observed_generation: Annotated[int, doc("Generation of the spec that this status answers.")] | None = None
    active_run: Annotated[ActiveRun, doc("The run at work.")] | None = None
    last_run: Annotated[FinishedRun, doc("The newest finished run.")] | None = None
    runs: Annotated[tuple[FinishedRun, ...], doc("Finished runs, newest first.", max_length=10)] = ()
    triggers: Annotated[tuple[TriggerStatus, ...], named("name", "The triggers.", max_length=20)] = ()
    next_scheduled: Annotated[str, time("When the next run is due.")] | None = None
    conditions: Annotated[
        tuple[Condition, ...], named("type", "Ready, Reconciling, Stalled, DataQuality, Paused.", max_length=20)
    ] = ()
