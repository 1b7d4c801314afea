"""What counts as evidence: only what users asked of a pod since they could meet it, told second by second.

A `Pod` answers on a timeline of its own; `Watch` is what an operator reads of it from its start on, and what the judge
says then. Seconds are counted from the moment at which users could first meet the pod.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.snapshots import NOW, slot, spec
from tests.unit.rollout.cases import BLUE, GREEN, trial_world
from viridian.api.samples import Bucket, CodeClass, PodSample
from viridian.core.times import format_time
from viridian.judgement.canary import CanaryVerdict, Judgement
from viridian.rollout.analysis.judging import judgements
from viridian.rollout.analysis.pods import PODS
from viridian.rollout.state import read
from viridian.rollout.traffic import exposure as exposures
from viridian.rollout.traffic.exposure import CounterBaseline, Counting, Exposure
from viridian.rollout.traffic.record import Traffic, Trial, dump, parse

FAST, SLOW = 0.02, 0.8
BOUNDS = (0.05, 0.25, 1.0, float("inf"))


@dataclass
class Pod:
    """One container; each entry of `answers` is a second of (requests, errors, seconds that each took)."""

    uid: str = "green-0"
    process: str = ""
    requests: float = 0.0
    errors: float = 0.0
    by_seconds: dict[float, float] = field(default_factory=dict)

    def answer(self, requests: float, errors: float = 0.0, seconds: float = FAST) -> None:
        self.requests += requests
        self.errors += errors
        self.by_seconds[seconds] = self.by_seconds.get(seconds, 0.0) + requests

    def restart(self, second: float) -> None:
        self.process = format_time(NOW + timedelta(seconds=second))
        self.requests, self.errors, self.by_seconds = 0.0, 0.0, {}

    def reading(self, second: float) -> PodSample:
        good = self.requests - self.errors
        return PodSample(
            uid=self.uid,
            at=NOW + timedelta(seconds=second),
            requests={CodeClass.SUCCESS: good, CodeClass.CLIENT_ERROR: 0.0, CodeClass.SERVER_ERROR: self.errors},
            latency=tuple(
                Bucket(bound=bound, count=sum(n for took, n in self.by_seconds.items() if took <= bound))
                for bound in BOUNDS
            ),
            duration_sum=sum(took * n for took, n in self.by_seconds.items()),
            process=self.process,
        )

    def counting(self, second: float | None) -> Counting:
        return Counting(self.uid, self.process, 0, None if second is None else self.reading(second))


def met(*pods: Pod, unread: bool = False) -> Exposure:
    """Users can meet the pods from now on. The record has been written, and is read again."""
    exposure = exposures.begun([pod.counting(None if unread else 0) for pod in pods], NOW)
    return stored(exposure)


def stored(exposure: Exposure) -> Exposure:
    trial = Trial("r", weight=50, exposure=exposure)
    found = parse(dump(Traffic(BLUE, "a", NOW, trial=trial)))
    assert found is not None
    assert found.trial is not None
    assert found.trial.exposure == exposure
    return found.trial.exposure


@dataclass
class Watch:
    """An operator that reads the pods once a second; `restart` is another one that remembers nothing."""

    exposure: Exposure | None
    window: str = "10s"
    metrics: tuple[dict[str, object], ...] = ({"name": "error-rate", "max": 0.05}, {"name": "latency-p95", "max": 0.25})
    readings: dict[str, list[PodSample]] = field(default_factory=dict)

    def restart(self) -> None:
        self.readings = {}

    def look(self, second: float, *pods: Pod) -> tuple[Judgement, ...]:
        for pod in pods:
            self.readings.setdefault(pod.uid, []).append(pod.reading(second))
        analysis = {"window": self.window, "metrics": list(self.metrics)}
        whole = spec(rollout={"analysis": analysis})
        shown = trial_world(
            Trial("r", weight=50),
            whole=whole,
            challenger=slot(GREEN, "2", len(self.readings), of=whole),
            readings=self.readings,
        )
        look = read(shown, whole, NOW + timedelta(seconds=second)).look
        assert look is not None
        self.seen = replace(look, subject=replace(look.subject, exposure=self.exposure))
        return judgements(PODS, self.seen)

    def verdicts(self, second: float, *pods: Pod) -> list[CanaryVerdict]:
        return [judgement.verdict for judgement in self.look(second, *pods)]


def breaches(verdicts: Sequence[CanaryVerdict]) -> bool:
    return CanaryVerdict.BREACH in verdicts


def until_breach(watch: Watch, pod: Pod, begin: int, answer: Callable[[], None], longest: int = 4000) -> int:
    """Seconds until the judge reverts."""
    for second in range(begin, begin + longest):
        if breaches(watch.verdicts(second, pod)):
            return second - begin
        answer()
    raise AssertionError("never a breach")


# ---- before users


@pytest.mark.parametrize("seconds", [FAST, SLOW], ids=["errors", "a cold start"])
def test_what_was_asked_through_the_preview_service_before_is_no_evidence(seconds: float) -> None:
    pod = Pod()
    pod.answer(273, errors=273, seconds=seconds)
    watch = Watch(met(pod))
    for second in range(1, 30):
        pod.answer(20)
        assert not breaches(watch.verdicts(second, pod))
    assert watch.verdicts(30, pod) == [CanaryVerdict.PASS, CanaryVerdict.PASS]


def test_a_former_champion_may_come_back_whatever_its_life_was() -> None:
    pod = Pod(process=format_time(NOW - timedelta(days=3)))
    pod.answer(1_000_000)
    pod.answer(1089, errors=329)
    watch = Watch(met(pod))
    for second in range(1, 30):
        pod.answer(20)
        assert not breaches(watch.verdicts(second, pod))


def test_a_bad_one_is_found_whatever_good_it_did_before() -> None:
    pod = Pod()
    pod.answer(10_000_000)
    watch = Watch(met(pod), window="1h")
    assert until_breach(watch, pod, 0, lambda: pod.answer(10, errors=10)) <= 2


# ---- after a restart of the operator


@pytest.mark.parametrize("window", ["10s", "1m", "10m", "1h"])
@pytest.mark.parametrize("trial", [5, 86_400], ids=["a young trial", "a day old"])
def test_a_restart_of_the_operator_makes_no_breach_later(window: str, trial: int) -> None:
    """All answers have failed since just before: as soon as without the restart, whatever the window."""
    pod = Pod()
    pod.answer(40_000_000)
    exposure = met(pod)
    pod.answer(10 * trial)
    restarted = Watch(exposure, window=window)
    assert until_breach(restarted, pod, trial, lambda: pod.answer(10, errors=10)) <= 3


def test_a_restart_within_the_window_loses_nothing() -> None:
    """The record says what had been counted when the trial began, and the window reaches back to it."""
    pod, other = Pod(), Pod()
    stays, restarted = Watch(met(pod), window="1m"), Watch(met(other), window="1m")
    for second in range(1, 20):
        for each in (pod, other):
            each.answer(10, errors=0.3)
        stays.look(second, pod)
    assert restarted.verdicts(20, other) == stays.verdicts(20, pod)
    assert [j.samples for j in restarted.look(20, other)] == [190, 190]


def test_after_a_restart_old_bad_answers_convict_nobody() -> None:
    pod = Pod()
    exposure = met(pod)
    pod.answer(5000, errors=300)
    watch = Watch(exposure)
    for second in range(600, 640):
        assert not breaches(watch.verdicts(second, pod))
        pod.answer(10)


# ---- processes and pods that come later


@pytest.mark.parametrize("skew", [-300, -3, 0, 3, 300], ids=lambda skew: f"clock of the node {skew} s off")
def test_a_container_that_restarts_within_the_trial_counts_from_zero(skew: int) -> None:
    pod = Pod(process=format_time(NOW - timedelta(hours=1)))
    pod.answer(1000)
    exposure = met(pod)
    pod.restart(2 + skew)
    pod.answer(1500, errors=200)
    watch = Watch(exposure, window="1m")
    assert breaches(watch.verdicts(3, pod)), "although it has answered more than the one before it"
    assert [j.samples for j in watch.look(3, pod)] == [1500, 1500]


@pytest.mark.parametrize("skew", [-300, 0, 300])
def test_a_pod_that_joins_later_counts_from_zero(skew: int) -> None:
    first, late = Pod(), Pod("green-1", process=format_time(NOW + timedelta(seconds=4 + skew)))
    watch = Watch(met(first), window="1m")
    late.answer(50, errors=20)
    watch.look(5, first, late)
    assert watch.look(5, first, late)[0].samples == 50


def test_but_not_its_whole_life_after_a_restart_of_the_operator() -> None:
    """It joined the trial hours ago: that is older than the window."""
    late = Pod("green-0", process=format_time(NOW + timedelta(seconds=10)))
    late.answer(70_000, errors=3000)
    watch = Watch(met(Pod("green-9")), window="1m")
    assert watch.look(7200, late)[0].samples == 0


def test_a_pod_that_could_not_be_read_at_first_counts_from_its_first_reading() -> None:
    pod = Pod()
    pod.answer(500, errors=500)
    watch = Watch(met(pod, unread=True))
    for second in range(1, 20):
        assert not breaches(watch.verdicts(second, pod))
        pod.answer(10)


def test_a_pod_that_could_not_be_read_when_a_step_began_counts_from_its_next_reading() -> None:
    """What it had counted before is older than some readings that are still remembered, and is no one's evidence."""
    pod = Pod()
    pod.answer(5000, errors=5000)
    watch = Watch(met(pod), window="1m")
    for second in range(1, 10):
        pod.answer(10)
        watch.look(second, pod)
    watch.exposure = stored(exposures.in_next_step(watch.exposure or met(), [pod.counting(None)]))
    for second in range(10, 30):
        pod.answer(10)
        assert not breaches(watch.verdicts(second, pod))
        watch.exposure = stored(exposures.with_first_readings(watch.exposure, [pod.counting(second)]))
    assert watch.look(30, pod)[0].samples == 190
    assert exposures.answered_in_step(watch.exposure, pod.reading(30)) == 190
    watch.restart()
    assert watch.look(31, pod)[0].samples == 190


