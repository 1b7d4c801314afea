"""ModelDeployment: which model to serve, how, and what a challenger must show before it may replace the champion."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

import msgspec

from viridian.api import autoscaling, cel, cel_experiment, podtemplate
from viridian.api.autoscaling import Autoscaling
from viridian.api.canary_metric import MAX_METRICS, Metric
from viridian.api.cel_metrics import DISAGREEMENT_NEEDS_COPIES, METRICS_NEED_FEEDBACK
from viridian.api.cel_monitoring import OUTLIVES_ITS_LABELS
from viridian.api.context import Context
from viridian.api.drill_spec import MIRRORED_BY_GATEWAY, RollbackDrill
from viridian.api.experiment_spec import Experiment
from viridian.api.feedback_spec import Feedback
from viridian.api.governance import Governance
from viridian.api.model_source import ModelSource
from viridian.api.monitoring import Monitoring
from viridian.api.names import FETCH_CONTAINER, SERVER_CONTAINER
from viridian.api.predecessor_spec import NOT_BY_GATEWAY, PredecessorSource
from viridian.api.promotion import PromotionHold, PromotionWindow, RollbackWindow
from viridian.api.review_spec import PeriodicReview
from viridian.api.schema import Rule, Struct, doc, duration, named
from viridian.api.surge_spec import IS_A_SURGE, Surge
from viridian.api.traffic_spec import TrafficSpec


class Runtime(StrEnum):
    """Who brings the serving container."""

    BUILTIN = "Builtin"
    CUSTOM = "Custom"


class Server(Struct, frozen=True, kw_only=True):
    """How the model is served; the same for both slots."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.CUSTOM_SERVER, autoscaling.MOST_IS_NOT_BELOW_LEAST)

    runtime: Annotated[
        Runtime,
        doc(
            "Builtin: Viridian's model server. "
            "Custom: the container `server` of the template, which finds the model in /model."
        ),
    ] = Runtime.BUILTIN
    replicas: Annotated[
        int, doc("Pods of the champion; with `autoscaling`, the least. 0: no pods at all.", ge=0, le=1000)
    ] = 2
    autoscaling: (
        Annotated[Autoscaling, doc("Lets the pods follow the load. Left out: there are as many as `replicas`.")] | None
    ) = None
    port: Annotated[
        int, doc("Port of the live and the preview Service, and of the container `server`.", ge=1, le=65535)
    ] = 8080
    template: Annotated[
        dict[str, Any],
        doc(
            "Fragment of a PodTemplateSpec, merged like a strategic merge patch onto Viridian's own: resources, env, "
            "nodeSelector, tolerations, serviceAccountName, volumes, annotations, sidecars. The serving container is "
            "named `server`.",
            extra=podtemplate.fragment({"containers": SERVER_CONTAINER, "initContainers": FETCH_CONTAINER}),
        ),
    ] = msgspec.field(default_factory=dict)


class Approval(Struct, frozen=True, kw_only=True):
    """A stop until a person approves the challenger's revision."""

    message: Annotated[
        str, doc("What the person should look at before approving; shown in status and events.", max_length=1024)
    ] = ""


