"""From a request to its answer: who sends it, what it holds, and where that is stored."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable
from typing import Final, Protocol

import aiohttp
from aiohttp import web

from viridian.access.token_buckets import TokenBuckets
from viridian.http_problem import HttpProblem
from viridian.receiver.event_formats import events_in
from viridian.receiver.event_signatures import NOT_SIGNED, signature_headers
from viridian.receiver.event_store import EventStore
from viridian.receiver.senders import EventTarget, Sender, Senders

log = logging.getLogger("viridian.receiver")

EVENTS_PATH: Final = "/v1/events"
MAX_BODY_BYTES: Final = 256 * 1024
BODY_SECONDS: Final = 10.0
_ADDRESS_EACH_SECOND: Final = 500.0
"""Requests of one address, before it is known who they are from."""
_TARGET: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SECURE_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ReceiverMetrics(Protocol):
    """What is counted."""

    def received(self, result: str, number: int) -> None:
        """So many events were stored, known or ignored, or one request was refused with that status."""


class ReceiverApp:
    """The routes of the receiver."""

    def __init__(
        self,
        senders: Senders,
        store: EventStore,
        metrics: ReceiverMetrics,
        each_second: float,
        clock: Callable[[], float],
    ) -> None:
        """`each_second`: requests of one sender."""
        self._senders = senders
        self._store = store
        self._metrics = metrics
        self._of_addresses = TokenBuckets(_ADDRESS_EACH_SECOND, clock)
        self._of_senders = TokenBuckets(each_second, clock)

    def application(self) -> web.Application:
        """What aiohttp serves."""
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_post(EVENTS_PATH + "/{namespace}/{policy}", self.answer)
        return application

    async def answer(self, request: web.Request) -> web.Response:
        """202 once every event is stored that a trigger asks for, 200 where none does, else why nothing counts."""
        try:
            response = await self._take(request)
        except HttpProblem as problem:
            response = _problem_response(problem)
        except Exception as error:
            # Its text may quote the request.
            log.error("a request failed: %s", type(error).__name__)
            response = _problem_response(HttpProblem(500, "something went wrong here; send it again"))
        if response.status >= 400:
            self._metrics.received(str(response.status), 1)
        response.headers.update(_SECURE_HEADERS)
        response.force_close()
        return response

    async def _take(self, request: web.Request) -> web.Response:
        address = request.remote or ""
        _admit(self._of_addresses, address)
        target, headers = _target(request), _headers(request)
        signed = signature_headers(headers)
        if signed is not None:
            body = await _body(request)
            sender = self._senders.by_signature(signed, body, target)
        elif authorization := headers.get("authorization", ""):
            sender = await self._senders.by_token(authorization, target, address)
            body = b""
        else:
            raise HttpProblem(401, f"{NOT_SIGNED}; or show a token: Authorization: Bearer")
        _admit(self._of_senders, f"{target.namespace} {sender.name}")
        if signed is None:
            body = await _body(request)
        return await self._stored(target, sender, headers, body)

    async def _stored(self, target: EventTarget, sender: Sender, headers: dict[str, str], body: bytes) -> web.Response:
        events = events_in(headers, body, sender.signed_id)
        done = await self._store.store(target, events, sender)
        for result in ("stored", "known", "ignored"):
            self._metrics.received(result, getattr(done, result))
        document: dict[str, int | str] = {"stored": done.stored, "known": done.known, "ignored": done.ignored}
        if done.ignored == len(events):
            document["message"] = "no trigger of this policy asks for such events: compare type, source and subject"
        return web.json_response(document, status=202 if done.stored or done.known else 200)


def _admit(buckets: TokenBuckets, name: str) -> None:
    if (wait := buckets.wait(name)) > 0:
        raise HttpProblem(429, "too many requests in a second; send it again later", math.ceil(wait))
    buckets.take(name, 1)


def _target(request: web.Request) -> EventTarget:
    names = request.match_info["namespace"], request.match_info["policy"]
    if not all(_TARGET.fullmatch(name) for name in names):
        raise HttpProblem(404, f"the path is {EVENTS_PATH}/<namespace>/<name of a RetrainPolicy>")
    return EventTarget(*names)


def _headers(request: web.Request) -> dict[str, str]:
    """The headers by their names in lower case; one that is there twice could mean two things."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    read = [name for name in headers if name.startswith(_READ)]
    if twice := [name for name in read if len(request.headers.getall(name)) > 1]:
        raise HttpProblem(400, f"the header {twice[0]} is there twice")
    if headers.get("content-encoding", "identity") != "identity":
        raise HttpProblem(415, "send the body without Content-Encoding")
    return headers


_READ: Final = ("ce-", "webhook-", "x-mlflow-", "content-type", "authorization")


async def _body(request: web.Request) -> bytes:
    """413 as soon as it is known to be too long."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise HttpProblem(413, f"a body has {MAX_BODY_BYTES} bytes at most")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise HttpProblem(408, f"the body did not arrive within {BODY_SECONDS:g} s") from None
    except (aiohttp.ClientError, ConnectionError):
        raise HttpProblem(400, "the request ended before its body") from None
    except web.HTTPRequestEntityTooLarge:
        raise HttpProblem(413, f"a body has {MAX_BODY_BYTES} bytes at most") from None


def _problem_response(problem: HttpProblem) -> web.Response:
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.json_response({"error": problem.sentence}, status=problem.status, headers=headers)