def test_beyond_the_most_baselines_pods_count_from_their_first_reading() -> None:
    pods = [Pod(f"green-{number:03}") for number in range(exposures.MOST_PODS + 1)]
    exposure = met(*pods)
    assert exposure.partial
    assert len(exposure.pods) == exposures.MOST_PODS
    last = Pod("green-0")
    last.answer(500, errors=500)
    assert Watch(exposure).look(1, last)[0].samples == 0


def test_a_record_of_a_hundred_busy_pods_fits_into_an_annotation() -> None:
    busy = [Pod(f"{number:036}", process=format_time(NOW)) for number in range(exposures.MOST_PODS)]
    for pod in busy:
        for took in (0.001, 0.02, 0.1, 0.8, 2.0):
            pod.answer(123_456_789, errors=12_345, seconds=took)
    text = dump(Traffic(BLUE, "a", NOW, trial=Trial("r", exposure=met(*busy))))
    assert len(text) < 64 * 1024


def test_an_unreadable_minute_makes_no_old_answers_new() -> None:
    pod = Pod()
    watch = Watch(met(pod))
    for second in range(1, 20):
        pod.answer(10)
        watch.look(second, pod)
    pod.answer(600, errors=300)
    assert not breaches(watch.verdicts(80, pod)), "nobody knows when in that minute these were"


