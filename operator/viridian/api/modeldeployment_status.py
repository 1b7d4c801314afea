"""The status of a ModelDeployment."""

from __future__ import annotations

from typing import Annotated

import msgspec

from viridian.api.monitoring_status import MonitoringStatus
from viridian.api.names import Slot
from viridian.api.schema import Struct, doc, named, prose, time, word
from viridian.api.trail_status import MAX_INCIDENTS, SHOWN_REVISIONS, IncidentStatus, SpecRevision


class Condition(Struct, frozen=True, kw_only=True):
    """A standard Kubernetes condition."""

    type: Annotated[str, word("Name of the condition.")]
    status: Annotated[str, doc("True, False or Unknown.", max_length=7, extra={"enum": ["True", "False", "Unknown"]})]
    reason: Annotated[str, word("Stable CamelCase word for tools.")]
    last_transition_time: Annotated[str, time("When the status last changed.")]
    message: Annotated[str, prose("Sentence for people.")] = ""
    observed_generation: Annotated[int, doc("Generation of the spec that this is about.")] | None = None


class SlotStatus(Struct, frozen=True, kw_only=True):
    """A revision that is deployed."""

    slot: Annotated[Slot, doc("blue or green.")]
    revision: Annotated[str, word("Identity of what the slot runs.")]
    version: Annotated[str, word("Version of the model in the registry.")] | None = None
    uri: Annotated[str, doc("Where its bytes come from.", max_length=2048)] | None = None
    digest: Annotated[str, word("SHA-256 of its manifest.")] | None = None
    features_digest: Annotated[str, word("Digest of the feature definition that it was made with.")] | None = None
    since: Annotated[str, time("When it got this role.")] | None = None


class StepStatus(Struct, frozen=True, kw_only=True):
    name: Annotated[str, word("Name of the step, or its position.")]
    index: Annotated[int, doc("Position, from 0.")]
    started_at: Annotated[str, time("When it began.")] | None = None


class MetricStatus(Struct, frozen=True, kw_only=True):
    """The verdict of one metric."""

    name: Annotated[str, word("Name of the metric.")]
    verdict: Annotated[str, word("Pass, Breach, NoData or ProviderError.")]
    value: Annotated[float, doc("The challenger's value in the window.")] | None = None
    samples: Annotated[int, doc("Requests that the value rests on.")] = 0
    evidence: Annotated[float, doc("How strongly the samples speak for a breach.")] | None = None
    champion: Annotated[float, doc("The champion's value in the same window, where the two are compared.")] | None = (
        None
    )
    no_worse: (
        Annotated[float, doc("How strongly the samples speak for a challenger that is within `worseThanChampionBy`.")]
        | None
    ) = None
    message: Annotated[str, prose("The sentence for people.")] = ""


class ChallengerStatus(SlotStatus, frozen=True, kw_only=True):
    """The revision on trial."""

    step: Annotated[StepStatus, doc("The step it is in; absent until it gets traffic.")] | None = None
    weight: Annotated[int, doc("Its share of the ready pods that the live Service selects, in percent.")] = 0
    waiting_for: Annotated[str, prose("What has to happen next.")] | None = None
    waiting_reason: Annotated[str, word("The same as one stable CamelCase word, for tools.")] | None = None
    exposed_requests: (
        Annotated[int, doc("Requests of users that it has answered in this trial; absent before its first weight.")]
        | None
    ) = None
    promotable: (
        Annotated[bool, doc("Whether it has passed all steps; absent until then. waitingFor says what it waits for.")]
        | None
    ) = None
    metrics: Annotated[tuple[MetricStatus, ...], doc("The latest verdicts.", max_length=20)] = ()


class NextStatus(Struct, frozen=True, kw_only=True):
    """The revision that is desired and not deployed yet."""

    revision: Annotated[str, word("Its identity; `viridian.dev/skip` names it with `/probation` to let it through.")]
    version: Annotated[str, word("Version of the model in the registry.")] | None = None
    waiting_for: Annotated[str, prose("What has to happen first.")]
    waiting_reason: Annotated[str, word("The same as one stable CamelCase word, for tools.")]


