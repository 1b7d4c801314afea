"""What one pass changes about the traffic, and what it has to say: the answer of the first check that has one."""

from __future__ import annotations

from dataclasses import dataclass

from viridian.api.names import Slot
from viridian.api.samples import Idle
from viridian.core.plan import Event
from viridian.judgement.canary import Judgement
from viridian.rollout.traffic.record import Reverted, Traffic


@dataclass(frozen=True, slots=True)
class Close:
    """Whose kept-alive connections are to be let go, so that the new split takes effect on them too."""

    slots: tuple[Slot, ...]
    idle: Idle
    # How long pods go on closing: on a way out until every proxy has heard of the new split.
    seconds: int = 10


@dataclass(frozen=True, slots=True)
class RolloutDecision:
    """The next traffic record (None: no live Service yet), and how it came about."""

    traffic: Traffic | None
    # One stable word and one sentence: what happens, or what is waited for.
    reason: str = ""
    waiting_for: str = ""
    # The revision that the other slot is to hold, None when that is the fallback's place.
    challenger: str | None = None
    judgements: tuple[Judgement, ...] = ()
    close: Close | None = None
    events: tuple[Event, ...] = ()
    # A person's retry that is carried out by this move: (revision, the command in its own words).
    retried: tuple[str, str] | None = None
    # How the spec cannot be met without a change by someone; empty when it can.
    stalled: tuple[str, str] | None = None
    # Why the candidate is left without pods: the only way to take the traffic from it at the moment.
    starved: Reverted | None = None
