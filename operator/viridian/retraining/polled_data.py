"""What the resolver has found between runs: noted on a ControllerRevision of the policy, the newest states only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec

from viridian.api.address import shown
from viridian.api.names import DATA_ANNOTATION, STAGE_LABEL, data_record
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.run_stages import Data
from viridian.core.lenient import readable
from viridian.core.lookup import Object, annotations_of, json_in, labels_of, text
from viridian.core.ownership import Belongs, belongs, remembered
from viridian.core.times import length, parse_time
from viridian.retraining.data_state import DataState, data_key
from viridian.retraining.input import PolicyFacts
from viridian.retraining.stages.state import StageState

POLL_STAGE: Final = "poll"
"""The label `viridian.dev/stage` of the Job that resolves the data between runs."""
MAX_SEEN: Final = 10


class SeenState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A state of the data, and when it was first seen."""

    at: str
    uri: str = ""
    revision: str = ""
    digest: str = ""

    @property
    def state(self) -> DataState:
        return DataState(uri=self.uri, revision=self.revision, digest=self.digest)


class DataNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What is noted of the polls of one policy."""

    key: str = ""
    """Of the data that was resolved: another address begins anew."""
    polled_at: str = ""
    job: str = ""
    """The Job whose end was noted last."""
    problem: str = ""
    """Why that one found no state, for people."""
    seen: tuple[SeenState, ...] = ()
    """The newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolledData:
    """The polls of a policy that has the trigger newData."""

    data: Data
    # The shortest of the periods that its triggers ask for.
    every: timedelta
    note: DataNote
    # The object that the note stands on, while there is one.
    stored: Object | None = field(default=None, repr=False)
    # The Job of a poll, while there is one, and what it shows.
    job: Object | None = field(default=None, repr=False)
    state: StageState = field(default_factory=StageState)

    @property
    def polled_at(self) -> datetime | None:
        return parse_time(self.note.polled_at)

    @property
    def next(self) -> datetime | None:
        """When to look again; None for at once."""
        return self.polled_at + self.every if self.polled_at is not None else None


def read_polled(spec: RetrainPolicySpec, facts: PolicyFacts) -> PolledData | None:
    """What is known of the data; None where no trigger asks for it, or nothing resolves it."""
    periods = [length(trigger.new_data.poll) for trigger in spec.triggers if trigger.new_data is not None]
    if not periods or spec.data is None or spec.data.resolver is None:
        return None
    data, job = Data(uri=shown(spec.data.uri), revision=spec.data.revision), poll_job(facts)
    stored = remembered(facts.records, data_record(facts.name, facts.uid), facts.uid)
    note = _note(stored) if stored is not None else DataNote()
    return PolledData(
        data=data,
        every=min(periods),
        note=note if note.key == data_key(data) else DataNote(key=data_key(data)),
        stored=stored,
        job=job,
        state=facts.stages.get(text(job, "metadata", "name"), StageState()),
    )


@dataclass(frozen=True, slots=True)
class FoundContent:
    """What the newest look at the data found."""

    content: str
    at: datetime
    """When that look ended."""


def found_content(spec: RetrainPolicySpec, facts: PolicyFacts) -> FoundContent | None:
    """None where nothing looks at the data between runs, and while the newest look has found no state of it."""
    polled = read_polled(spec, facts)
    if polled is None or polled.polled_at is None or polled.note.problem or not polled.note.seen:
        return None
    return FoundContent(polled.note.seen[0].state.content, polled.polled_at)


def seen_states(records: Sequence[Object], name: str, uid: str) -> tuple[tuple[str, DataState], ...]:
    """When each state of a policy's data was first seen between runs, the oldest first."""
    stored = remembered(records, data_record(name, uid), uid)
    return tuple((one.at, one.state) for one in reversed(_note(stored).seen)) if stored is not None else ()


def poll_job(facts: PolicyFacts) -> Object | None:
    """The Job of a poll of this very policy."""
    found = (one for one in facts.objects if labels_of(one).get(STAGE_LABEL) == POLL_STAGE)
    return next((one for one in found if belongs(one, facts.uid) is Belongs.OURS), None)


def _note(stored: Object) -> DataNote:
    return readable(json_in(annotations_of(stored).get(DATA_ANNOTATION, "")), DataNote) or DataNote()
