"""The collector's queue of predictions that people label, asked with a token that the person has made for it."""

from __future__ import annotations

import ssl
from collections.abc import Collection
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol, TypeVar

import aiohttp
import msgspec

from viridian.api.feedback import AskedRow, Stored
from viridian.http_problem import HttpProblem
from viridian.people.review_requests import (
    MAX_ANSWER_BYTES,
    MEDIA_TYPE,
    NO_COLLECTOR,
    NO_ROWS,
    ReviewRequest,
    first_unskipped,
    outcome_to_store,
    refusal,
    reported,
    rows_to_label,
)
from viridian.ports.bounded_bodies import TooLong, bounded
from viridian.ports.http_sessions import session

_T = TypeVar("_T")
_TIMEOUT: Final = aiohttp.ClientTimeout(total=20.0)
_AWAY: Final = "the collector does not answer; try again in a moment"


class LabelQueue(Protocol):
    """What waits for people; what the collector refuses is raised as a HttpProblem."""

    async def next(self, token: str, namespace: str, model: str, skipped: Collection[str]) -> AskedRow | None:
        """The first row that the person has not passed over, which nobody else is shown meanwhile; None for none."""

    async def answer(self, token: str, namespace: str, prediction_id: str, outcome: str | float) -> None:
        """What is right, as the person says."""


class CollectorLabelQueue:
    """Satisfies LabelQueue over HTTP, without any credential of its own."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def next(self, token: str, namespace: str, model: str, skipped: Collection[str]) -> AskedRow | None:
        found = await self._asked(token, rows_to_label(namespace, model, skipped), list[AskedRow])
        return first_unskipped(found, skipped)

    async def answer(self, token: str, namespace: str, prediction_id: str, outcome: str | float) -> None:
        stored = await self._asked(token, outcome_to_store(namespace, prediction_id, outcome), Stored)
        if problem := refusal(stored):
            raise HttpProblem(400, problem)

    async def _asked(self, token: str, request: ReviewRequest, kind: type[_T]) -> _T:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": MEDIA_TYPE}
        try:
            async with self._connected().request(
                request.method,
                f"{self._url}{request.path}",
                data=request.body or None,
                headers=headers,
                allow_redirects=False,
                timeout=_TIMEOUT,
            ) as response:
                status, content = response.status, bytes(await bounded(response, MAX_ANSWER_BYTES))
        except (aiohttp.ClientError, TimeoutError, TooLong):
            raise HttpProblem(503, _AWAY, retry_after=5) from None
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise HttpProblem(status if status in (403, 404) else 503, _sentence(status, content))
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.MsgspecError:
            raise HttpProblem(502, NO_COLLECTOR) from None

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
            self._session = session(ssl=context)
        return self._session


def _sentence(status: int, content: bytes) -> str:
    """What the collector reports, with what to do about it."""
    sentence = reported(status, content)
    return f"{sentence} ({NO_ROWS})" if status == HTTPStatus.NOT_FOUND else sentence
