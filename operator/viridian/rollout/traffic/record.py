"""The record of the traffic: who serves, which step a trial is in, or why and when a challenger lost the traffic.

It stands on the object that splits the traffic and changes in the same write (`traffic/provider.py`). So a process that
dies right after the write loses nothing: the next one reads it.

Written as JSON. Every release reads what another one wrote: unknown fields are passed over, unknown causes and times
that nobody can read count as unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar

import msgspec

from viridian.api.names import Slot
from viridian.core.times import format_time_micros, parse_time
from viridian.judgement.detector import Tally
from viridian.judgement.split_test import SlotTallies
from viridian.rollout.traffic.compared import ComparedTrial
from viridian.rollout.traffic.drill_record import Drill, DrillResult
from viridian.rollout.traffic.experiment_record import ExperimentRecord
from viridian.rollout.traffic.exposure import CounterBaseline, Exposure
from viridian.rollout.traffic.predecessor_record import Predecessor
from viridian.rollout.traffic.split_log import SplitRecord

T = TypeVar("T")
BY_OPERATOR: Final = "Viridian"
"""Who decided, where no person did."""
BY_SPEC: Final = "spec.model"
"""Who decided, where the spec names a former champion again."""


class ChampionCause(StrEnum):
    """How the champion came to be one: a promotion is followed by probation, a rollback is not."""

    PROMOTED = "Promoted"
    # The traffic went back to the fallback.
    ROLLED_BACK = "RolledBack"
    # A former champion that the spec or a person has named.
    REINSTATED = "Reinstated"
    # It served before there was a ModelDeployment.
    ADOPTED = "Adopted"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Trial:
    """A challenger on its way through the steps."""

    revision: str
    # The steps behind it, by what they are: an index alone would mean another step as soon as the list is edited.
    passed: tuple[str, ...] = ()
    weight: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    # Share of the requests, in percent, of which it gets a copy; users do not see what it answers.
    shadow: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    # Whether the champion's servers make the copies, and compare the answers; elsewhere a gateway does.
    servers_copy: bool = False
    # When the step was entered: its pods have a deadline from then on.
    entered: datetime | None = None
    # When the step's split was reached; None until then.
    since: datetime | None = None
    # Since when users can meet its pods; while they cannot, since when it is on trial.
    exposure: Exposure | None = None
    # What challenger and champion are compared from; None while they do not serve side by side.
    compared: ComparedTrial | None = None
    # Since when the judge sees nothing; None while it sees.
    blind_since: datetime | None = None
    # The latest command of a person that passed a step, as it was written, and when it was counted.
    approved: str = ""
    approved_at: datetime | None = None
    # Pods of the champion when the step was entered, where an autoscaler decides about them.
    champion_pods: Annotated[int, msgspec.Meta(ge=0)] = 0
    # The experiment of the present step.
    experiment: ExperimentRecord | None = None

    @property
    def step(self) -> int:
        """Index of the present step; that of the promotion is one beyond the last."""
        return len(self.passed)

    @property
    def is_asked(self) -> bool:
        """Whether it answers requests, of users or copies of them."""
        return self.weight > 0 or self.shadow > 0


@dataclass(frozen=True, slots=True)
class Reverted:
    """A revision that lost the traffic, or its chance of getting it, and why."""

    revision: str
    outcome: str
    reason: str
    message: str
    at: datetime | None = None
    breach_at: datetime | None = None
    by: str = BY_OPERATOR
    # When the answer was seen with which the evidence was enough.
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """The champion, and what else is known of the traffic."""

    champion: Slot
    revision: str
    since: datetime | None = None
    # The champion before, for the way back and for the alias `previous`.
    former: str = ""
    trial: Trial | None = None
    reverted: Reverted | None = None
    cause: ChampionCause = ChampionCause.PROMOTED
    # Those that lost it before and whose records cannot be written, newest first.
    unrecorded: tuple[Reverted, ...] = ()
    # Since when users can meet the pods of a champion that was on trial before.
    exposure: Exposure | None = None
    # A drill of the rollback that is under way, and how the newest one ended.
    drill: Drill | None = None
    drilled: DrillResult | None = None
    # Who served before the first version, for as long as it may be gone back to.
    predecessor: Predecessor | None = None
    # The newest experiment that has ended.
    experimented: ExperimentRecord | None = None
    # Which share the challenger had from when on, the oldest first; kept where answers are kept.
    splits: tuple[SplitRecord, ...] = ()

    def succeeded_by(self, slot: Slot, revision: str, since: datetime | None, **more: Any) -> Traffic:
        """The traffic once another revision is the champion, with what outlasts champions."""
        known = self.predecessor
        kept = known if known is not None and known.revision in (revision, self.revision) else None
        lasting: dict[str, Any] = {
            "drilled": self.drilled,
            "experimented": self.experimented,
            "splits": self.splits,
        }
        return Traffic(slot, revision, since, predecessor=kept, **lasting, **more)

    @property
    def serves_predecessor(self) -> bool:
        """Whether the champion is no version but a Deployment that served before."""
        return self.predecessor is not None and self.revision == self.predecessor.revision

    @property
    def predecessor_is_fallback(self) -> bool:
        """Whether the way back leads to that Deployment."""
        known = self.predecessor is not None and self.former == self.predecessor.revision
        return known and self.trial is None

    @property
    def rejected(self) -> tuple[Reverted, ...]:
        """All that this record remembers to have lost the traffic, or the chance of getting it."""
        return (*((self.reverted,) if self.reverted is not None else ()), *self.unrecorded)

    @property
    def share(self) -> int:
        """The share of the users' requests, in percent, that goes to the slot that is not the champion's."""
        if self.drill is not None and self.drill.moves_users:
            return 100
        return self.trial.weight if self.trial is not None else 0

    @property
    def copies(self) -> int:
        """The share of the users' requests, in percent, of which a gateway sends a copy to the other slot."""
        if self.drill is not None:
            return self.drill.copies if self.drill.since is not None else 0
        return self.trial.shadow if self.trial is not None and not self.trial.servers_copy else 0

    @property
    def receiving(self) -> frozenset[Slot]:
        """The slots that users can meet."""
        weight = self.share
        if weight <= 0:
            return frozenset({self.champion})
        if weight >= 100:
            return frozenset({self.champion.other})
        return frozenset(Slot)


