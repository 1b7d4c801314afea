"""When a revision that lost the traffic answered a user for the last time.

It is noted once, when its pods have drained and are about to be removed: the servers themselves remember it until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from viridian.api.samples import PodSample, PodTarget
from viridian.rollout.input import RolloutInput, judged_targets
from viridian.rollout.records import RevisionOutcome, time_text
from viridian.rollout.traffic.record import Reverted

DRAIN: Final = timedelta(seconds=10)
"""How long the pods that lost the traffic are kept, so that requests they have begun are answered."""


@dataclass(frozen=True, slots=True)
class EndedWayBack:
    """What is known of a revision that has lost the traffic, at last."""

    revision: str
    outcome: RevisionOutcome


def drained_targets(inputs: RolloutInput, now: datetime) -> Sequence[PodTarget]:
    """Pods that have lost the traffic and have drained, where it is not noted when they answered last."""
    lost = _unnoted(inputs, now)
    if lost is None or inputs.traffic is None:
        return ()
    other = inputs.traffic.champion.other
    slot = inputs.slots.get(other)
    return judged_targets(inputs, other) if slot is not None and slot.revision == lost.revision else ()


def ended_way_back(inputs: RolloutInput, now: datetime) -> EndedWayBack | None:
    """The outcome of the latest way back with what has just become known of it; None where that is nothing."""
    lost = _unnoted(inputs, now)
    pods = drained_targets(inputs, now)
    newest = [inputs.readings[pod.uid][-1] for pod in pods if inputs.readings.get(pod.uid)]
    answers = [one.last_answer for one in newest if isinstance(one, PodSample) and one.last_answer is not None]
    if lost is None or not answers:
        return None
    known = next(one for one in inputs.records[lost.revision].outcomes if one.is_same(RevisionOutcome.of(lost)))
    return EndedWayBack(lost.revision, replace(known, last_answer_at=time_text(max(answers))))


def _unnoted(inputs: RolloutInput, now: datetime) -> Reverted | None:
    """A revision that has lost the traffic for a breach, and of which no last answer is noted."""
    traffic = inputs.traffic
    lost = traffic.reverted if traffic is not None else None
    if lost is None or lost.at is None or lost.decided_at is None or now < lost.at + DRAIN:
        return None
    record = inputs.records.get(lost.revision)
    noted = next((one for one in record.outcomes if one.is_same(RevisionOutcome.of(lost))), None) if record else None
    return lost if noted is not None and not noted.last_answer_at else None
