"""What one pass decides about the traffic: the answer of the first check that has one. Data; sentences come later."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from viridian.api import reasons
from viridian.api.names import Slot
from viridian.api.samples import Idle
from viridian.judgement.canary import Judgement
from viridian.rollout.traffic.exposure import Exposure
from viridian.rollout.traffic.predecessor_record import PREDECESSOR_SLOT, Predecessor
from viridian.rollout.traffic.record import ChampionCause, Reverted, Traffic


class WaitKind(StrEnum):
    """What a rollout waits for. The value is shown in `status.challenger.waitingReason`, and part of the API."""

    MODEL = "Model"
    FIRST_READY = "FirstReady"
    FEATURES = "Features"
    CHALLENGER_READY = "ChallengerReady"
    DEPLOYED_AGAIN = "DeployedAgain"
    VERSION_IN_REGISTRY = "VersionInRegistry"
    UNPAUSED = "Unpaused"
    GOOD_DATA = "GoodData"
    REPLICAS = "Replicas"
    STEP_PODS = "StepPods"
    PODS = "Pods"
    CHAMPION_PODS = "ChampionPods"
    COPIES = "Copies"
    FIRST_READINGS = "FirstReadings"
    FIRST_ANSWERS = "FirstAnswers"
    NEXT_LOOK = "NextLook"
    SAMPLES = "Samples"
    METRICS_SOURCE = "MetricsSource"
    BREACH_HELD = "BreachHeld"
    CHAMPION_BREACHES_TOO = "ChampionBreachesToo"
    APPROVAL = "Approval"
    PROMOTION_HOLD = "PromotionHold"
    PROMOTION_WINDOW = "PromotionWindow"
    STEP_DURATION = "StepDuration"
    STEP_REQUESTS = "StepRequests"
    STEP_BOUND = "StepBound"
    STEP_EVIDENCE = "StepEvidence"
    EXPERIMENT = "Experiment"
    PROBATION_END = "ProbationEnd"
    NEW_REVISION = "NewRevision"
    RETRY_RECORDED = "RetryRecorded"
    FORMER_CHAMPION = "FormerChampion"
    FALLBACK_FOR_BREACH = "FallbackForBreach"
    FALLBACK_FOR_ROLLBACK = "FallbackForRollback"
    CHAMPION_TO_TAKE_OVER = "ChampionToTakeOver"
    TRAFFIC_WRITTEN = "TrafficWritten"
    ROUTE = "Route"
    PREDECESSOR = "Predecessor"
    DRILL_PODS = "DrillPods"
    DRILL_END = "DrillEnd"


_REASONS: Final = {
    WaitKind.MODEL: reasons.FIRST_DEPLOYMENT,
    WaitKind.FIRST_READY: reasons.FIRST_DEPLOYMENT,
    WaitKind.FEATURES: reasons.FEATURE_SKEW,
    WaitKind.CHALLENGER_READY: reasons.DEPLOYING,
    WaitKind.DEPLOYED_AGAIN: reasons.DEPLOYING,
    WaitKind.VERSION_IN_REGISTRY: reasons.VERSION_GONE,
    WaitKind.UNPAUSED: reasons.PAUSED,
    WaitKind.GOOD_DATA: reasons.DATA_QUALITY_FAILED,
    WaitKind.REPLICAS: reasons.SCALING,
    WaitKind.SAMPLES: reasons.NO_DATA,
    WaitKind.METRICS_SOURCE: reasons.PROVIDER_ERROR,
    WaitKind.BREACH_HELD: reasons.BREACHED,
    WaitKind.CHAMPION_BREACHES_TOO: reasons.CHAMPION_BREACHES_TOO,
    WaitKind.APPROVAL: reasons.AWAITING_APPROVAL,
    WaitKind.PROMOTION_HOLD: reasons.PROMOTION_HELD,
    WaitKind.PROMOTION_WINDOW: reasons.AWAITING_WINDOW,
    WaitKind.PROBATION_END: reasons.PROBATION,
    WaitKind.NEW_REVISION: reasons.REVISION_REJECTED,
    WaitKind.FORMER_CHAMPION: reasons.NO_FALLBACK,
    WaitKind.FALLBACK_FOR_BREACH: reasons.FALLBACK_UNAVAILABLE,
    WaitKind.FALLBACK_FOR_ROLLBACK: reasons.FALLBACK_UNAVAILABLE,
    WaitKind.CHAMPION_TO_TAKE_OVER: reasons.FALLBACK_UNAVAILABLE,
    WaitKind.ROUTE: reasons.ROUTE_NOT_READY,
    WaitKind.PREDECESSOR: reasons.FIRST_DEPLOYMENT,
    WaitKind.DRILL_PODS: reasons.SERVING,
    WaitKind.DRILL_END: reasons.DRILL_RUNNING,
}
"""The reason of the condition Ready; of all others, that the rollout goes on."""


class ChangeKind(StrEnum):
    """What a decision changes."""

    FIRST_DEPLOYED = "FirstDeployed"
    FIRST_PROMOTED = "FirstPromoted"
    DEPLOYED = "Deployed"
    STEP_ENTERED = "StepEntered"
    EXPERIMENT_ENDED = "ExperimentEnded"
    PROMOTED = "Promoted"
    REINSTATED = "Reinstated"
    REJECTED = "Rejected"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"
    ADOPTED = "Adopted"
    DRILL_BEGAN = "DrillBegan"
    COPIES_BEGAN = "CopiesBegan"
    DRILL_PASSED = "DrillPassed"
    DRILL_FAILED = "DrillFailed"
    DRILL_ENDED = "DrillEnded"


@dataclass(frozen=True, slots=True)
class Change:
    """What a decision changes, and about which revision; an Event once it is done."""

    kind: ChangeKind
    revision: str
    # The other revision that it is about: the former champion, or the one that gets the traffic.
    other: str = ""
    slot: Slot | None = None
    step: str = ""
    # Why, in the words of the judge, a pod or a person.
    message: str = ""
    # Whether users could meet the revision.
    exposed: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """What is waited for. `viridian.rollout.sentences` makes a sentence of it."""

    kind: WaitKind
    # The revision that it is about, and another one.
    revision: str = ""
    other: str = ""
    slot: Slot | None = None
    step: str = ""
    # How many there are of how many that are needed.
    have: int = 0
    need: int = 0
    remaining: timedelta | None = None
    until: datetime | None = None
    # What the judge, the registry or a person says of it.
    detail: str = ""
    # What follows once this has come.
    then: Wait | Change | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Whose kept-alive connections are to be closed, so that the new split takes effect on them too."""

    slots: tuple[Slot, ...]
    idle: Idle
    # How long pods go on closing: on a rollback until every proxy has the new split.
    seconds: int = 10


