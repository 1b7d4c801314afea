"""The inference port: predictions and facts, as one small ASGI application."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from viridian.http.bodies import BodyRoom, BodyTooLarge, BodyTooSlow, Disconnected, NoRoom, Receive, Scope, read_body
from viridian.serving.asgi_responses import (
    BINARY,
    CLOSE,
    Headers,
    Reply,
    Send,
    error_body,
    send_answer,
)
from viridian.serving.data.prediction_bins import bins
from viridian.serving.endpoints.keep_alive import Connections
from viridian.serving.endpoints.metadata import MetadataRoutes
from viridian.serving.errors import BadInput, Busy, ModelFailed, NoAnswer, Rejection
from viridian.serving.execution.executor import PredictionExecutor, WorkLimits
from viridian.serving.execution.model import LoadedModel, ModelOutput
from viridian.serving.forwarding import Forwarding
from viridian.serving.logs import ModelErrors, note
from viridian.serving.observation.observers import Observers
from viridian.serving.prediction_ids import prediction_id
from viridian.serving.protocols.prediction_request import JSON_LENGTH, REQUEST_ID, Dialect, Head, Request
from viridian.serving.server_metrics import ServerMetrics
from viridian.serving.server_settings import ServerSettings
from viridian.serving.shadow.mirror import Shadow

_BODIES_WAITING: Final = 8
"""What arrives may take as much memory as so many of the largest bodies, and what waits for a thread as much again."""


class Exchange(msgspec.Struct):
    """One prediction request on its way through the server."""

    prediction: str
    dialect: Dialect
    path: str
    head: Head
    body: bytes = b""
    began: float = 0.0
    """When its last byte was there, by the performance counter."""
    answer: ModelOutput | None = None
    forwarded: bool = False
    """The answer is the other slot's."""


