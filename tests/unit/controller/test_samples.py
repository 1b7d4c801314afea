"""The short memory of readings: as far back as the judge looks, and not a byte more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

from tests.unit.controller.world import KEY, NOW
from viridian.api.input_schema import InputSchema
from viridian.api.samples import CodeClass, Identity, Idle, PodSample, PodTarget, ScrapeFailure, ScrapeProblem
from viridian.api.shadow import ShadowOrder
from viridian.controller.kept_readings import MOST, MOST_BEFORE
from viridian.controller.samples import Samples

A = PodTarget(uid="a", ip="10.0.0.1", identity=Identity())
B = PodTarget(uid="b", ip="10.0.0.2", identity=Identity())
INTERVAL = timedelta(seconds=1)
SPAN = timedelta(seconds=10)


class CountingPods:
    """Each scrape reads one request more; `down` pods cannot be read."""

    def __init__(self) -> None:
        self.scrapes = 0
        self.at = NOW
        self.errors: dict[str, float] = {}
        self.down: set[str] = set()
        self.before_answer: Callable[[], object] = lambda: None

    async def scrape(self, targets: Sequence[PodTarget]) -> Mapping[str, PodSample | ScrapeFailure]:
        self.scrapes += 1
        self.before_answer()
        return {target.uid: self._reading(target) for target in targets}

    async def close_connections(
        self, targets: Sequence[PodTarget], *, seconds: float, idle: Idle, forward: bool = False
    ) -> None:
        raise AssertionError("nobody asked for that")

    async def copy_requests(self, targets: Sequence[PodTarget], order: ShadowOrder | None) -> frozenset[str]:
        raise AssertionError("nobody asked for that")

    async def input_schemas(self, targets: Sequence[PodTarget]) -> Mapping[str, InputSchema]:
        raise AssertionError("nobody asked for schemas")

    async def served_features(self, targets: Sequence[PodTarget]) -> Mapping[str, str]:
        raise AssertionError("nobody asked for features")

    def _reading(self, target: PodTarget) -> PodSample | ScrapeFailure:
        if target.uid in self.down:
            return ScrapeFailure(uid=target.uid, at=self.at, problem=ScrapeProblem.TIMEOUT, message="no answer")
        requests = dict.fromkeys(CodeClass, 0.0) | {CodeClass.SUCCESS: float(self.scrapes)}
        requests[CodeClass.SERVER_ERROR] = self.errors.get(target.uid, 0.0)
        return PodSample(uid=target.uid, at=self.at, requests=requests, latency=(), duration_sum=0.0)


class Stage:
    def __init__(self) -> None:
        self.pods = CountingPods()
        self.samples = Samples(self.pods)

    async def read(self, seconds: float, *targets: PodTarget) -> Mapping[str, Sequence[PodSample | ScrapeFailure]]:
        self.pods.at = now = NOW + timedelta(seconds=seconds)
        return await self.samples.read(KEY, targets, now=now, interval=INTERVAL, span=SPAN)

    async def judge(self, seconds: int, *targets: PodTarget) -> list[float]:
        """The ages of what is kept of the first pod, with errors counting as bad answers."""
        self.pods.at = now = NOW + timedelta(seconds=seconds)
        readings = await self.samples.read(
            KEY, targets, now=now, interval=INTERVAL, span=SPAN, bad=lambda one: (one.requests[CodeClass.SERVER_ERROR],)
        )
        return [(now - reading.at).total_seconds() for reading in readings[targets[0].uid]]


async def test_readings_reach_back_over_the_span_and_to_the_sample_before() -> None:
    stage = Stage()
    for second in range(30):
        readings = await stage.read(second, A)
    ages = [(NOW + timedelta(seconds=29) - reading.at).total_seconds() for reading in readings["a"]]
    assert ages == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


async def test_the_sample_before_the_span_is_kept_over_failures() -> None:
    """That is where counting starts; a failure has no counters."""
    stage = Stage()
    await stage.read(0, A)
    stage.pods.down = {"a"}
    for second in range(1, 30):
        readings = await stage.read(second, A)
    assert isinstance(readings["a"][0], PodSample)
    assert readings["a"][0].at == NOW
    assert all(isinstance(reading, ScrapeFailure) for reading in readings["a"][1:])
    assert len(readings["a"]) == 11


async def test_passes_in_quick_succession_share_a_scrape() -> None:
    stage = Stage()
    for tenth in range(10):
        await stage.read(tenth / 10, A)
    assert stage.pods.scrapes == 2


async def test_a_pod_that_was_never_read_is_read_at_once() -> None:
    stage = Stage()
    await stage.read(0, A)
    readings = await stage.read(0.1, A, B)
    assert len(readings["b"]) == 1


async def test_a_pod_that_is_gone_is_forgotten() -> None:
    stage = Stage()
    await stage.read(0, A, B)
    assert set(await stage.read(1, B)) == {"b"}
    assert len(stage.samples) == 2


async def test_without_targets_nothing_is_kept_and_nobody_is_asked() -> None:
    stage = Stage()
    await stage.read(0, A)
    assert await stage.read(1) == {}
    assert (len(stage.samples), stage.pods.scrapes) == (0, 1)
    assert len((await stage.read(1.1, A))["a"]) == 1, "the next trial begins with an empty memory"


async def test_before_users_meet_a_challenger_no_reading_is_shared() -> None:
    """Its counters of this very moment are the baseline of the trial."""
    stage = Stage()
    for tenth in range(10):
        await stage.samples.read(
            KEY, (A,), now=NOW + timedelta(seconds=tenth / 10), interval=timedelta(), span=timedelta(days=1)
        )
    assert stage.pods.scrapes == 10


async def test_the_memory_is_bounded_and_still_reaches_back_over_the_whole_span() -> None:
    """An hour of readings each second: the older ones are thinned out, and nowhere is a hole."""
    stage, span = Stage(), timedelta(hours=1)
    for second in range(2 * 3600):
        stage.pods.at = now = NOW + timedelta(seconds=second)
        readings = await stage.samples.read(KEY, (A,), now=now, interval=INTERVAL, span=span)
    ages = [now - reading.at for reading in readings["a"]]
    assert len(ages) <= MOST
    assert span <= ages[0] <= span * 1.01
    assert max(older - newer for older, newer in pairwise(ages)) <= span / 100
    assert ages[-MOST // 2 :] == [timedelta(seconds=back) for back in range(MOST // 2 - 1, -1, -1)]


def counted(total: float, seconds: float, uid: str = "a") -> PodSample:
    requests = dict.fromkeys(CodeClass, 0.0) | {CodeClass.SUCCESS: total}
    return PodSample(uid=uid, at=NOW + timedelta(seconds=seconds), requests=requests, latency=(), duration_sum=0.0)


async def test_a_sample_that_comes_by_itself_is_known_between_two_readings() -> None:
    stage = Stage()
    await stage.read(0, A)
    assert stage.samples.add(KEY, counted(5, 0.1))
    assert [reading.at for reading in stage.samples.known(KEY)["a"]] == [NOW, NOW + timedelta(seconds=0.1)]
    stage.pods.scrapes = 5
    assert len((await stage.read(1, A))["a"]) == 3


async def test_a_sample_of_a_pod_that_was_never_read_is_not_kept() -> None:
    """Its first reading is where counting begins."""
    stage = Stage()
    assert not stage.samples.add(KEY, counted(5, 0.1))
    await stage.read(0, A)
    assert not stage.samples.add(KEY, counted(5, 0.1, uid="b"))


async def test_a_sample_that_was_overtaken_by_a_reading_is_not_taken_for_another_process() -> None:
    """A counter that fell would count from zero: all that the process had ever answered would speak as new."""
    stage = Stage()
    stage.pods.scrapes = 99
    await stage.read(0, A)
    assert not stage.samples.add(KEY, counted(98, 0.1)), "it had counted less"
    assert not stage.samples.add(KEY, counted(100, 0)), "it is no later"


async def test_a_reading_that_was_overtaken_by_a_sample_is_not_taken_for_another_process() -> None:
    stage = Stage()
    await stage.read(0, A)
    stage.pods.before_answer = lambda: stage.samples.add(KEY, counted(50, 1.5))
    readings = await stage.read(1, A)
    assert [reading.at for reading in readings["a"]] == [NOW, NOW + timedelta(seconds=1.5)]


async def test_a_process_that_began_anew_is_known_by_the_next_reading() -> None:
    stage = Stage()
    await stage.read(0, A)
    stage.samples.add(KEY, counted(50, 0.5))
    readings = await stage.read(1, A)
    assert [isinstance(reading, PodSample) and reading.total for reading in readings["a"]] == [1, 50, 2]


async def test_after_a_breach_the_next_pass_reads_all_pods_anew() -> None:
    stage = Stage()
    await stage.read(0, A)
    stage.samples.read_again(KEY)
    await stage.read(0.1, A)
    assert stage.pods.scrapes == 2


async def test_samples_between_two_readings_are_bounded() -> None:
    stage = Stage()
    await stage.read(0, A)
    for number in range(5 * MOST):
        assert stage.samples.add(KEY, counted(2 + number, 0.001 * (1 + number)))
    assert len(stage.samples) <= 2 * MOST
    newest = stage.samples.known(KEY)["a"][-1]
    assert isinstance(newest, PodSample)
    assert newest.total == 1 + 5 * MOST


async def test_of_before_the_span_readings_with_new_bad_answers_are_kept() -> None:
    stage = Stage()
    for second in range(100):
        stage.pods.errors["a"] = float((second >= 20) + 2 * (second >= 50))
        ages = await stage.judge(second, A)
    assert ages == [99, 79, 49, *range(10, -1, -1)]


async def test_so_is_the_last_one_of_a_process() -> None:
    """What it had counted until then belongs to the trial as well."""
    stage = Stage()
    for second in range(100):
        if second == 30:
            stage.pods.scrapes = 0
        ages = await stage.judge(second, A)
    assert ages == [99, 70, 69, *range(10, -1, -1)]


async def test_all_pods_of_a_slot_are_known_from_the_same_moment_on() -> None:
    """One has an error in each reading, and the other had one long ago: that one is forgotten as well."""
    stage = Stage()
    for second in range(300):
        stage.pods.errors = {"b": float(second), "a": float((second >= 20) + (second >= 250))}
        ages = await stage.judge(second, A, B)
    assert MOST_BEFORE == 100
    assert ages == [279, 49, *range(10, -1, -1)], "the latest before that shows what had been counted by then"
