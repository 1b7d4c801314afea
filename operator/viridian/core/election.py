"""Who leads: decided from what was seen of one Lease, and from this process's own clock.

No two clocks are ever compared, as in client-go. A Lease that another process holds is free once it has not changed
for as long as its holder promised, counted from when *this* process first saw it so. The leader counts from before it
sent its last successful renewal, and stops writing after a shorter time. So the old leader has stopped before the new
one begins, as long as the clocks run at nearly the same speed. What a Lease says about times is for people.

Times are seconds of a clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Final

from viridian.api.lease import LEASE_SECONDS, LeaseRecord

_RENEW_DEADLINE: Final = 0.625
"""The share of the lease after which a leader that could not renew stops writing; the rest is for writes under way."""
_RETRY: Final = 0.125
"""The share of the lease between two attempts."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How long a lease holds; everything else follows from that."""

    lease: int = LEASE_SECONDS
    """Whole seconds, since a Lease can say nothing else."""

    @property
    def renew_deadline(self) -> float:
        return self.lease * _RENEW_DEADLINE

    @property
    def retry(self) -> float:
        return self.lease * _RETRY


@dataclass(frozen=True, slots=True)
class Election:
    """What one candidate knows."""

    identity: str
    timings: Timings = Timings()
    record: LeaseRecord | None = None
    """The Lease as last seen; None where there is none."""
    seen_at: float = -inf
    """When it was first seen so."""
    may_write_until: float = -inf

    def may_write(self, now: float) -> bool:
        return now < self.may_write_until

    @property
    def free_at(self) -> float:
        """From when on this candidate may take the Lease, or renew its own."""
        if self.record is None or self.record.holder in ("", self.identity):
            return -inf
        return self.seen_at + self.record.seconds


def saw(election: Election, record: LeaseRecord | None, now: float) -> Election:
    """The Lease was read. Another holder ends one's own term at once; what says nothing new changes nothing."""
    if record == election.record:
        return election
    lost = record is None or record.holder != election.identity
    return replace(election, record=record, seen_at=now, may_write_until=-inf if lost else election.may_write_until)


def claim(election: Election, now: float, time: str) -> LeaseRecord | None:
    """What to write on the Lease now, to take or to renew it; None while another process may hold it."""
    if now < election.free_at:
        return None
    before = election.record or LeaseRecord()
    renewed = replace(before, holder=election.identity, seconds=election.timings.lease, renewed=time)
    if before.holder == election.identity:
        return renewed
    return replace(renewed, acquired=time, transitions=before.transitions + (election.record is not None))


def claimed(election: Election, stored: LeaseRecord, sent_at: float, now: float) -> Election:
    """The claim that was sent then has been stored: from then on nobody else takes the Lease for its whole time."""
    until = sent_at + election.timings.renew_deadline
    return replace(election, record=stored, seen_at=now, may_write_until=until)


def released(election: Election, time: str) -> LeaseRecord | None:
    """What to write on the Lease so that another candidate may take it at once; None where it is not held."""
    if election.record is None or election.record.holder != election.identity:
        return None
    return replace(election.record, holder="", renewed=time)


def stepped_down(election: Election) -> Election:
    """The candidate writes nothing any more, whatever the Lease says."""
    return replace(election, may_write_until=-inf)
