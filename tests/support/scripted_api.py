"""An API server that answers what a test tells it to, in turn, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Silence:
    """The request is read and never answered."""


class HangUp:
    """The connection is closed without an answer."""


Scripted = Answer | Silence | HangUp


class ScriptedApi:
    """Answers in the order given; the last answer is repeated."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.answers: list[Scripted] = [Answer(200, {})]
        self._leaving = asyncio.Event()

    def answer(self, *answers: Scripted) -> None:
        self.answers = list(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        self.asked.append(Asked(request.method, request.path, request.query, request.headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Silence):
            await self._leaving.wait()
        if isinstance(answer, Answer):
            written = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            return web.Response(status=answer.status, text=written, headers=answer.headers)
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    def leave(self) -> None:
        self._leaving.set()


@asynccontextmanager
async def scripted_api() -> AsyncIterator[ScriptedApi]:
    api = ScriptedApi()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    api.url = f"http://{host}:{port}"
    try:
        yield api
    finally:
        api.leave()
        await runner.cleanup()
