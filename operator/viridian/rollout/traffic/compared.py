"""What challenger and champion are compared from: where both stood when the present weight step began, and the steps
before it.

It is a part of the traffic record, so a restart of the operator loses none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from viridian.judgement.split_test import SlotTallies
from viridian.rollout.traffic.exposure import Exposure


@dataclass(frozen=True, slots=True)
class ComparedTrial:
    """The beginning of the present weight step, and what both answered in the steps before it."""

    champion: Exposure = field(default_factory=Exposure)
    # None where the trial's own exposure began with this step.
    challenger: Exposure | None = None
    # By the name of the metric, the oldest step first.
    earlier: Mapping[str, tuple[SlotTallies, ...]] = field(default_factory=dict)