class Step(Struct, frozen=True, kw_only=True):
    """One stage of a rollout: exactly one of `shadow`, `weight`, `approval` and `experiment`."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.ONE_KIND_OF_STEP, cel.APPROVAL_ALONE, cel_experiment.EXPERIMENT_ALONE)

    name: (
        Annotated[
            str, doc("Name for people; unique among the steps.", max_length=63, rules=(cel.label("few or sign-off"),))
        ]
        | None
    ) = None
    shadow: (
        Annotated[
            int,
            doc(
                "Share of the requests, in percent, of which the challenger gets a copy. It is judged by its answers, "
                "which no user sees. Comes before the first weight. With `server.runtime: Custom` it needs "
                "`traffic.provider: Gateway`.",
                ge=1,
                le=100,
            ),
        ]
        | None
    ) = None
    weight: Annotated[int, doc("Share of the traffic for the challenger, in percent.", ge=1, le=100)] | None = None
    duration: Annotated[str, duration("How long the step lasts at least.")] = "0s"
    min_requests: Annotated[
        int, doc("Requests that the challenger must have answered in this step before it ends.", ge=0, le=1_000_000_000)
    ] = 0
    approval: (
        Annotated[Approval, doc("Wait for the annotation viridian.dev/approve with the challenger's revision.")] | None
    ) = None
    experiment: (
        Annotated[
            Experiment,
            doc("Compare challenger and champion by the outcomes of their predictions, until there is a verdict."),
        ]
        | None
    ) = None

    @property
    def share(self) -> int | None:
        """The share of the traffic that the step begins with, in percent; None where it leaves it as it is."""
        return self.experiment.weight if self.experiment is not None else self.weight


class OnBreach(StrEnum):
    ROLLBACK = "Rollback"
    HOLD = "Hold"


class OnBlind(StrEnum):
    """What to do when the judge sees nothing: neither health nor breach."""

    HOLD = "Hold"
    ROLLBACK = "Rollback"
    PROCEED = "Proceed"


class Judge(Struct, frozen=True, kw_only=True):
    """How sure the judge must be."""

    rollback_evidence: Annotated[
        float,
        doc(
            "How strongly the samples must speak against a bound before they count as a breach. A model that just "
            "keeps its bounds is rejected with a chance of at most 1 in so many, in its whole trial.",
            ge=1,
            le=1_000_000,
        ),
    ] = 100
    promote_evidence: Annotated[
        float,
        doc(
            "How strongly the samples must speak for a challenger that is not worse than the champion by "
            "`worseThanChampionBy`, before a weight step ends. 1 asks for no evidence.",
            ge=1,
            le=1_000_000,
        ),
    ] = 20


class Analysis(Struct, frozen=True, kw_only=True):
    """What is measured while a challenger is on trial and during probation."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.WINDOW_HOLDS_INTERVAL,)

    interval: Annotated[str, duration("How often the judge looks.", at_least="1s", at_most="1h")] = "1s"
    window: Annotated[str, duration("How far back the judge looks.", at_least="1s", at_most="24h")] = "1m"
    metrics: Annotated[
        tuple[Metric, ...],
        named("name", "The bounds; none means that only time and requests count.", max_length=MAX_METRICS),
    ] = ()
    judge: Annotated[Judge, doc("How sure the judge must be.")] = msgspec.field(default_factory=Judge)
    on_breach: Annotated[OnBreach, doc("What a breach does.")] = OnBreach.ROLLBACK
    on_no_data: Annotated[
        OnBlind, doc("What too few samples do once `maxHold` has passed; until then the rollout holds.")
    ] = OnBlind.HOLD
    on_provider_error: Annotated[OnBlind, doc("What an unreadable metrics source does once `maxHold` has passed.")] = (
        OnBlind.HOLD
    )
    max_hold: Annotated[str, duration("How long blindness is held before onNoData or onProviderError acts.")] = "1h"


