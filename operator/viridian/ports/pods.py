"""The pods of a model's slots, as the loop needs them: read their counters, and let go of their connections."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Protocol, TypeVar

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from viridian.api.features import FEATURES_PATH, ServedFeatures, digest_shown
from viridian.api.forward_order import FORWARD_PATH
from viridian.api.input_schema import SCHEMA_PATH, InputSchema
from viridian.api.samples import (
    DURATION_METRIC,
    INFO_METRIC,
    LAST_ANSWER_METRIC,
    REQUESTS_METRIC,
    Bucket,
    CodeClass,
    Idle,
    PodSample,
    PodTarget,
    ScrapeFailure,
    ScrapeProblem,
    ShadowSample,
)
from viridian.api.shadow import (
    COPIED_DURATION_METRIC,
    COPIED_REQUESTS_METRIC,
    DISAGREEMENT_METRIC,
    PREDICTIONS_METRIC,
    SHADOW_PATH,
    SHARE_METRIC,
    ShadowOrder,
)
from viridian.api.texts import one_line
from viridian.ports.bounded_bodies import TooLong
from viridian.ports.pod_http import PodHttp

T = TypeVar("T")
TIMEOUT: Final = 1.0
"""Seconds for one pod, from connecting to the last byte. A pod that needs longer is blind, not healthy."""
MAX_BYTES: Final = 4 * 1024 * 1024
MAX_LINES: Final = 2000
MAX_LINE: Final = 4096
MAX_LABELS: Final = 32
"""Of the lines that matter: the parser's time grows with the square of a line's labels."""
MAX_BUCKETS: Final = 200
MAX_COUNT: Final = 2.0**53
"""Beyond it neighbouring whole numbers are one float, and differences are no counts."""
MAX_MESSAGE: Final = 500
MAX_SCHEMA_BYTES: Final = 1024 * 1024
"""Thousands of columns with long names."""
_TAKEN: Final = 204
_SHOWN: Final = 200
_SCHEMA: Final = msgspec.json.Decoder(InputSchema)
_FEATURES: Final = msgspec.json.Decoder(ServedFeatures)
_MAX_FEATURES_BYTES: Final = 4096
MAX_QUIET_SECONDS: Final = 86_400.0
"""A last answer that is longer ago is of no interest."""
_OF_COPIES: Final = (
    *(COPIED_REQUESTS_METRIC, COPIED_DURATION_METRIC),
    *(DISAGREEMENT_METRIC, PREDICTIONS_METRIC, SHARE_METRIC),
)
_OURS: Final = (REQUESTS_METRIC, DURATION_METRIC, INFO_METRIC, LAST_ANSWER_METRIC, *_OF_COPIES)
_REQUESTS: Final = (f"{REQUESTS_METRIC}_total", f"{COPIED_REQUESTS_METRIC}_total")
_BUCKETS: Final = (f"{DURATION_METRIC}_bucket", f"{COPIED_DURATION_METRIC}_bucket")
_SUMS: Final = (f"{DURATION_METRIC}_sum", f"{COPIED_DURATION_METRIC}_sum")


class Pods(Protocol):
    """No call raises, whatever the pods do; all pods are asked at the same time, each for about a second."""

    async def scrape(self, targets: Sequence[PodTarget]) -> Mapping[str, PodSample | ScrapeFailure]:
        """Pod uid to its counters, or why there are none. Every target is in it."""

    async def close_connections(
        self, targets: Sequence[PodTarget], *, seconds: float, idle: Idle, forward: bool = False
    ) -> None:
        """For that many seconds the pods end each connection after its next answer. Best effort; may be repeated.

        With `forward` that is an answer of the other slot, from servers that can; these keep idle connections.
        """

    async def copy_requests(self, targets: Sequence[PodTarget], order: ShadowOrder | None) -> frozenset[str]:
        """The pods copy requests by this order, or by none any more; the uids of those that have taken it."""

    async def input_schemas(self, targets: Sequence[PodTarget]) -> Mapping[str, InputSchema]:
        """Pod uid to what its model takes, of those that show it: other runtimes and older releases do not."""

    async def served_features(self, targets: Sequence[PodTarget]) -> Mapping[str, str]:
        """Pod uid to the digest of the feature definition that it was started with, of those that show one."""


class HttpPods:
    """The pods' management ports."""

    def __init__(self, http: PodHttp, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._http = http
        self._clock = clock

    async def scrape(self, targets: Sequence[PodTarget]) -> Mapping[str, PodSample | ScrapeFailure]:
        """Pod uid to its counters, or why there are none. Every target is in it."""
        answers = await self._http.aside.run(_concurrently([self._scrape(target) for target in targets]))
        return {answer.uid: answer for answer in answers}

    async def close_connections(
        self, targets: Sequence[PodTarget], *, seconds: float, idle: Idle, forward: bool = False
    ) -> None:
        """For that many seconds the pods end each connection after its next answer. Best effort; may be repeated.

        With `forward` that is an answer of the other slot, from servers that can; these keep idle connections.
        """
        closing = [self._close(target, seconds, idle, forward=forward) for target in targets]
        await self._http.aside.run(_concurrently(closing))

    async def copy_requests(self, targets: Sequence[PodTarget], order: ShadowOrder | None) -> frozenset[str]:
        """The pods copy requests by this order, or by none any more; the uids of those that have taken it."""
        taken = await self._http.aside.run(_concurrently([self._copy(target, order) for target in targets]))
        return frozenset(filter(None, taken))

    async def input_schemas(self, targets: Sequence[PodTarget]) -> Mapping[str, InputSchema]:
        """Pod uid to what its model takes, of those that show it: other runtimes and older releases do not."""
        shown = await self._http.aside.run(_concurrently([self._input_schema(target) for target in targets]))
        return {target.uid: one for target, one in zip(targets, shown, strict=True) if one is not None}

    async def served_features(self, targets: Sequence[PodTarget]) -> Mapping[str, str]:
        """Pod uid to the digest of the feature definition that it was started with, of those that show one."""
        shown = await self._http.aside.run(_concurrently([self._served_features(target) for target in targets]))
        return {target.uid: one for target, one in zip(targets, shown, strict=True) if one}

    async def _scrape(self, target: PodTarget) -> PodSample | ScrapeFailure:
        try:
            answer = await self._http.get(target, "/metrics", most=MAX_BYTES, seconds=TIMEOUT)
            if answer.status != 200:
                return self._failure(target, ScrapeProblem.STATUS, f"/metrics answered {answer.status}")
            return parse(answer.body.decode(), target, self._clock())
        except OtherPod as error:
            return self._failure(target, ScrapeProblem.OTHER_POD, f"/metrics of {target.ip} {error}")
        except TimeoutError:
            return self._failure(target, ScrapeProblem.TIMEOUT, f"/metrics did not answer within {TIMEOUT:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return self._failure(target, ScrapeProblem.UNREACHABLE, f"/metrics cannot be read: {type(error).__name__}")
        except (TooLong, ValueError) as error:
            return self._failure(target, ScrapeProblem.MALFORMED, f"/metrics cannot be understood: {error}")

    def _failure(self, target: PodTarget, problem: ScrapeProblem, message: str) -> ScrapeFailure:
        return ScrapeFailure(uid=target.uid, at=self._clock(), problem=problem, message=one_line(message, MAX_MESSAGE))

    async def _close(self, target: PodTarget, seconds: float, idle: Idle, *, forward: bool) -> None:
        with contextlib.suppress(TimeoutError):
            if not forward or await self._ordered(target, FORWARD_PATH, {"forSeconds": seconds}) != _TAKEN:
                await self._ordered(target, "/connections/close", {"forSeconds": seconds, "idle": idle.value})

    async def _ordered(self, target: PodTarget, path: str, order: Mapping[str, Any]) -> int:
        """The status with which it was taken; 0 where it was refused otherwise. TimeoutError where nobody answers.

        A pod that cannot be reached is going away, or is a runtime of the user's own. Traffic has moved already.
        """
        try:
            return await self._http.order(target, path, order, seconds=TIMEOUT)
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError, ValueError):
            return 0

    async def _copy(self, target: PodTarget, order: ShadowOrder | None) -> str:
        """The pod's uid, where it has taken the order."""
        try:
            if order is None:
                status = await self._http.withdraw(target, SHADOW_PATH, seconds=TIMEOUT)
            else:
                status = await self._http.order(target, SHADOW_PATH, msgspec.to_builtins(order), seconds=TIMEOUT)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return ""
        return target.uid if status == _TAKEN else ""

    async def _input_schema(self, target: PodTarget) -> InputSchema | None:
        try:
            answer = await self._http.get(target, SCHEMA_PATH, most=MAX_SCHEMA_BYTES, seconds=TIMEOUT, proven=True)
            return _SCHEMA.decode(answer.body) if answer.status == _SHOWN else None
        except (TimeoutError, aiohttp.ClientError, OSError, TooLong, ValueError, RecursionError):
            return None

    async def _served_features(self, target: PodTarget) -> str:
        """Empty where it shows none."""
        try:
            answer = await self._http.get(target, FEATURES_PATH, most=_MAX_FEATURES_BYTES, seconds=TIMEOUT, proven=True)
            return digest_shown(_FEATURES.decode(answer.body).digest) if answer.status == _SHOWN else ""
        except (TimeoutError, aiohttp.ClientError, OSError, TooLong, ValueError, RecursionError):
            return ""


async def _concurrently(coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    return list(await asyncio.gather(*coroutines))


class OtherPod(Exception):
    """The counters are not those of the pod that was asked: an address may be given to another one at any time."""


def parse(text: str, target: PodTarget, at: datetime) -> PodSample:
    """The counters of one pod from its Prometheus text; ValueError when they are not in it, OtherPod when they are
    somebody else's.

    Series that differ in other labels are added up, those of copies with those of users' requests. Only lines that
    matter are given to the parser: a runtime of the user's own may expose thousands.
    """
    lines = "\n".join(_relevant_lines(text))
    requests = dict.fromkeys(CodeClass, 0.0)
    buckets: dict[float, float] = {}
    duration = 0.0
    quiet = math.nan
    owners: list[Mapping[str, str]] = []
    counting: list[Mapping[str, str]] = []
    shadow = _ShadowSeries()
    for sample in _samples(lines + "\n"):
        if sample.name in _REQUESTS:
            requests[CodeClass(sample.labels.get("code", ""))] += _count(sample)
            counting.append(sample.labels)
        elif sample.name in _BUCKETS:
            bound = _bound(sample)
            buckets[bound] = buckets.get(bound, 0.0) + _count(sample)
        elif sample.name in _SUMS:
            duration += _count(sample)
        elif sample.name == f"{INFO_METRIC}_info":
            owners.append(sample.labels)
        elif sample.name == LAST_ANSWER_METRIC:
            quiet = sample.value
        else:
            shadow.add(sample)
    if not counting:
        raise ValueError(f"{REQUESTS_METRIC}_total is not in it")
    _check_counts([*requests.values(), *buckets.values(), duration], [buckets[bound] for bound in sorted(buckets)])
    # A server of an older release names slot and revision with each counter, and nothing else.
    _check_owner(target, owners or counting)
    latency = tuple(Bucket(bound=bound, count=buckets[bound]) for bound in sorted(buckets))
    return PodSample(
        uid=target.uid,
        at=at,
        requests=requests,
        latency=latency,
        duration_sum=duration,
        process=target.process,
        last_answer=_before(at, quiet),
        shadow=shadow.sample(),
    )


class _ShadowSeries:
    """The series about a comparison, of which a server has one at a time."""

    def __init__(self) -> None:
        self._shares: list[tuple[str, float]] = []
        self._answers = self._disagreement = 0.0
        self._predictions: dict[str, dict[str, float]] = {}

    def add(self, sample: Sample) -> None:
        if sample.name == SHARE_METRIC:
            self._shares.append((sample.labels.get("comparison", ""), _count(sample)))
        elif sample.name == f"{DISAGREEMENT_METRIC}_count":
            self._answers += _count(sample)
        elif sample.name == f"{DISAGREEMENT_METRIC}_sum":
            self._disagreement += _count(sample)
        elif sample.name == f"{PREDICTIONS_METRIC}_total":
            counts = self._predictions.setdefault(sample.labels.get("by", ""), {})
            place = sample.labels.get("bin", "")
            counts[place] = counts.get(place, 0.0) + _count(sample)

    def sample(self) -> ShadowSample | None:
        """None where nothing was ordered; ValueError where the counts cannot be."""
        if not self._shares:
            return None
        if len(self._shares) > 1:
            raise ValueError(f"{SHARE_METRIC} is of several comparisons")
        rows = [count for counts in self._predictions.values() for count in counts.values()]
        if self._disagreement > self._answers or max([self._answers, *rows]) > MAX_COUNT:
            raise ValueError(f"the counts of {DISAGREEMENT_METRIC} do not add up")
        ((comparison, share),) = self._shares
        return ShadowSample(
            comparison=comparison,
            share=share,
            answers=self._answers,
            disagreement=self._disagreement,
            predictions=self._predictions,
        )


def _before(at: datetime, seconds: float) -> datetime | None:
    """None where that is no time of this pod: the number may be anything."""
    return at - timedelta(seconds=seconds) if 0 <= seconds <= MAX_QUIET_SECONDS else None


def _check_owner(target: PodTarget, info_metrics: Sequence[Mapping[str, str]]) -> None:
    wrong = next(filter(None, map(target.identity.differs_in, info_metrics)), "")
    if wrong.startswith("no "):
        raise OtherPod(f"does not say whose it is: {INFO_METRIC}_info names {wrong}")
    if wrong:
        raise OtherPod(f"belongs to {wrong}, not to the pod {target.identity.pod} that had this address")


def _relevant_lines(text: str) -> list[str]:
    """ValueError where there are more, or longer ones, than a model server has."""
    lines = [line for line in text.splitlines() if _matters(line)]
    if len(lines) > MAX_LINES:
        raise ValueError(f"it has more than {MAX_LINES} lines about requests")
    for line in lines:
        if len(line) > MAX_LINE or line.count("=") > MAX_LABELS:
            raise ValueError(f"a line about requests has more than {MAX_LINE} characters or {MAX_LABELS} labels")
    return lines


def _matters(line: str) -> bool:
    return line.startswith(_OURS) or (line.startswith("# TYPE ") and line[7:].startswith(_OURS))


def _samples(text: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text):
        yield from family.samples


def _count(sample: Sample) -> float:
    """A counter's value. NaN and negative ones are no counts, and must not reach a verdict."""
    if not (math.isfinite(sample.value) and sample.value >= 0):
        raise ValueError(f"{sample.name} is not a count")
    return sample.value


def _bound(sample: Sample) -> float:
    bound = float(sample.labels.get("le", ""))
    if math.isnan(bound):
        raise ValueError(f"{sample.name} has a bucket without a bound")
    return bound


def _check_counts(counts: Sequence[float], by_bound: Sequence[float]) -> None:
    """Sums may overflow where no single number does, and the buckets of a histogram hold what lies below as well."""
    if len(by_bound) > MAX_BUCKETS:
        raise ValueError(f"{DURATION_METRIC} has more than {MAX_BUCKETS} buckets")
    if max(counts) > MAX_COUNT:
        raise ValueError("a count is too large to be one")
    if any(lower > higher for lower, higher in pairwise(by_bound)):
        raise ValueError(f"the buckets of {DURATION_METRIC} do not add up")