# ---- steps


def test_a_new_step_counts_its_requests_anew_and_keeps_the_evidence() -> None:
    pod = Pod()
    pod.answer(100, errors=50)
    before = met(pod)
    pod.answer(40)
    after = stored(exposures.in_next_step(before, [pod.counting(5)]))
    pod.answer(7)
    newest = pod.reading(6)
    assert exposures.answered_in_step(after, newest) == 7
    assert exposures.answered_in_step(before, newest) == 47
    assert replace(after.pods[pod.uid], before_step=0) == replace(before.pods[pod.uid], before_step=0)
    assert Watch(after).look(6, pod)[0].samples == 47


def test_pods_that_joined_or_restarted_meanwhile_are_known_from_then_on() -> None:
    restarted, late, gone = Pod(process="2026-01-05T11:00:00Z"), Pod("green-1", process="t"), Pod("green-2")
    before = met(restarted, gone)
    restarted.restart(3)
    restarted.answer(30)
    late.answer(20)
    after = stored(exposures.in_next_step(before, [restarted.counting(5), late.counting(5)]))
    assert set(after.pods) == {"green-0", "green-1"}
    for pod in (restarted, late):
        pod.answer(4)
        assert exposures.answered_in_step(after, pod.reading(6)) == 4
        assert after.pods[pod.uid].requests == 0, "all that it has answered is still of this trial"