class FallbackStatus(Struct, frozen=True, kw_only=True):
    slot: Annotated[Slot, doc("blue or green.")]
    revision: Annotated[str, word("Identity of what the slot runs.")]
    ready: Annotated[bool, doc("Whether it could take the traffic now.")]
    version: Annotated[str, word("Version of the model in the registry.")] | None = None


class RejectedRevision(Struct, frozen=True, kw_only=True):
    revision: Annotated[str, word("The revision that is not tried again.")]
    reason: Annotated[str, word("Stable CamelCase word for tools.")]
    at: Annotated[str, time("When it was rejected.")]
    version: Annotated[str, word("Version of the model in the registry.")] | None = None
    message: Annotated[str, prose("Sentence for people.")] = ""


class HistoryEntry(Struct, frozen=True, kw_only=True):
    revision: Annotated[str, word("The revision that was decided about.")]
    outcome: Annotated[str, word("Promoted, Approved, Skipped, ExperimentEnded, Reinstated, RolledBack or Rejected.")]
    at: Annotated[str, time("When.")]
    version: Annotated[str, word("Version of the model in the registry.")] | None = None
    by: Annotated[str, word("Viridian, spec.model, or the annotation that asked for it.")] = "Viridian"


class RollbackStatus(Struct, frozen=True, kw_only=True):
    """The latest way back."""

    from_: Annotated[str, word("Revision that lost the traffic.")] = msgspec.field(name="from")
    to: Annotated[str, word("Revision that got it back.")]
    reason: Annotated[str, word("Stable CamelCase word for tools.")]
    reverted_at: Annotated[str, time("When the write was made that moved the traffic.")]
    breach_at: Annotated[str, time("When the breach was first seen.")] | None = None
    decided_at: (
        Annotated[str, time("When the answer was seen with which the evidence of the breach was enough.")] | None
    ) = None
    last_answer_at: (
        Annotated[str, time("When the revision answered a user for the last time, as soon as it is known.")] | None
    ) = None
    seconds: (
        Annotated[float, doc("From the breach to the traffic being back; absent where there was no breach.")] | None
    ) = None


class DrillStatus(Struct, frozen=True, kw_only=True):
    """The drill of the rollback that is under way, or else the newest one."""

    revision: Annotated[str, word("The fallback that answers in it.")]
    mode: Annotated[str, word("Live: it serves the users. Mirrored: it gets copies of their requests.")] | None = None
    outcome: Annotated[str, word("Running, Passed, Failed, NoTraffic or Interrupted.")]
    started_at: Annotated[str, time("Of one that is under way: when the fallback got its first requests.")] | None = (
        None
    )
    ended_at: Annotated[str, time("When it was over: the champion had all of the traffic for itself.")] | None = None
    seconds_until_ready: (
        Annotated[float, doc("From the beginning until all pods were ready that the fallback needs for the traffic.")]
        | None
    ) = None
    seconds: (
        Annotated[float, doc("From the switch to the first reading that shows an answer of the fallback.")] | None
    ) = None
    requests: Annotated[int, doc("Requests of users, or copies of them, that the fallback answered in it.")] | None = (
        None
    )
    errors: Annotated[int, doc("How many of them it answered with an error of its own.")] | None = None
    failed_share: Annotated[float, doc("The share of them, from 0 to 1; left out where there were none.")] | None = None
    message: Annotated[str, prose("Why it did not pass.")] | None = None
    passed_at: Annotated[str, time("When a drill passed last.")] | None = None


