"""Prometheus, or whatever else answers its HTTP API for queries: one value now, or a row of values.

PrometheusError
├── PrometheusUnavailable   nobody answered in time, or not as agreed     -> try again later
└── PrometheusRefused       it rejects the expression or the operator      -> report it, look again now and then

The format is that of https://prometheus.io/docs/prometheus/latest/querying/api/ (`/api/v1/query`, `query_range`).
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import msgspec
from yarl import URL

from viridian.api.address import Address
from viridian.api.texts import one_line
from viridian.ports.bounded_bodies import TooLong, bounded
from viridian.ports.token_file import TokenFile

TIMEOUT_SECONDS: Final = 10.0
MAX_BYTES: Final = 256 * 1024
MAX_SERIES: Final = 100
SHOWN_CHARACTERS: Final = 300
NAMESPACE_PLACE: Final = "{namespace}"
"""Stands in an address for the namespace on whose behalf a query is made, for proxies that keep tenants apart."""


class PrometheusError(Exception):
    """Something kept a query from being answered; the text is one sentence for people."""


class PrometheusUnavailable(PrometheusError):
    """The same query may be answered later."""


class PrometheusRefused(PrometheusError):
    """The same query will be refused until a person changes something."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value; times are seconds since 1970."""

    time: float
    value: float
    """May be NaN or infinite, as PromQL has it."""


Series = tuple[Point, ...]
"""The values of one series, the oldest first. Its labels are left out: nobody decides by them."""


class Prometheus(Protocol):
    """Every call ends within some seconds and is never repeated inside."""

    async def now(self, namespace: str, expression: str, at: float) -> tuple[Series, ...]:
        """The value of each series at that moment; empty where the expression has none then."""

    async def row(
        self,
        namespace: str,
        expression: str,
        start: float,
        end: float,
        step: float,
        *,
        stale_after: float | None = None,
    ) -> tuple[Series, ...]:
        """The values of each series every `step` seconds, from start to end; what is missing is left out.

        A sample stands for the seconds that follow it, `stale_after` at most: without it for as long as the server has
        it, usually five minutes. A server that does not know the parameter has its own answer.
        """


class _Answer(msgspec.Struct, frozen=True):
    status: str
    data: dict[str, Any] = {}
    error: str = ""


_DECODER: Final = msgspec.json.Decoder(_Answer)


class HttpPrometheus:
    """Over HTTP, with a session that its owner closes.

    `token_path` is read for every call, since somebody may renew it; the authority of the server's certificate is
    `ca.crt` beside it. Without the file the operator asks without a token.
    """

    def __init__(self, session: aiohttp.ClientSession, address: str, token_path: Path | None) -> None:
        self._session = session
        self._whole = Address(address)
        self._token_file = TokenFile(token_path)
        self._timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)

    async def now(self, namespace: str, expression: str, at: float) -> tuple[Series, ...]:
        return await self._query("query", namespace, {"query": expression, "time": f"{at:.3f}"})

    async def row(
        self,
        namespace: str,
        expression: str,
        start: float,
        end: float,
        step: float,
        *,
        stale_after: float | None = None,
    ) -> tuple[Series, ...]:
        span = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        if stale_after is not None:
            span["lookback_delta"] = f"{stale_after:g}s"
        return await self._query("query_range", namespace, {"query": expression, **span})

    async def _query(self, path: str, namespace: str, form: dict[str, str]) -> tuple[Series, ...]:
        status, body = await self._post(path, namespace, {**form, "timeout": f"{TIMEOUT_SECONDS:g}s"})
        try:
            answer = _DECODER.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._failure(status, "its answer is not that of Prometheus") from error
        if status >= 300 or answer.status != "success":
            raise self._failure(status, one_line(answer.error, SHOWN_CHARACTERS) or f"status {answer.status}")
        try:
            return _series(answer.data)
        except (TypeError, ValueError, LookupError) as error:
            raise PrometheusUnavailable(f"{self}: its answer is not that of Prometheus") from error

    async def _post(self, path: str, namespace: str, form: dict[str, str]) -> tuple[int, bytes]:
        url = URL(self._whole.whole.replace(NAMESPACE_PLACE, namespace))
        url = url.with_path(f"{url.path.rstrip('/')}/api/v1/{path}", keep_query=True)
        try:
            headers = await asyncio.to_thread(self._token_file.headers)
            async with self._session.post(
                # A request has one login: the token goes before that of the address.
                url.with_user(None) if headers else url,
                data=form,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                ssl=await asyncio.to_thread(self._token_file.trusting, url.scheme),
            ) as response:
                return response.status, await bounded(response, MAX_BYTES)
        except TooLong as error:
            raise PrometheusRefused(f"{self}: {error}; aggregate to one series, such as sum(…)") from error
        except TimeoutError as error:
            raise PrometheusUnavailable(f"{self} did not answer within {TIMEOUT_SECONDS:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            words = one_line(self._whole.concealed_in(str(error)), SHOWN_CHARACTERS) or type(error).__name__
            raise PrometheusUnavailable(f"{self} cannot be reached: {words}") from error

    def _failure(self, status: int, message: str) -> PrometheusError:
        if status in (401, 403):
            return PrometheusRefused(f"{self} does not allow the operator to ask ({status})")
        kind = PrometheusRefused if 400 <= status < 500 and status not in (408, 425, 429) else PrometheusUnavailable
        return kind(f"{self} answered {status}: {message}")

    def __str__(self) -> str:
        return f"Prometheus at {self._whole}"


def _series(data: dict[str, Any]) -> tuple[Series, ...]:
    """Raises TypeError, ValueError or LookupError for what is no result of a query."""
    result = data["result"]
    if data["resultType"] in ("scalar", "string"):
        return ((_point(result),),)
    if data["resultType"] not in ("vector", "matrix"):
        raise ValueError(data["resultType"])
    values = [entry["values"] if "values" in entry else [entry["value"]] for entry in result[: MAX_SERIES + 1]]
    return tuple(tuple(map(_point, one)) for one in values)


def _point(pair: Any) -> Point:
    time, value = pair
    number = Point(float(time), float(value))
    if not math.isfinite(number.time):
        raise ValueError(pair)
    return number
