"""The pods of a model's slots, as the loop needs them: read their counters, and let go of their connections."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from viridian.api.samples import (
    DURATION_METRIC,
    INFO_METRIC,
    REQUESTS_METRIC,
    Bucket,
    CodeClass,
    Idle,
    PodSample,
    PodTarget,
    ScrapeFailure,
    ScrapeProblem,
)

TIMEOUT: Final = 1.0
"""Seconds for one pod, from connecting to the last byte. A pod that needs longer is blind, not healthy."""
MAX_BYTES: Final = 4 * 1024 * 1024
_OURS: Final = (REQUESTS_METRIC, DURATION_METRIC, INFO_METRIC)


class Pods(Protocol):
    """Neither call raises, whatever the pods do; all pods are asked at the same time, each for about a second."""

    async def scrape(self, targets: Sequence[PodTarget]) -> Mapping[str, PodSample | ScrapeFailure]:
        """Pod uid to what it told, or why it told nothing. Every target is in it."""

    async def close_connections(self, targets: Sequence[PodTarget], *, seconds: float, idle: Idle) -> None:
        """For that many seconds the pods end each connection after its next answer. Best effort; may be repeated."""


class HttpPods:
    """The pods' management ports, over one shared session that its owner closes."""

    def __init__(
        self, session: aiohttp.ClientSession, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._session = session
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=TIMEOUT)

    async def scrape(self, targets: Sequence[PodTarget]) -> Mapping[str, PodSample | ScrapeFailure]:
        """Pod uid to what it told, or why it told nothing. Every target is in it."""
        answers = await asyncio.gather(*(self._scrape(target) for target in targets))
        return {answer.uid: answer for answer in answers}

    async def close_connections(self, targets: Sequence[PodTarget], *, seconds: float, idle: Idle) -> None:
        """For that many seconds the pods end each connection after its next answer. Best effort; may be repeated."""
        await asyncio.gather(*(self._close(target, seconds, idle) for target in targets))

    async def _scrape(self, target: PodTarget) -> PodSample | ScrapeFailure:
        try:
            async with self._session.get(
                _url(target, "/metrics"), timeout=self._timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    return self._failure(target, ScrapeProblem.STATUS, f"/metrics answered {response.status}")
                body = await _read(response)
            return parse(body, target, self._clock())
        except OtherPod as error:
            return self._failure(target, ScrapeProblem.OTHER_POD, f"/metrics of {target.ip} {error}")
        except TimeoutError:
            return self._failure(target, ScrapeProblem.TIMEOUT, f"/metrics did not answer within {TIMEOUT:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return self._failure(target, ScrapeProblem.UNREACHABLE, f"/metrics cannot be read: {type(error).__name__}")
        except ValueError as error:
            return self._failure(target, ScrapeProblem.MALFORMED, f"/metrics cannot be understood: {error}")

    def _failure(self, target: PodTarget, problem: ScrapeProblem, message: str) -> ScrapeFailure:
        return ScrapeFailure(uid=target.uid, at=self._clock(), problem=problem, message=message)

    async def _close(self, target: PodTarget, seconds: float, idle: Idle) -> None:
        order = {"forSeconds": seconds, "idle": idle.value}
        try:
            async with self._session.post(
                _url(target, "/connections/close"), json=order, timeout=self._timeout
            ) as response:
                await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            # A pod that cannot be told is going away, or is a runtime of the user's own. Traffic has moved already.
            return


class OtherPod(Exception):
    """The counters are not those of the pod that was asked: an address may be given to another one at any time."""


def parse(text: str, target: PodTarget, at: datetime) -> PodSample:
    """The counters of one pod from its Prometheus text; ValueError when they are not in it, OtherPod when they are
    somebody else's.

    Series that differ in other labels are added up. Only lines that matter are given to the parser: a runtime of the
    user's own may expose thousands.
    """
    lines = "\n".join(line for line in text.splitlines() if _matters(line))
    requests = dict.fromkeys(CodeClass, 0.0)
    buckets: dict[float, float] = {}
    duration = 0.0
    owners: list[Mapping[str, str]] = []
    counting: list[Mapping[str, str]] = []
    for sample in _samples(lines + "\n"):
        if sample.name == f"{REQUESTS_METRIC}_total":
            requests[CodeClass(sample.labels.get("code", ""))] += _count(sample)
            counting.append(sample.labels)
        elif sample.name == f"{DURATION_METRIC}_bucket":
            bound = float(sample.labels.get("le", ""))
            buckets[bound] = buckets.get(bound, 0.0) + _count(sample)
        elif sample.name == f"{DURATION_METRIC}_sum":
            duration += _count(sample)
        elif sample.name == f"{INFO_METRIC}_info":
            owners.append(sample.labels)
    if not counting:
        raise ValueError(f"{REQUESTS_METRIC}_total is not in it")
    # A server of an older release names slot and revision with each counter, and nothing else.
    _check_owner(target, owners or counting)
    latency = tuple(Bucket(bound=bound, count=buckets[bound]) for bound in sorted(buckets))
    return PodSample(
        uid=target.uid, at=at, requests=requests, latency=latency, duration_sum=duration, process=target.process
    )


def _check_owner(target: PodTarget, told: Sequence[Mapping[str, str]]) -> None:
    wrong = next(filter(None, map(target.identity.differs_in, told)), "")
    if wrong.startswith("no "):
        raise OtherPod(f"does not say whose it is: {INFO_METRIC}_info names {wrong}")
    if wrong:
        raise OtherPod(f"belongs to {wrong}, not to the pod {target.identity.pod} that had this address")


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


async def _read(response: aiohttp.ClientResponse) -> str:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > MAX_BYTES:
            raise ValueError(f"it is longer than {MAX_BYTES} bytes")
    return body.decode()


def _url(target: PodTarget, path: str) -> str:
    host = f"[{target.ip}]" if ":" in target.ip else target.ip
    return f"http://{host}:{target.port}{path}"
