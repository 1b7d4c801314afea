"""`triggers[].newData`: occurs when the resolver finds content that no run has been given.

What a run was given answers it, whatever caused that run. A revision with the digest of an earlier one is no new data.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from viridian.api import reasons
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.core.times import parse_time
from viridian.retraining.data_state import NEW_DATA, data_key
from viridian.retraining.input import PolicyFacts
from viridian.retraining.polled_data import PolledData, SeenState, read_polled
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.trigger_state import TriggerState

_SHOWN: Final = 12
"""Characters of a revision or digest that a sentence shows."""


def read_new_data(spec: RetrainPolicySpec, facts: PolicyFacts, _now: datetime) -> Iterator[TriggerState]:
    """The triggers of the spec that wait for data."""
    polled = read_polled(spec, facts)
    if polled is not None:
        yield from (_read(trigger.name, polled) for trigger in spec.triggers if trigger.new_data is not None)


def _read(name: str, polled: PolledData) -> TriggerState:
    newest, key = next(iter(polled.note.seen), None), data_key(polled.data)
    return TriggerState(
        source=NEW_DATA,
        name=name,
        key=key,
        occurred=(_cause(name, key, newest),) if newest is not None else (),
        always_counts=True,
        seen=_seen(newest) if newest is not None else "",
        problem=f"the data cannot be resolved: {polled.note.problem}" if polled.note.problem else "",
        reason=reasons.DATA_UNRESOLVED,
        lasting=False,
    )


def _cause(name: str, key: str, newest: SeenState) -> Cause:
    state = newest.state
    return Cause(NEW_DATA, name, parse_time(newest.at), state.content, key, evidence=state.document())


def _seen(newest: SeenState) -> str:
    parts = (("revision", newest.revision), ("digest", newest.digest))
    shown = " ".join(f"{word} {value.rpartition(':')[2][:_SHOWN]}" for word, value in parts if value)
    return f"{shown} at {newest.at}"
