"""The status of a RetrainPolicy: a cache of the world, rebuilt when deleted."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from viridian.api.automation import BudgetStatus, Recommendation
from viridian.api.component_status import ComponentStatus
from viridian.api.context import AdviceStatus
from viridian.api.lineage import Lineage
from viridian.api.modeldeployment_status import Condition
from viridian.api.resource_usage import ResourceUsage
from viridian.api.schema import MAX_WORD, Struct, doc, named, prose, time, word
from viridian.api.trail_status import SHOWN_REVISIONS, SpecRevision
from viridian.api.version_quality import QualityStatus
from viridian.api.workflow import WorkflowStatus

MAX_COMMAND: Final = 600
"""Characters of an annotation that a person wrote, its name included; longer values are no commands."""
MAX_REPORTED_METRICS: Final = 64
"""More numbers than this are cut from a status; MLflow keeps them all."""


MAX_STAGES: Final = 8


class StageStatus(Struct, frozen=True, kw_only=True):
    """One stage of the run at work, or of the newest finished run. Those that the run does not have are left out."""

    name: Annotated[str, word("Name of the stage.")]
    state: Annotated[
        str,
        word("Skipped (the run ended before it), Pending, Running, Complete, Cached, Failed or Cancelled."),
    ]
    started_at: Annotated[str, time("When its object was made.")] | None = None
    finished_at: Annotated[str, time("When it ended.")] | None = None
    job: Annotated[str, word("The object that does its work.")] | None = None
    message: Annotated[
        str, prose("Why it waits or was skipped, or how it failed: the reason, and the end of the log.")
    ] = ""
    usage: Annotated[ResourceUsage, doc("What it used, where it has reported that.")] | None = None


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
        str,
        word(
            "HandedOver, AwaitingApproval, Superseded, Rejected, Failed, ForeignModel, DataQualityFailed, Skipped or "
            "Cancelled."
        ),
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
    holdout: (
        Annotated[str, word("Digest of the holdout on which an evaluation compared it with the champion.")] | None
    ) = None
    holdout_asked: (
        Annotated[int, doc("How many candidates had been judged on that holdout by then, this one included.")] | None
    ) = None
    started_at: Annotated[str, time("When it began.")] | None = None
    finished_at: Annotated[str, time("When it ended.")] | None = None
    handed_over_at: Annotated[str, time("When its candidate was handed over, if it had waited.")] | None = None
    waits_until: (
        Annotated[str, time("When its candidate, which passed, is handed over: budget.maxHandOvers.")] | None
    ) = None
    commands: Annotated[
        tuple[Annotated[str, doc("annotation=value.", max_length=MAX_COMMAND)], ...],
        doc("What people wrote about it: accepted, approved, rejected, a pause overridden.", max_length=10),
    ] = ()
    cpu_seconds: (
        Annotated[
            float,
            doc("What its stages took of CPUs by what their pods request, attempts that failed included."),
        ]
        | None
    ) = None
    spot_cpu_seconds: Annotated[float, doc("What they took of that on spot nodes.")] | None = None
    usage: Annotated[ResourceUsage, doc("What its stages used, as far as they have reported that.")] | None = None
    lineage: Annotated[Lineage, doc("What the version was made from.")] | None = None
    changed: Annotated[
        tuple[Annotated[str, word("One part.")], ...],
        doc(
            "What differs from the version that was handed over before: data, features, code, image, parameters, "
            "model.",
            max_length=6,
        ),
    ] = ()


class SuppressedTrigger(Struct, frozen=True, kw_only=True):
    """What has occurred since the trigger last fired, and has started no run."""

    count: (
        Annotated[
            int,
            doc(
                "How often it has occurred; at most 100 are counted. Of a schedule only while nothing is paused.", ge=0
            ),
        ]
        | None
    ) = None
    reason: Annotated[str, word("Why the newest of them starts no run: a stable CamelCase word.")]
    message: Annotated[str, prose("The same as a sentence for people.")] = ""


class TriggerStatus(Struct, frozen=True, kw_only=True):
    name: Annotated[str, word("Name of the trigger.")]
    last_fired: Annotated[str, time("When it last started a run.")] | None = None
    last_seen: Annotated[str, word("What it saw last.")] | None = None
    suppressed: Annotated[SuppressedTrigger, doc("What has occurred since then and has started no run.")] | None = None
    next: Annotated[str, time("When it fires next.")] | None = None


class RetrainPolicyStatus(Struct, frozen=True, kw_only=True):
    """The world as last seen: a cache, rebuilt when deleted."""

    observed_generation: (
        Annotated[int, doc("Generation of the spec that this status answers; -1 until the operator has looked.")] | None
    ) = None
    active_run: Annotated[ActiveRun, doc("The run at work.")] | None = None
    last_run: Annotated[FinishedRun, doc("The newest finished run.")] | None = None
    stages: Annotated[
        tuple[StageStatus, ...],
        named("name", "The stages of the run at work, else of the newest finished run.", max_length=MAX_STAGES),
    ] = ()
    runs: Annotated[tuple[FinishedRun, ...], doc("Finished runs, newest first.", max_length=10)] = ()
    triggers: Annotated[tuple[TriggerStatus, ...], named("name", "The triggers.", max_length=20)] = ()
    unnamed_triggers: Annotated[
        tuple[TriggerStatus, ...],
        named(
            "name",
            "What has started runs without an entry in spec.triggers: the edits that runOnChange names, and the "
            "annotation viridian.dev/run.",
            max_length=10,
        ),
    ] = ()
    next_scheduled: Annotated[str, time("When the next run is due.")] | None = None
    workflow: Annotated[WorkflowStatus, doc("The workflow that is in force, and what it sets.")] | None = None
    recommended: Annotated[Recommendation, doc("The run that would begin and waits for a person.")] | None = None
    advice: Annotated[AdviceStatus, doc("What the context of the ModelDeployment advises.")] | None = None
    budget: Annotated[BudgetStatus, doc("What the runs of the period took, and what is left.")] | None = None
    components: Annotated[
        tuple[ComponentStatus, ...],
        named("name", "Which parts of the model's life are configured.", max_length=10),
    ] = ()
    quality: Annotated[QualityStatus, doc("Champion and known versions, measured on one holdout.")] | None = None
    revisions: Annotated[
        tuple[SpecRevision, ...], doc("The newest edits of the spec, newest first.", max_length=SHOWN_REVISIONS)
    ] = ()
    conditions: Annotated[
        tuple[Condition, ...],
        named(
            "type", "Ready, Reconciling, Stalled, DataQuality, Paused, BudgetExceeded, ReviewRequired.", max_length=20
        ),
    ] = ()