class Inference:
    """Answers on the inference port. Before `model` is set, and again while draining, it is not ready."""

    def __init__(self, settings: ServerSettings, connections: Connections, threads: int) -> None:
        self.model: LoadedModel | None = None
        self.observers: Observers | None = None
        self.draining = False
        self.in_flight = 0
        self._settings = settings
        self._connections = connections
        limits = WorkLimits(
            requests=settings.max_waiting,
            bytes=_BODIES_WAITING * settings.max_body_bytes,
            seconds=settings.predict_seconds,
        )
        self._arriving = BodyRoom(limits.bytes)
        self.work = PredictionExecutor[Request, ModelOutput](self._call, threads, limits)
        self.metrics = ServerMetrics(settings, in_flight=lambda: self.in_flight, work=self.work)
        self.shadow = Shadow(lambda: bins(settings.model_dir))
        self.forwarding = Forwarding(settings.shadow_target, settings.slot, settings.predict_seconds)
        self.metrics.include(self.shadow.families)
        self._model_errors = ModelErrors()
        self._identity: Headers = [
            (b"x-viridian-revision", settings.revision.encode("latin-1", "replace")),
            (b"x-viridian-slot", settings.slot.encode("latin-1", "replace")),
        ]
        self._facts = MetadataRoutes(settings.name, settings.version, lambda: self.model, lambda: self.ready)
        path = f"/v2/models/{settings.name}"
        self._infer_path = quote(f"{path}/infer").encode()
        paths = [path, f"{path}/versions/{settings.version}"] if settings.version else [path]
        self._predictions = dict.fromkeys([f"{path}/infer" for path in paths], Dialect.INFERENCE)
        self._predictions["/invocations"] = Dialect.INVOCATION

    def take(self, model: LoadedModel, observers: Observers) -> None:
        """From now on this model answers."""
        self.observers = observers
        self.metrics.include(observers.families)
        self.model = model

    @property
    def ready(self) -> bool:
        """New traffic is welcome."""
        return self.model is not None and not self.draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Every answer names its prediction, revision and slot."""
        path, method, identifier = scope["path"], scope["method"], prediction_id()
        dialect = self._predictions.get(path)
        head = Head(scope["headers"])
        if dialect is not None and method == "POST":
            await self._predict(Exchange(identifier, dialect, path, head), scope, receive, send)
            return
        fact = self._facts.at(path)
        if fact is not None and method in ("GET", "HEAD"):
            reply = fact()
        elif dialect is not None or fact is not None:
            allowed = b"POST" if dialect is not None else b"GET, HEAD"
            reply = Reply(405, error_body(f"{method} is not allowed here"), [(b"allow", allowed)])
        else:
            reply = self._facts.nothing_at(path)
        await self._send(send, reply, identifier, head)

    async def _predict(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        self.in_flight += 1
        try:
            reply = await self._reply(exchange, scope, receive)
            if exchange.forwarded:
                await send_answer(
                    send, reply.status, reply.body, [(b"content-type", reply.media), *reply.headers, CLOSE]
                )
                return
            await self._send(send, reply, exchange.prediction, exchange.head)
            self._note(exchange, reply, scope["headers"])
        except Disconnected:
            return
        finally:
            self.in_flight -= 1

    async def _reply(self, exchange: Exchange, scope: Scope, receive: Receive) -> Reply:
        settings = self._settings
        try:
            announced = exchange.head.announced
            exchange.body = await read_body(scope, receive, settings.max_body_bytes, announced, self._arriving)
            exchange.began = time.perf_counter()
            if self.forwarding.active:
                reply = await self.forwarding.answer(exchange.path, scope["headers"], exchange.body)
                if reply is not None:
                    exchange.forwarded = True
                    return reply
            return await self._answer(exchange)
        except BodyTooLarge:
            exchange.began = time.perf_counter()
            limit = f"a body has {settings.max_body_bytes} bytes at most"
            return self._rejected(413, Rejection.BODY_TOO_LARGE, "", limit)
        except NoRoom:
            exchange.began = time.perf_counter()
            return self._unanswered(Busy(retry_after=1))
        except BodyTooSlow:
            exchange.began = time.perf_counter()
            limit = f"the body did not arrive within {settings.read_seconds:g} s"
            return self._rejected(408, Rejection.TOO_SLOW, "", limit)

    async def _answer(self, exchange: Exchange) -> Reply:
        head = exchange.head
        if self.model is None:
            return Reply(503, error_body("the model is still being loaded"), [(b"retry-after", b"1")])
        refused = head.unsupported_media_reason(exchange.dialect)
        if refused:
            return self._rejected(415, Rejection.MEDIA_TYPE, "", refused)
        request = Request(exchange.dialect, exchange.body, exchange.prediction, head.media, head.json_length)
        try:
            answer = exchange.answer = await self.work.run(request, len(exchange.body))
        except BadInput as error:
            return self._rejected(400, error.reason, error.field, error.message)
        except ModelFailed as error:
            self._model_errors.note(str(error), exchange.prediction)
            return Reply(500, error_body(f"the model raised {error}", prediction=exchange.prediction))
        except NoAnswer as error:
            return self._unanswered(error)
        except Exception as error:
            # A fault of this server. It must neither end the process nor quote the input.
            self._model_errors.note(type(error).__name__, exchange.prediction)
            return Reply(500, error_body("the server failed", prediction=exchange.prediction))
        if answer.json_length is None:
            return Reply(200, answer.body)
        return Reply(200, answer.body, [(JSON_LENGTH, str(answer.json_length).encode())], BINARY)

    def _call(self, requests: Sequence[Request]) -> list[ModelOutput | Exception]:
        """The model's work; only called once there is one."""
        assert self.model is not None  # noqa: S101 - requests are answered with 503 before
        return self.model.answer(requests)

    def _note(self, exchange: Exchange, reply: Reply, headers: Headers) -> None:
        """Counts, copies and reports a response that was sent; the client does not wait for it."""
        seconds, copied = time.perf_counter() - exchange.began, exchange.head.copied
        self.metrics.answered(reply.status, seconds, copied)
        answer, observers = exchange.answer, self.observers
        if answer is not None and not copied:
            path = self._infer_path if exchange.dialect is Dialect.INFERENCE else b"/invocations"
            self.shadow.offer(exchange.prediction, path, headers, exchange.body, answer.body, answer.json_length)
            if observers is not None and observers.recorder is not None:
                observers.recorder.add(answer.batch, answer.outputs, exchange.prediction)
        if observers is not None and observers.tracing is not None:
            observers.tracing.note(exchange.path, exchange.head, exchange.prediction, reply.status, seconds)
        if self._settings.access_log:
            note(
                "request",
                path=exchange.path,
                status=reply.status,
                seconds=round(seconds, 6),
                rows=answer.batch.rows if answer is not None else 0,
                bytes_in=len(exchange.body),
                bytes_out=len(reply.body),
                prediction=exchange.prediction,
                request=exchange.head.request_id(exchange.prediction).decode(),
            )

    def _unanswered(self, error: NoAnswer) -> Reply:
        self.metrics.unanswered(error)
        later = [] if error.retry_after is None else [(b"retry-after", str(error.retry_after).encode())]
        return Reply(error.status, error_body(str(error)), later)

    def _rejected(self, status: int, reason: Rejection, field: str, message: str) -> Reply:
        self.metrics.rejected(reason)
        return Reply(status, error_body(message, field=field, reason=reason.value))

    async def _send(self, send: Send, reply: Reply, prediction: str, head: Head) -> None:
        headers = [
            (b"content-type", reply.media),
            *self._identity,
            (b"x-viridian-prediction-id", prediction.encode()),
            (REQUEST_ID, head.request_id(prediction)),
            *reply.headers,
        ]
        if self._connections.closing and CLOSE not in headers:
            headers.append(CLOSE)
        await send_answer(send, reply.status, reply.body, headers)