class Rollout(Struct, frozen=True, kw_only=True):
    """How a challenger becomes the champion."""

    paused: Annotated[bool, doc("Stop advancing: nothing new is deployed or promoted. Reverting stays possible.")] = (
        False
    )
    steps: Annotated[
        tuple[Step, ...],
        doc(
            "Stages in order; after the last one the challenger is promoted. None: promotion as soon as it is ready.",
            max_length=32,
            rules=(cel.WEIGHTS_RISE, cel.SHADOW_FIRST, cel.STEP_NAMES_UNIQUE),
        ),
    ] = ()
    max_exposed_requests: (
        Annotated[
            int,
            doc(
                "Requests of users that a challenger may answer before it has passed its steps. One that has answered "
                "so many is rejected.",
                ge=1,
                le=1_000_000_000,
            ),
        ]
        | None
    ) = None
    analysis: Annotated[Analysis, doc("What is measured, and what it does.")] = msgspec.field(default_factory=Analysis)
    max_surge: (
        Annotated[
            Surge,
            doc(
                "Pods above `server.replicas` that may be added to come close to a step's weight, where ready pods "
                "make it: a number, or a percentage of `server.replicas`, rounded up. Left out: as many as "
                "`server.replicas`, at least 2. A gateway needs none for its weights.",
                rules=(IS_A_SURGE,),
            ),
        ]
        | None
    ) = None
    probation: Annotated[
        str, duration("How long the judge goes on after promotion; a breach goes back to the fallback.")
    ] = "5m"
    progress_deadline: Annotated[
        str, duration("How long a challenger may take to become ready before it is rejected.", at_least="10s")
    ] = "15m"
    window: (
        Annotated[
            PromotionWindow,
            doc(
                "When a challenger may get all of the traffic. Outside of it, one that has passed its steps stays "
                "promotable. Left out: at any time.",
                # As one value: the default of its time zone has no owner, and would stay behind without the rest.
                extra={"x-kubernetes-map-type": "atomic"},
            ),
        ]
        | None
    ) = None
    rollback_window: (
        Annotated[
            RollbackWindow,
            doc(
                "Former champions that need no steps when `spec.model` names them again, as after a Git revert. "
                "Left out: every version goes through the steps."
            ),
        ]
        | None
    ) = None


class Fallback(Struct, frozen=True, kw_only=True):
    """The former champion, kept warm."""

    replicas: Annotated[
        int, doc("Pods of the fallback; 0 turns RollbackReady off and makes a rollback slower.", ge=0, le=1000)
    ] = 1


class ModelDeploymentSpec(Struct, frozen=True, kw_only=True):
    """The desired state."""

    rules: ClassVar[tuple[Rule, ...]] = (
        OUTLIVES_ITS_LABELS,
        METRICS_NEED_FEEDBACK,
        DISAGREEMENT_NEEDS_COPIES,
        autoscaling.EXTERNAL_NEEDS_A_GATEWAY,
        cel.SHADOW_BY_GATEWAY,
        NOT_BY_GATEWAY,
        cel_experiment.EXPERIMENTS_NEED_FEEDBACK,
        cel_experiment.OUTLASTS_MATURITY,
        cel_experiment.THOMPSON_SPLITS_ANEW,
        MIRRORED_BY_GATEWAY,
    )

    model: Annotated[ModelSource, doc("Which model to serve.")]
    server: Annotated[Server, doc("How it is served.")] = msgspec.field(default_factory=Server)
    traffic: Annotated[TrafficSpec, doc("How users reach it.")] = msgspec.field(default_factory=TrafficSpec)
    rollout: Annotated[Rollout, doc("How a challenger becomes the champion.")] = msgspec.field(default_factory=Rollout)
    fallback: Annotated[Fallback, doc("The former champion, kept warm for an immediate way back.")] = msgspec.field(
        default_factory=Fallback
    )
    predecessor: (
        Annotated[
            PredecessorSource,
            doc(
                "Who served users before: the way back of the first version. Without effect once a version has served."
            ),
        ]
        | None
    ) = None
    drill: (
        Annotated[
            RollbackDrill,
            doc(
                "The rollback is rehearsed on a schedule.",
                # As one value: defaults have no owner, and would stay behind without the rest.
                extra={"x-kubernetes-map-type": "atomic"},
            ),
        ]
        | None
    ) = None
    hold: Annotated[PromotionHold, doc("Freezes promotion, for an audit for example.")] | None = None
    review: Annotated[PeriodicReview, doc("People review the model again and again.")] | None = None
    context: (
        Annotated[Context, doc("The surroundings of the model: status.advice of its RetrainPolicy follows from them.")]
        | None
    ) = None
    governance: (
        Annotated[Governance, doc("What is at stake; a GovernancePolicy may demand something of the model by it.")]
        | None
    ) = None
    feedback: (
        Annotated[
            Feedback,
            doc("Sends answers to the collector, which joins them with their outcomes; `{}` is enough to begin with."),
        ]
        | None
    ) = None
    monitoring: (
        Annotated[Monitoring, doc("What is watched while the champion serves; `{}` watches what most models need.")]
        | None
    ) = None
