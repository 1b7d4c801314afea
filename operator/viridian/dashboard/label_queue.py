"""The collector's queue of predictions that people label, asked with a token that the person has made for it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Collection
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec

from viridian.api.feedback import REVIEWS_PATH, AskedRow, Stored
from viridian.http_problem import HttpProblem
from viridian.ports.bounded_bodies import TooLong, bounded
from viridian.ports.http_sessions import session

_T = TypeVar("_T")
_TIMEOUT: Final = aiohttp.ClientTimeout(total=20.0)
_MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
_AWAY: Final = "the collector does not answer; try again in a moment"
_NO_ROWS: Final = "the model needs `feedback: {}` in its spec, and predictions"


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
        query = urlencode({"namespace": namespace, "deployment": model, "count": len(skipped) + 1})
        found = await self._asked(token, "GET", f"{REVIEWS_PATH}/next?{query}", b"", list[AskedRow])
        return next((row for row in found if row.prediction_id not in skipped), None)

    async def answer(self, token: str, namespace: str, prediction_id: str, outcome: str | float) -> None:
        line = msgspec.json.encode({"prediction_id": prediction_id, "outcome": outcome})
        path = f"{REVIEWS_PATH}?{urlencode({'namespace': namespace})}"
        stored = await self._asked(token, "POST", path, line, Stored)
        if stored.refused:
            raise HttpProblem(400, f"the collector did not take the answer: {stored.refused[0].get('problem', '')}")

    async def _asked(self, token: str, method: str, path: str, body: bytes, kind: type[_T]) -> _T:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
        try:
            async with self._connected().request(
                method,
                f"{self._url}{path}",
                data=body or None,
                headers=headers,
                allow_redirects=False,
                timeout=_TIMEOUT,
            ) as response:
                status, content = response.status, bytes(await bounded(response, _MAX_ANSWER_BYTES))
        except (aiohttp.ClientError, TimeoutError, TooLong):
            raise HttpProblem(503, _AWAY, retry_after=5) from None
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise HttpProblem(status if status in (403, 404) else 503, _sentence(status, content))
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.MsgspecError:
            raise HttpProblem(502, "what answers is no collector of this release") from None

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
            self._session = session(ssl=context)
        return self._session


def _sentence(status: int, content: bytes) -> str:
    """What the collector reports."""
    try:
        reported = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        reported = f"the collector answered {status}"
    return f"{reported} ({_NO_ROWS})" if status == HTTPStatus.NOT_FOUND else reported