def test_restarts_before_users_could_meet_it_are_no_crash_loop() -> None:
    exposure = exposures.begun([Counting("green-0", "", 5)], NOW)
    assert exposures.restarts_within(exposure, "green-0", 7) == 2
    assert exposures.restarts_within(exposure, "green-1", 3) == 3
    assert exposures.restarts_within(None, "green-0", 4) == 4


# ---- properties

SECONDS = st.lists(
    st.tuples(st.integers(0, 40), st.floats(0, 1), st.sampled_from([FAST, SLOW])), min_size=1, max_size=40
)
LIVES = st.lists(st.tuples(st.integers(0, 100_000), st.floats(0, 1), st.sampled_from([FAST, SLOW])), max_size=4)


@given(LIVES, SECONDS, st.integers(0, 40), st.sampled_from(["10s", "30s"]))
def test_what_a_pod_answered_before_the_trial_changes_no_verdict(
    life: list[tuple[int, float, float]], trial: list[tuple[int, float, float]], restart: int, window: str
) -> None:
    old, new = Pod(), Pod()
    for requests, share, took in life:
        old.answer(requests, int(requests * share), took)
    watches = Watch(met(old), window), Watch(met(new), window)
    for second, (requests, share, took) in enumerate(trial, start=1):
        said = []
        for pod, watch in zip((old, new), watches, strict=True):
            if second == restart:
                watch.restart()
            pod.answer(requests, int(requests * share), took)
            said.append([(j.verdict, j.samples) for j in watch.look(second, pod)])
        assert said[0] == said[1]
        first = [PODS.breach_began(watch.seen.analysis.metrics[0], watch.seen) for watch in watches]
        assert first[0] == first[1]


@given(SECONDS, st.integers(1, 40))
def test_nobody_is_convicted_for_more_than_users_got(trial: list[tuple[int, float, float]], restart: int) -> None:
    """Whatever restarts, no window holds more answers than were given in the trial."""
    pod = Pod(process=format_time(NOW - timedelta(hours=5)))
    pod.answer(1000, errors=1000)
    watch, given_so_far = Watch(met(pod), "30s"), 0
    for second, (requests, share, took) in enumerate(trial, start=1):
        if second == restart:
            pod.restart(second)
            watch.restart()
        pod.answer(requests, int(requests * share), took)
        given_so_far += requests
        assert watch.look(second, pod)[0].samples <= given_so_far


def test_a_damaged_baseline_is_no_crash() -> None:
    odd = Exposure(None, {"green-0": CounterBaseline(requests=1, errors=50, latency=((0.3, -4.0),), timed=2)})
    pod = Pod()
    pod.answer(20)
    for exposure in (odd, replace(odd, since=NOW)):
        Watch(exposure).look(1, pod)
