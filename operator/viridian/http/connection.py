"""One connection of a client: uvicorn's protocol, made fit for clients of any kind.

What uvicorn's own leaves open and this one settles:

* An `Upgrade` is ignored (RFC 9110, 7.8): the request is answered as if it had not been asked for.
* An answer that is given before the body is there reaches the client: `viridian.http.closing`.
* Heads and bodies that are too slow or too large, and clients that send or read nothing, end within bounds.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Collection
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from viridian.http import error_responses
from viridian.http.bodies import SLOW, announced_length
from viridian.http.bounds import (
    FRAMING,
    HEAD_BYTES,
    HEADERS,
    KEPT_BYTES,
    LEAVING_SECONDS,
    PIPELINED,
    SPARE_BYTES,
    SURPLUS,
    UNREAD_SECONDS,
)
from viridian.http.closing import StagedTransport
from viridian.http.config import HttpConfig
from viridian.http.error_responses import Refused

_UPGRADE: Final = b"upgrade"


class HttpConnection(HttpToolsProtocol):
    """Reads requests one after another, and knows of each whether it has arrived completely."""

    transport: StagedTransport  # type: ignore[assignment]  # what uvicorn calls of a transport, it has

    def __init__(
        self,
        config: HttpConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = config.bounds
        self._surplus: int | None = None
        self._begun: float | None = None
        """When the first byte came of a request that is not complete."""
        self._in_head = False
        self._received = 0
        """Bytes of that request, or a little more."""
        self._body = 0
        """Those of them that are its body."""
        self._parts: list[bytes] = []
        """Of the body, as they came with what was received last: joined once, however many chunks they are."""
        self._framing = 0
        """Bytes since the last one of a body, or a little less: the framing of a chunk, or trailers."""
        self._looked_at = False
        self._keeps = True
        """What the head says about the connection after this request."""
        self._leaving = False
        self._refused: Refused | None = None
        """The last answer, once those before it are given. What comes is not looked at any more."""
        self._nothing_since: float | None = None
        self._unread_since: float | None = None

    # ---- the connection ----

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, StagedTransport(transport, self.loop)))
        self._surplus = self._surplus_to()
        if self._surplus is not None and self._others_in_surplus() >= SURPLUS:
            self.transport.abort()

    def _surplus_to(self) -> int | None:
        """The limit that this connection is above."""
        most, each = self._bounds.affordable_connections, self._bounds.connections_each
        welcome = [one for one in self._all() if one._surplus is None]
        if len(welcome) > most:
            return most
        if each is not None and self.client is not None:
            same = sum(one.client is not None and one.client[0] == self.client[0] for one in welcome)
            return each if same > each else None
        return None

    def _others_in_surplus(self) -> int:
        return sum(one._surplus is not None for one in self._all()) - 1

    def _all(self) -> Collection[HttpConnection]:
        return cast(Collection[HttpConnection], self.connections)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport.gone()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client may have nothing more to send and still wait for its answer."""
        self.transport.client_ended()
        if self.transport.is_closing() or self._begun is not None or not self._answering:
            return False
        if self._refused is None:
            self.cycle.keep_alive = False
        return self.transport.half_closes

    @property
    def idle(self) -> bool:
        """No request is being read or answered, and none waits unread in the socket."""
        busy = self._begun is not None or self._answering or self.transport.is_closing()
        return not busy and not _readable(self.transport)

    def end(self) -> None:
        """Now: for a connection that is idle."""
        self.transport.end()

    def shutdown(self) -> None:
        """End now when idle; otherwise after the answer, which then says so."""
        self._leaving = True
        if self.idle:
            self.end()
            return
        self.transport.hurry()
        if self.cycle is not None:
            self.cycle.keep_alive = False
        if self._begun is not None:
            self.loop.call_later(LEAVING_SECONDS, self._wait_no_longer)

    @property
    def _answering(self) -> bool:
        """A request that has arrived, or a part of it, waits for its answer."""
        return self._refused is not None or (self.cycle is not None and not self.cycle.response_complete)

    # ---- bytes ----

    def data_received(self, data: bytes) -> None:
        if self._refused is not None or self.transport.closing:
            self.transport.drop(data)
            return
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        self._received += len(data)
        self._framing += len(data)
        rest: bytes | memoryview = data
        try:
            while True:
                try:
                    self.parser.feed_data(rest)
                    break
                except httptools.HttpParserUpgrade as upgrade:
                    rest = memoryview(data)[len(data) - len(rest) + upgrade.args[0] :]
                    self._read_head_again()
        except httptools.HttpParserError as error:
            self._refuse(_refusal(error))
        else:
            if self._begun is not None:
                self._take_parts()
                self._look_at_part()

    def _read_head_again(self) -> None:
        """Without `Upgrade`, by a parser that has not met it: then the body is read as the head says."""
        head = [self.parser.get_method(), b" ", self.url, f" HTTP/{self.parser.get_http_version()}\r\n".encode()]
        for name, value in self.headers:
            if name != _UPGRADE:
                head += (name, b": ", value, b"\r\n")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"".join((*head, b"\r\n")))

    def _look_at_part(self) -> None:
        """Of a request that has not arrived completely."""
        if self._in_head:
            if self._received > HEAD_BYTES:
                self._refuse(error_responses.head_too_large(HEAD_BYTES))
        elif self._framing > HEAD_BYTES:
            self._refuse(error_responses.trailers_too_large(HEAD_BYTES))
        elif self._received > self._body * FRAMING + SPARE_BYTES:
            self._refuse(error_responses.body_too_large())
        elif not self._looked_at:
            self._looked_at = True
            # A client that waits for `100 Continue` may send its body or not: its end is unknown then.
            if not self.expect_100_continue and 0 < announced_length(self.headers) <= KEPT_BYTES:
                self.cycle.keep_alive = self._keeps and not self._leaving

    # ---- requests ----

    def on_message_begin(self) -> None:
        self._begun = self.loop.time()
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers are not part of the head: an application that reads it late must not find them there.
        if not self._in_head:
            return
        if len(self.headers) >= HEADERS:
            raise error_responses.too_many_headers(HEADERS)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise error_responses.no_tunnel()
            return
        if self._received > HEAD_BYTES and self._head_bytes() > HEAD_BYTES:
            raise error_responses.head_too_large(HEAD_BYTES)
        if self._surplus is not None:
            raise error_responses.too_many_connections(self._surplus)
        if len(self.pipeline) >= PIPELINED:
            raise error_responses.too_many_requests(PIPELINED)
        if self.expect_100_continue and self.parser.get_http_version() != "1.1":
            self.expect_100_continue = False
        super().on_headers_complete()
        self._in_head = self._looked_at = False
        self._body = self._framing = 0
        # Until the rest is there, an answer is the last one on this connection.
        self._keeps = self.cycle.keep_alive
        self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        self._framing = 0
        self._parts.append(body)

    def _take_parts(self) -> None:
        """What has come of the body goes to who reads it."""
        if self._parts:
            super().on_body(b"".join(self._parts))
            self._parts.clear()

    def on_message_complete(self) -> None:
        if self._in_head:
            # It asks for an upgrade, and is read again.
            return
        self._take_parts()
        self._begun = None
        self._received = 0
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keeps and not self._leaving
        super().on_message_complete()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_response_complete(self) -> None:
        if self._refused is not None and not self.pipeline and not self.transport.is_closing():
            self._answer_refused()
        super().on_response_complete()

    # ---- refusals ----

    def _refuse(self, refused: Refused) -> None:
        """Answer this, after the answers to what came before. Nothing more is read as a request."""
        broken = None if self._begun is None or self._in_head else self.cycle
        self._refused, self._begun = refused, None
        if broken is None:
            if self.cycle is None or self.cycle.response_complete:
                self._answer_refused()
        elif self.pipeline:
            # The request with the broken body is the latest one; others are answered before it.
            self.pipeline.popleft()
        elif broken.response_started:
            self.transport.close()
        else:
            broken.disconnected = True
            broken.message_event.set()
            self._answer_refused()

    def _answer_refused(self) -> None:
        if self._refused is not None:
            self.transport.write(self._refused.render(self.server_state.default_headers))
            self.transport.close()

    # ---- time ----

    def sweep(self, now: float) -> None:
        """End what has taken too long. Called now and then."""
        if self.transport.is_closing():
            return
        if self.flow.write_paused:
            self._unread_since = self._unread_since or now
            if now - self._unread_since > UNREAD_SECONDS:
                self.transport.abort()
            return
        self._unread_since = None
        if self._begun is not None:
            if self.flow.read_paused:
                # It is we who do not read.
                self._begun = now
            elif now - self._begun > self._bounds.seconds:
                self._too_slow()
        elif self._answering or self.timeout_keep_alive_task is not None:
            self._nothing_since = None
        else:
            self._nothing_since = self._nothing_since or now
            if now - self._nothing_since > self._bounds.seconds:
                self.end()

    def _wait_no_longer(self) -> None:
        if self._begun is not None and not self.transport.is_closing():
            self._too_slow()

    def _too_slow(self) -> None:
        if self._in_head:
            self._refuse(error_responses.too_slow(self._bounds.seconds))
            return
        cycle = self.cycle
        self._keeps = cycle.keep_alive = False
        if cycle.response_started:
            self.transport.close()
            return
        self._begun = None
        cycle.scope[SLOW] = True  # type: ignore[typeddict-unknown-key]
        cycle.more_body = False
        cycle.message_event.set()


def _refusal(error: httptools.HttpParserError) -> Refused:
    if isinstance(error.__context__, Refused):
        return error.__context__
    return error_responses.body_too_large() if "overflow" in str(error) else error_responses.malformed()


def _readable(transport: StagedTransport) -> bool:
    """Bytes have arrived that were not read yet: closing now would throw a request away."""
    sock = transport.get_extra_info("socket")
    if sock is None or transport.is_closing():
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))