@dataclass(frozen=True, slots=True)
class RetryOrder:
    """A person's order to try a rejected revision again, as it was written."""

    revision: str
    command: str


@dataclass(frozen=True, slots=True)
class RolloutDecision:
    """The next traffic record (None: nobody serves yet), what it changes, and what is waited for."""

    traffic: Traffic | None
    # One stable word: a reason of the condition Ready.
    reason: str
    wait: Wait | None = None
    change: Change | None = None
    # The revision that the other slot is to hold; None where that is the place of the fallback.
    challenger: str | None = None
    judgements: tuple[Judgement, ...] = ()
    close: Close | None = None
    retry: RetryOrder | None = None
    # Why the challenger is left without pods: the only way to take the traffic from it at the moment.
    emptied: Reverted | None = None
    # Which objects cannot be written, since somebody else's have their names.
    name_taken: str = ""

    @classmethod
    def hold(cls, traffic: Traffic | None, wait: Wait, challenger: str | None = None) -> RolloutDecision:
        """Nothing changes until something has come; what the record says of the trial may go on."""
        return cls(traffic, _REASONS.get(wait.kind, reasons.ROLLING_OUT), wait, challenger=challenger)

    @classmethod
    def rest(cls, traffic: Traffic | None, reason: str) -> RolloutDecision:
        """Nothing is to be done, and nothing is waited for."""
        return cls(traffic, reason)

    @classmethod
    def retry_rejected(cls, traffic: Traffic, retry: RetryOrder) -> RolloutDecision:
        """A rejected revision may be tried again, as soon as its record says so."""
        return replace(cls.hold(traffic, Wait(WaitKind.RETRY_RECORDED)), retry=retry)

    @classmethod
    def deploy(cls, traffic: Traffic | None, slot: Slot, wait: Wait) -> RolloutDecision:
        """A revision gets a slot, without traffic."""
        kind = ChangeKind.DEPLOYED if traffic is not None else ChangeKind.FIRST_DEPLOYED
        return replace(cls.hold(traffic, wait, wait.revision), change=Change(kind, wait.revision, slot=slot))

    @classmethod
    def enter_step(cls, traffic: Traffic, revision: str, step: str) -> RolloutDecision:
        """The trial that the record names begins its next step."""
        held = cls.hold(traffic, Wait(WaitKind.STEP_PODS, step=step), revision)
        return replace(held, change=Change(ChangeKind.STEP_ENTERED, revision, step=step))

    @classmethod
    def adopt(cls, predecessor: Predecessor, now: datetime) -> RolloutDecision:
        """A Deployment that served before is the champion, as its Service says already."""
        revision, cause = predecessor.revision, ChampionCause.ADOPTED
        return cls(
            Traffic(PREDECESSOR_SLOT, revision, now, cause=cause, predecessor=predecessor),
            reasons.SERVING,
            change=Change(ChangeKind.ADOPTED, revision),
        )

    @classmethod
    def promote(
        cls, before: Traffic | None, slot: Slot, revision: str, now: datetime, exposure: Exposure | None = None
    ) -> RolloutDecision:
        """A revision becomes the champion; the one before it stays warm."""
        former = before.revision if before is not None else ""
        kind = ChangeKind.PROMOTED if before is not None else ChangeKind.FIRST_PROMOTED
        return cls(
            before.succeeded_by(slot, revision, now, former=former, exposure=exposure)
            if before is not None
            else Traffic(slot, revision, now, exposure=exposure),
            reasons.SERVING,
            change=Change(kind, revision, other=former),
            close=Close((before.champion,), Idle.KEEP) if before is not None else None,
        )

    @classmethod
    def reject(cls, traffic: Traffic, lost: Reverted) -> RolloutDecision:
        """Take the traffic from a challenger and remember why; it is not tried again."""
        exposed = traffic.trial is not None and traffic.trial.weight > 0
        return cls(
            replace(traffic, trial=None, reverted=lost),
            lost.reason,
            change=Change(ChangeKind.REJECTED, lost.revision, message=lost.message, exposed=exposed),
            close=Close((traffic.champion.other,), Idle.CLOSE) if exposed else None,
        )

    @classmethod
    def reinstate(cls, before: Traffic, revision: str, now: datetime) -> RolloutDecision:
        """A former champion that the spec names again gets the traffic; the one before it stays warm."""
        cause = ChampionCause.REINSTATED
        return cls(
            before.succeeded_by(before.champion.other, revision, now, former=before.revision, cause=cause),
            reasons.SERVING,
            change=Change(ChangeKind.REINSTATED, revision, other=before.revision),
            close=Close((before.champion,), Idle.KEEP),
        )

    @classmethod
    def roll_back(cls, traffic: Traffic, to: str, lost: Reverted, cause: ChampionCause) -> RolloutDecision:
        """Give the traffic of a champion back to its warm fallback, or to the version that a person has named."""
        return cls(
            traffic.succeeded_by(traffic.champion.other, to, lost.at, cause=cause, reverted=lost),
            lost.reason,
            change=Change(ChangeKind.ROLLED_BACK, lost.revision, other=to, message=lost.message),
            close=Close((traffic.champion,), Idle.CLOSE),
        )

    @classmethod
    def supersede(cls, traffic: Traffic, revision: str, instead: str | None, *, exposed: bool) -> RolloutDecision:
        """Another revision is desired: the one on trial makes room, and may come again."""
        return cls(
            replace(traffic, trial=None, reverted=None),
            reasons.ROLLING_OUT,
            change=Change(ChangeKind.SUPERSEDED, revision, other=instead or ""),
            challenger=instead,
            close=Close((traffic.champion.other,), Idle.KEEP) if exposed else None,
        )
