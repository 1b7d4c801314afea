"""Who leads: a table of single answers, and any story of candidates, clocks, delays and pauses."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from viridian.api.lease import LeaseRecord
from viridian.core.election import (
    Election,
    Timings,
    claim,
    claimed,
    released,
    saw,
    stepped_down,
)

TIME = "2026-01-05T12:00:00.000000Z"
LATER = "2026-01-05T12:00:01.000000Z"
OTHERS = LeaseRecord("b", 4, TIME, TIME, 3, "7")


def leader(now: float = 100.0) -> Election:
    mine = LeaseRecord("a", 4, TIME, TIME, 3, "7")
    return claimed(Election("a"), mine, sent_at=now, now=now + 0.1)


class TestClaims:
    def test_a_lease_that_is_not_there_is_made(self) -> None:
        assert claim(Election("a"), 0.0, TIME) == LeaseRecord("a", 4, TIME, TIME, 0, "")

    def test_a_released_one_is_taken_at_once(self) -> None:
        election = saw(Election("a"), replace(OTHERS, holder=""), 100.0)
        assert claim(election, 100.0, LATER) == LeaseRecord("a", 4, LATER, LATER, 4, "7")

    def test_ones_own_is_taken_at_once_after_a_restart(self) -> None:
        election = saw(Election("b"), OTHERS, 100.0)
        assert claim(election, 100.0, LATER) == replace(OTHERS, renewed=LATER)

    def test_anothers_is_taken_once_it_has_not_changed_for_as_long_as_its_holder_promised(self) -> None:
        election = saw(Election("a", Timings(60)), OTHERS, 100.0)
        assert claim(election, 103.9, LATER) is None
        assert election.free_at == 104.0
        assert claim(election, 104.0, LATER) == LeaseRecord("a", 60, LATER, LATER, 4, "7")

    def test_a_renewal_that_is_seen_begins_the_time_anew(self) -> None:
        election = saw(Election("a"), OTHERS, 100.0)
        election = saw(election, replace(OTHERS, renewed=LATER, version="8"), 103.0)
        assert claim(election, 106.9, LATER) is None

    def test_seeing_the_same_again_does_not(self) -> None:
        election = saw(saw(Election("a"), OTHERS, 100.0), OTHERS, 103.0)
        assert claim(election, 104.0, LATER) is not None


class TestTerms:
    def test_a_term_counts_from_before_the_claim_was_sent(self) -> None:
        election = leader(now=100.0)
        assert election.may_write(102.49)
        assert not election.may_write(102.5)

    def test_it_ends_before_the_lease_can_be_taken(self) -> None:
        for seconds in (2, 4, 15, 300):
            timings = Timings(seconds)
            assert timings.retry * 2 < timings.renew_deadline < seconds - timings.retry

    def test_another_holder_ends_it_at_once(self) -> None:
        assert not saw(leader(), OTHERS, 100.2).may_write(100.2)
        assert not saw(leader(), None, 100.2).may_write(100.2)

    def test_an_edit_by_somebody_who_leaves_the_holder_does_not(self) -> None:
        election = leader()
        assert election.record is not None
        assert saw(election, replace(election.record, version="8"), 100.2).may_write(100.2)

    def test_who_releases_holds_nothing_any_more(self) -> None:
        assert released(leader(), LATER) == LeaseRecord("", 4, TIME, LATER, 3, "7")
        assert released(saw(leader(), OTHERS, 100.2), LATER) is None
        assert not stepped_down(leader()).may_write(100.2)


@dataclass
class Candidate:
    """One process: its clock has an offset and a speed of its own, and it may stand still between any two steps."""

    election: Election
    offset: float
    speed: float
    sent: tuple[LeaseRecord, float] | None = None
    """A claim under way, and when it was sent by this clock."""
    answer: LeaseRecord | None = None
    """What the server has stored of it, not heard of yet."""


class Candidates(RuleBasedStateMachine):
    """Any number of candidates for one Lease: never may two write at the same moment."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.stored: LeaseRecord | None = None
        self.versions = 0
        self.candidates = [
            Candidate(Election(name), offset, speed)
            for name, offset, speed in (("a", 0.0, 1.0), ("b", 5000.0, 1.1), ("c", -70.0, 0.9))
        ]

    def clock(self, candidate: Candidate) -> float:
        return candidate.offset + candidate.speed * self.now

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.5, 1.0, 2.4, 2.6, 3.9, 4.1, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(which=st.integers(0, 2))
    def look(self, which: int) -> None:
        candidate = self.candidates[which]
        candidate.election = saw(candidate.election, self.stored, self.clock(candidate))

    @rule(which=st.integers(0, 2))
    def send_a_claim(self, which: int) -> None:
        candidate, now = self.candidates[which], self.clock(self.candidates[which])
        wanted = claim(candidate.election, now, f"at {self.now}")
        if wanted is not None and candidate.sent is None and candidate.answer is None:
            candidate.sent = wanted, now

    @rule(which=st.integers(0, 2), lost=st.booleans())
    def a_claim_arrives(self, which: int, lost: bool) -> None:
        candidate = self.candidates[which]
        if candidate.sent is None:
            return
        wanted, _ = candidate.sent
        if wanted.version != (self.stored.version if self.stored else ""):
            candidate.sent = None
            self.look(which)
            return
        self.versions += 1
        self.stored = replace(wanted, version=str(self.versions))
        if lost:
            candidate.sent = None
        else:
            candidate.answer = self.stored

    @rule(which=st.integers(0, 2))
    def its_answer_is_heard(self, which: int) -> None:
        candidate = self.candidates[which]
        if candidate.sent is None or candidate.answer is None:
            return
        _, sent_at = candidate.sent
        candidate.election = claimed(candidate.election, candidate.answer, sent_at, self.clock(candidate))
        candidate.sent = candidate.answer = None

    @rule(which=st.integers(0, 2))
    def release(self, which: int) -> None:
        candidate = self.candidates[which]
        given_up = released(candidate.election, f"at {self.now}")
        candidate.election = stepped_down(candidate.election)
        if given_up is not None and self.stored is not None and given_up.version == self.stored.version:
            self.versions += 1
            self.stored = replace(given_up, version=str(self.versions))

    @rule(which=st.integers(0, 2))
    def restart(self, which: int) -> None:
        """With the same identity and an empty memory."""
        candidate = self.candidates[which]
        candidate.election, candidate.sent, candidate.answer = Election(candidate.election.identity), None, None

    @rule(which=st.integers(0, 2))
    def whoever_is_alone_leads_within_two_leases(self, which: int) -> None:
        self.look(which)
        self.time_passes(4.5)
        self.look(which)
        candidate = self.candidates[which]
        if candidate.sent is not None or candidate.answer is not None:
            return
        self.send_a_claim(which)
        self.a_claim_arrives(which, lost=False)
        self.its_answer_is_heard(which)
        assert candidate.election.may_write(self.clock(candidate))

    @invariant()
    def at_most_one_may_write(self) -> None:
        writing = [c.election.identity for c in self.candidates if c.election.may_write(self.clock(c))]
        assert len(writing) <= 1, writing


Candidates.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestCandidates = Candidates.TestCase


def test_the_timings_are_those_that_the_documentation_names() -> None:
    assert (Timings().lease, Timings().renew_deadline, Timings().retry) == (4, 2.5, 0.5)
