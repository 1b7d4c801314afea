"""Which revision is judged now, and on which pods: one answer for the observer that reads them and for the checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from viridian.api import durations
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import Slot
from viridian.api.samples import PodTarget
from viridian.rollout.input import RolloutInput, judged_targets
from viridian.rollout.traffic.exposure import Exposure
from viridian.rollout.traffic.record import ChampionCause, Traffic


@dataclass(frozen=True, slots=True)
class JudgedRevision:
    """The revision that is judged: its pods, and since when users can meet them."""

    slot: Slot
    pods: tuple[PodTarget, ...]
    exposure: Exposure | None
    # False while no user can meet it. Its pods are read even so: what they have counted by then must be known.
    met: bool = True


def subject(inputs: RolloutInput, traffic: Traffic | None, now: datetime) -> JudgedRevision | None:
    """The challenger, or the new champion in its probation; None where nobody is judged."""
    if traffic is None or inputs.spec is None:
        return None
    if (trial := traffic.trial) is not None:
        slot = traffic.champion.other
        return JudgedRevision(slot, judged_targets(inputs, slot), trial.exposure, met=trial.weight > 0)
    if not inputs.spec.rollout.analysis.metrics or not in_probation(inputs.spec, traffic, now):
        return None
    return JudgedRevision(traffic.champion, judged_targets(inputs, traffic.champion), traffic.exposure)


def probation_end(spec: ModelDeploymentSpec, traffic: Traffic) -> datetime | None:
    """Until when the champion is judged; None for one that is not, or where there is nobody to go back to."""
    if traffic.since is None or not traffic.former or traffic.cause is not ChampionCause.PROMOTED:
        return None
    return traffic.since + durations.parse(spec.rollout.probation)


def in_probation(spec: ModelDeploymentSpec, traffic: Traffic, now: datetime) -> bool:
    """Whether the champion is new enough to be judged on, with someone there to go back to."""
    end = probation_end(spec, traffic)
    return end is not None and now < end
