"""What takes the operator's CloudEvents: an address of the administrator's.

SinkError
├── SinkUnavailable   nobody answered in time, or the sink failed   -> leave it alone for a while
└── SinkRefused       it rejects this event, or the operator        -> report it, look again now and then
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
from yarl import URL

from viridian.api.address import Address
from viridian.api.texts import one_line
from viridian.ports.token_file import TokenFile

TIMEOUT_SECONDS: Final = 10.0
SHOWN_CHARACTERS: Final = 300
MEDIA: Final = "application/cloudevents+json; charset=utf-8"
_AGAIN_LATER: Final = (408, 425, 429)


class SinkError(Exception):
    """The event was not taken; the text is one sentence for people."""


class SinkUnavailable(SinkError):
    """The sink may take it later."""


class SinkRefused(SinkError):
    """The sink will refuse it until a person changes something."""


class EventSink(Protocol):
    """A call ends within some seconds and is never repeated inside."""

    async def send(self, event: Mapping[str, Any]) -> None:
        """The sink has the event afterwards. Raises SinkError; then it may have it or not."""


class HttpEventSink:
    """CloudEvents over HTTP in structured mode, with a session that its owner closes.

    `token_path` is read for every call, since somebody may renew it; the authority of the server's certificate is
    `ca.crt` beside it. Without the file the operator sends without a token.
    """

    def __init__(self, session: aiohttp.ClientSession, address: str, token_path: Path | None) -> None:
        self._session = session
        self._whole = Address(address)
        self._token_file = TokenFile(token_path)
        self._timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)

    async def send(self, event: Mapping[str, Any]) -> None:
        url = URL(self._whole.whole)
        try:
            token = await asyncio.to_thread(self._token_file.headers)
            async with self._session.post(
                # A request has one login: the token goes before that of the address.
                url.with_user(None) if token else url,
                data=json.dumps(event, ensure_ascii=False).encode(),
                headers={"Content-Type": MEDIA, **token},
                timeout=self._timeout,
                allow_redirects=False,
                ssl=await asyncio.to_thread(self._token_file.trusting, url.scheme),
            ) as response:
                status = response.status
        except TimeoutError as error:
            raise SinkUnavailable(f"{self} did not answer within {TIMEOUT_SECONDS:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            words = one_line(self._whole.concealed_in(str(error)), SHOWN_CHARACTERS) or type(error).__name__
            raise SinkUnavailable(f"{self} cannot be reached: {words}") from error
        if not 200 <= status < 300:
            refused = status < 500 and status not in _AGAIN_LATER
            raise (SinkRefused if refused else SinkUnavailable)(f"{self} answered {status}")

    def __str__(self) -> str:
        return f"the event sink at {self._whole}"
