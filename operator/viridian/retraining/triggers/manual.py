"""The annotation `viridian.dev/run`: occurs once for each value that a person writes there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from viridian.api.names import RUN_ANNOTATION, short_hash
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.retraining.input import PolicyFacts
from viridian.retraining.triggers.cause import MANUAL, Cause
from viridian.retraining.triggers.trigger_state import TriggerState

MAX_VALUE: Final = 200
"""Characters of the value that are kept as they are; the rest goes into a hash."""


def read_annotation(_spec: RetrainPolicySpec, facts: PolicyFacts, _now: datetime) -> Iterator[TriggerState]:
    """The request that stands on the policy, if any."""
    cause = requested_run(facts)
    if cause is not None:
        yield TriggerState(source=MANUAL, key=cause.key, occurred=(cause,))


def requested_run(facts: PolicyFacts) -> Cause | None:
    """What the annotation asks for; an empty one asks for nothing."""
    value = facts.annotations.get(RUN_ANNOTATION, "").strip()
    if len(value) > MAX_VALUE:
        value = f"{value[:MAX_VALUE]}…{short_hash(value)}"
    return Cause(MANUAL, value=value, key=value) if value else None
