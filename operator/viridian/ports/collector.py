"""The collector, as the operator needs it: what is known of the windows, and what may be kept.

FeedbackError
├── FeedbackUnavailable   nobody answered in time, or the collector failed   -> try again later
└── FeedbackRefused       it rejects the request: access, or settings        -> report it, look again now and then
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar

import aiohttp
import msgspec
from yarl import URL

from viridian.api.address import Address
from viridian.api.feedback import (
    RULES_PATH,
    SNAPSHOTS_PATH,
    SPLITS_PATH,
    WINDOWS_PATH,
    FrozenRows,
    RetentionRules,
    TrafficSplit,
    Window,
)
from viridian.api.texts import one_line
from viridian.ports.bounded_bodies import TooLong, bounded
from viridian.ports.token_file import TokenFile

TIMEOUT_SECONDS: Final = 10.0
MAX_BYTES: Final = 12 * 1024 * 1024
SHOWN_CHARACTERS: Final = 300
_WINDOWS: Final = msgspec.json.Decoder(list[Window])
_SNAPSHOT: Final = msgspec.json.Decoder(FrozenRows)
_Answer = TypeVar("_Answer")


class FeedbackError(Exception):
    """Something about the collector kept a call from being answered; the text is one sentence for people."""


class FeedbackUnavailable(FeedbackError):
    """The same call may work later."""


class FeedbackRefused(FeedbackError):
    """The same call will be refused until a person changes something."""


class _NothingThere(FeedbackRefused):
    """A 404 in the collector's own words, which says that it knows of no such thing."""


class Collector(Protocol):
    """Every call ends within some seconds and is never repeated inside."""

    async def windows(
        self,
        namespace: str,
        deployment: str,
        *,
        start: float,
        end: float,
        seconds: float,
        revision: str | None,
        profiles: bool = True,
        label: str = "",
    ) -> list[Window]:
        """What is known of the windows in that time, the oldest first; of all revisions where none is named.

        Without `profiles` it is how predictions and outcomes went together, alone: some hundred times less to read.
        With `label`, outcomes under another definition of the label count as not known.
        """

    async def keep(self, namespace: str, deployment: str, keeping: RetentionRules) -> None:
        """From now on that is what may be kept. May be repeated."""

    async def log_splits(self, namespace: str, deployment: str, splits: Sequence[TrafficSplit]) -> None:
        """How the traffic was split from when on: those that it does not know are added. May be repeated."""

    async def close(self, namespace: str, deployment: str) -> None:
        """The deployment is gone: nothing more of it is taken. May be repeated."""

    async def freeze(self, namespace: str, deployment: str, run_id: str) -> FrozenRows | None:
        """The rows that are known now, for this run. Asked again, it is the same snapshot.

        None where nothing has been received of that deployment yet, as before its first version serves.
        """


class HttpCollector:
    """A collector over HTTP, with a session that its owner closes.

    `token_path` is read for every call: Kubernetes renews it. Without the file the operator asks without a token.
    """

    def __init__(self, session: aiohttp.ClientSession, address: str, token_path: Path | None) -> None:
        self._session = session
        self._whole = Address(address)
        url = URL(address)
        self._address = url.with_user(None).with_query(None).with_fragment(None)
        self._token_file = TokenFile(token_path)
        self._timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)

    async def windows(
        self,
        namespace: str,
        deployment: str,
        *,
        start: float,
        end: float,
        seconds: float,
        revision: str | None,
        profiles: bool = True,
        label: str = "",
    ) -> list[Window]:
        query = {"start": f"{start:.0f}", "end": f"{end:.0f}", "seconds": f"{seconds:.0f}"}
        if revision is not None:
            query["revision"] = revision
        if not profiles:
            query["profile"] = "false"
        if label:
            query["label"] = label
        try:
            body = await self._request("GET", f"{WINDOWS_PATH}/{namespace}/{deployment}", query=query)
        except _NothingThere as error:
            # It has lost its database: the operator announces the deployment again within minutes.
            raise FeedbackUnavailable(str(error)) from error
        return await self._decoded(_WINDOWS, body)

    async def keep(self, namespace: str, deployment: str, keeping: RetentionRules) -> None:
        await self._request("PUT", f"{RULES_PATH}/{namespace}/{deployment}", body=msgspec.json.encode(keeping))

    async def log_splits(self, namespace: str, deployment: str, splits: Sequence[TrafficSplit]) -> None:
        await self._request("PUT", f"{SPLITS_PATH}/{namespace}/{deployment}", body=msgspec.json.encode(splits))

    async def close(self, namespace: str, deployment: str) -> None:
        await self._request("DELETE", f"{RULES_PATH}/{namespace}/{deployment}")

    async def freeze(self, namespace: str, deployment: str, run_id: str) -> FrozenRows | None:
        try:
            body = await self._request("PUT", f"{SNAPSHOTS_PATH}/{namespace}/{deployment}/{run_id}")
        except _NothingThere:
            return None
        return await self._decoded(_SNAPSHOT, body)

    async def _decoded(self, decoder: msgspec.json.Decoder[_Answer], body: bytes) -> _Answer:
        """In a thread: what a collector knows of many windows takes a while, and the loop has others to look after."""
        try:
            return await asyncio.to_thread(decoder.decode, body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            why = one_line(str(error), SHOWN_CHARACTERS)
            raise FeedbackRefused(f"what answers at {self._address} is no collector of this release: {why}") from error

    async def _request(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: bytes | None = None
    ) -> bytes:
        url = self._address.joinpath(*path.strip("/").split("/"))
        try:
            async with self._session.request(
                method,
                url,
                params=query,
                data=body,
                headers=await asyncio.to_thread(self._headers),
                timeout=self._timeout,
                allow_redirects=False,
                ssl=await asyncio.to_thread(self._token_file.trusting, self._address.scheme),
            ) as response:
                answer = await bounded(response, MAX_BYTES)
        except TooLong as error:
            raise FeedbackRefused(f"{self}: {error}; watch fewer windows, or fewer features") from error
        except TimeoutError as error:
            raise FeedbackUnavailable(f"{self} did not answer within {TIMEOUT_SECONDS:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise FeedbackUnavailable(f"{self} cannot be reached: {self._words(error)}") from error
        if response.status < 300:
            return answer
        raise self._refusal(response.status, answer[: 4 * SHOWN_CHARACTERS].decode(errors="replace"))

    def _refusal(self, status: int, answer: str) -> FeedbackError:
        message = one_line(answer, SHOWN_CHARACTERS)
        if status in (408, 409, 425, 429) or status >= 500:
            return FeedbackUnavailable(f"{self} answered {status}: {message}")
        if status == 401:
            return FeedbackRefused(f"{self} does not know the operator's token: {message}")
        if status == 403:
            return FeedbackRefused(f"{self} does not allow the operator to read: {message}")
        # Whatever else answers 404 at a wrong address is no collector, and does not say what one says.
        kind = _NothingThere if status == 404 and _is_problem(answer) else FeedbackRefused
        return kind(f"{self} answered {status}: {message}")

    def _headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", **self._token_file.headers()}

    def _words(self, error: Exception) -> str:
        """What a library says, without what stands in the address."""
        return one_line(self._whole.concealed_in(str(error)), SHOWN_CHARACTERS) or type(error).__name__

    def __str__(self) -> str:
        return f"the collector at {self._address}"


def _is_problem(message: str) -> bool:
    """Whether that is how the collector refuses: a document with one sentence."""
    try:
        return set(msgspec.json.decode(message, type=dict[str, str])) == {"error"}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