class ExperimentStatus(Struct, frozen=True, kw_only=True):
    """The experiment that is under way, or else the newest one."""

    step: Annotated[str, word("Name of its step.")]
    revision: Annotated[str, word("The challenger.")]
    champion: Annotated[str, word("The revision that it is compared with.")]
    measure: Annotated[str, word("What decides: a metric, or outcome.")]
    started_at: Annotated[str, time("When its first share was in effect.")]
    weight: Annotated[int, doc("Share of the traffic that the challenger has in it, in percent.")]
    verdict: (
        Annotated[
            str, word("Better, Worse, NoDifference, Inconclusive or SchemaMismatch; absent while it is under way.")
        ]
        | None
    ) = None
    ended_at: Annotated[str, time("When the verdict was there.")] | None = None
    effect: Annotated[float, doc("By how much the challenger is better; negative where it is worse.")] | None = None
    interval_low: Annotated[float, doc("Lower end of the interval of the effect, valid at every look.")] | None = None
    interval_high: Annotated[float, doc("Upper end of the interval.")] | None = None
    challenger_samples: Annotated[int, doc("Rows of the challenger with a known outcome.")] = 0
    champion_samples: Annotated[int, doc("Rows of the champion with a known outcome.")] = 0
    message: Annotated[str, prose("The sentence for people.")] = ""


class RouteStatus(Struct, frozen=True, kw_only=True):
    """The rule of the user's own HTTPRoute that is joined."""

    name: Annotated[str, word("Name of the HTTPRoute.")]
    rule: Annotated[str, word("Name of the rule; absent where it is the only one.")] | None = None
    edits: Annotated[int, doc("How many edits by others were put right within minutes of each other.")] = 0
    edited_at: Annotated[str, time("When the newest of them was put right.")] | None = None


class ModelDeploymentStatus(Struct, frozen=True, kw_only=True):
    """The world as last seen: a cache, rebuilt when deleted."""

    observed_generation: (
        Annotated[int, doc("Generation of the spec that this status answers; -1 until the operator has looked.")] | None
    ) = None
    champion: Annotated[SlotStatus, doc("Who serves the users.")] | None = None
    challenger: Annotated[ChallengerStatus, doc("Who is on trial.")] | None = None
    next: Annotated[NextStatus, doc("Who waits for the end of the champion's probation.")] | None = None
    fallback: Annotated[FallbackStatus, doc("Who could take over at once.")] | None = None
    rejected: Annotated[
        tuple[RejectedRevision, ...], doc("Revisions that are not tried again, newest first.", max_length=10)
    ] = ()
    history: Annotated[tuple[HistoryEntry, ...], doc("Decisions, newest first.", max_length=10)] = ()
    last_rollback: Annotated[RollbackStatus, doc("The latest way back.")] | None = None
    drill: Annotated[DrillStatus, doc("The newest drill of the rollback.")] | None = None
    experiment: Annotated[ExperimentStatus, doc("The newest experiment.")] | None = None
    route: Annotated[RouteStatus, doc("The rule of your own HTTPRoute that is joined.")] | None = None
    revisions: Annotated[
        tuple[SpecRevision, ...], doc("The newest edits of the spec, newest first.", max_length=SHOWN_REVISIONS)
    ] = ()
    incidents: Annotated[
        tuple[IncidentStatus, ...],
        doc("When monitors fired, and how long until they were quiet again, newest first.", max_length=MAX_INCIDENTS),
    ] = ()
    monitoring: Annotated[MonitoringStatus, doc("The monitors' results when their verdicts last changed.")] | None = (
        None
    )
    replicas: Annotated[int, doc("Pods of the champion, for the scale subresource.")] = 0
    selector: Annotated[str, prose("Selector of the champion's pods, for the scale subresource.")] = ""
    conditions: Annotated[
        tuple[Condition, ...],
        named(
            "type",
            "Ready, Reconciling, Stalled, ModelResolved, ChallengerHealthy, RollbackReady, RollbackUntested; with "
            "a joined route also RouteJoined; with a skew of features also FeaturesMatch; with an "
            "order that names an unknown step also OrdersUnderstood; with "
            "monitoring also Provisional, Monitored, DataDrift, PredictionDrift, ConceptDrift, Decay, ReviewRequired; "
            "with recoverWithin also RecoveryOverdue.",
            max_length=24,
        ),
    ] = ()
