"""Which revision is judged now, and on which pods: one answer for the observer that reads them and for the checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from viridian.api import durations
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import Slot
from viridian.api.samples import PodTarget
from viridian.rollout.input import RolloutInput, judged_targets
from viridian.rollout.traffic.compared import ComparedTrial
from viridian.rollout.traffic.copied import compared_in_shadow, comparison_of
from viridian.rollout.traffic.exposure import Exposure
from viridian.rollout.traffic.record import ChampionCause, Traffic, Trial

_LEAVES_A_FALLBACK: Final = (ChampionCause.PROMOTED, ChampionCause.REINSTATED)
MOST_COMPARED: Final = 20
"""Pods of the champion that are read: a sample of its answers is enough to compare with."""


@dataclass(frozen=True, slots=True)
class ServingChampion:
    """The champion that serves beside the challenger, and what the comparison of the two begins with."""

    pods: tuple[PodTarget, ...]
    compared: ComparedTrial | None = None
    revision: str = ""

    @property
    def exposure(self) -> Exposure | None:
        """Since when its answers are compared; None where nobody knows."""
        return self.compared.champion if self.compared is not None else None


@dataclass(frozen=True, slots=True)
class JudgedRevision:
    """The revision that is judged: its pods, and since when users can meet them."""

    slot: Slot
    pods: tuple[PodTarget, ...]
    exposure: Exposure | None
    # False while it gets no requests, not even copies. Its pods are read even so: what they have counted by then must
    # be known.
    met: bool = True
    # The champion, for as long as users meet both, and just before.
    champion: ServingChampion | None = None
    revision: str = ""
    # Those of the ModelDeployment.
    namespace: str = ""
    name: str = ""
    # When an outcome counts as known, and under which definition of the label.
    maturity: timedelta = timedelta()
    label: str = ""
    # What the champion's servers compare now; empty where they compare nothing.
    comparison: str = ""
    # Metrics that are known only while they do.
    compared_in_shadow: frozenset[str] = frozenset()


def subject(inputs: RolloutInput, traffic: Traffic | None, now: datetime) -> JudgedRevision | None:
    """The challenger, the fallback in a drill, or the new champion in its probation; None where nobody is judged."""
    if traffic is None or inputs.spec is None:
        return None
    if (trial := traffic.trial) is not None:
        champion = _serving(inputs, traffic, trial)
        judged = _judged(inputs, traffic.champion.other, trial.revision, trial.exposure)
        comparison = comparison_of(trial, inputs.spec.rollout.analysis.metrics)
        return replace(judged, met=trial.is_asked, champion=champion, comparison=comparison)
    if (drill := traffic.drill) is not None:
        judged = _judged(inputs, traffic.champion.other, drill.revision, drill.exposure)
        return replace(judged, met=drill.since is not None)
    if not inputs.spec.rollout.analysis.metrics or not in_probation(inputs.spec, traffic, now):
        return None
    return _judged(inputs, traffic.champion, traffic.revision, traffic.exposure)


def _judged(inputs: RolloutInput, slot: Slot, revision: str, exposure: Exposure | None) -> JudgedRevision:
    pods = judged_targets(inputs, slot)
    judged = JudgedRevision(slot, pods, exposure, revision=revision, namespace=inputs.namespace, name=inputs.name)
    spec = inputs.spec
    if spec is None:
        return judged
    if any(step.shadow for step in spec.rollout.steps):
        judged = replace(judged, compared_in_shadow=compared_in_shadow(spec))
    if (feedback := spec.feedback) is None:
        return judged
    return replace(judged, maturity=durations.parse(feedback.label_maturity), label=feedback.label_definition)


def _serving(inputs: RolloutInput, traffic: Traffic, trial: Trial) -> ServingChampion | None:
    if inputs.spec is None or trial.weight >= 100:
        return None
    if not inputs.spec.rollout.analysis.metrics and not trial.servers_copy:
        return None
    pods = sorted(judged_targets(inputs, traffic.champion), key=lambda pod: pod.uid)
    return ServingChampion(tuple(pods[:MOST_COMPARED]), trial.compared, traffic.revision)


def full_fallback_end(spec: ModelDeploymentSpec, traffic: Traffic) -> datetime | None:
    """Until when the champion before this one stays at full size; None where there is none, or it was rejected."""
    if traffic.since is None or not traffic.former or traffic.cause not in _LEAVES_A_FALLBACK:
        return None
    return traffic.since + durations.parse(spec.rollout.probation)


def probation_end(spec: ModelDeploymentSpec, traffic: Traffic) -> datetime | None:
    """Until when the champion is judged; None for one that is not, or where there is nobody to go back to.

    A reinstated champion has been proven before, and to go back from it by itself would undo what people asked for.
    """
    return full_fallback_end(spec, traffic) if traffic.cause is ChampionCause.PROMOTED else None


def in_probation(spec: ModelDeploymentSpec, traffic: Traffic, now: datetime) -> bool:
    """Whether the champion is new enough to be judged on, with someone there to go back to."""
    end = probation_end(spec, traffic)
    return end is not None and now < end