_PARTS: Final = (
    *(Traffic, Trial, Reverted, Drill, DrillResult, Predecessor),
    *(Exposure, CounterBaseline, ComparedTrial, SlotTallies, Tally, ExperimentRecord, SplitRecord),
)


_ZERO_SAYS_SOMETHING: Final[Mapping[type[Any], frozenset[str]]] = {
    part: frozenset(field.name for field in fields(part) if field.default is None) for part in _PARTS
}
"""The fields of each part whose absence means that nobody knows: a zero in them is written."""
_NOTHING: Final[tuple[Any, ...]] = (None, "", 0, [], {})
"""What is left out of a record."""
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
"""Most values of a record are one of these. A look at the type is the fastest way to know."""


def dump(record: Traffic | Reverted) -> str:
    return json.dumps(_plain(record), sort_keys=True)


def _plain(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, _PARTS):
        parts = {name: _plain(getattr(value, name)) for name in type(value).__slots__}
        telling = _ZERO_SAYS_SOMETHING[type(value)]
        return {name: part for name, part in parts.items() if part not in _NOTHING or (part == 0 and name in telling)}
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, datetime):
        return format_time_micros(value)
    return str(value) if isinstance(value, StrEnum) else value


@lru_cache(maxsize=64)  # a pass asks for it several times
def parse(text: str) -> Traffic | None:
    """The record, None where there is none or it was destroyed."""
    found = _decoded(text, Traffic)
    return found if found is not None and found.revision else None


def parse_reverted(text: str) -> Reverted | None:
    return _decoded(text, Reverted)


_TIMES: Final = frozenset(
    {"entered", "since", "blind_since", "approved_at", "at", "breach_at", "decided_at", "answered_at", "passed_at"}
    | {"started_at", "allocated_at", "ended_at"}
)


def _decoded(text: str, kind: type[T]) -> T | None:
    try:
        return msgspec.convert(_typed(msgspec.json.decode(text)), kind)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None


def _typed(value: Any, field: str = "") -> Any:
    """Times as times and causes as causes. One that cannot be read must not cost the whole record."""
    if isinstance(value, dict):
        return {name: _typed(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_typed(part) for part in value]
    if field in _TIMES and value is None:
        raise msgspec.ValidationError(f"{field} is null")
    if not isinstance(value, str):
        return value
    if field in _TIMES:
        return parse_time(value)
    return ChampionCause.UNKNOWN if field == "cause" and value not in set(ChampionCause) else value
