"""The management port: metrics and liveness for all who can reach it; everything else for the operator alone.

Never exposed to users. What the operator asks for carries its proof: `viridian.api.orders`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from viridian.api import orders as proofs
from viridian.api import shadow as words
from viridian.api.answer_stream import STREAM_PATH, StreamOrder
from viridian.api.features import FEATURES_PATH, ServedFeatures
from viridian.api.forward_order import FORWARD_PATH, ForwardOrder
from viridian.api.input_schema import SCHEMA_PATH
from viridian.api.orders import MAX_SECONDS
from viridian.api.samples import Idle
from viridian.http.bodies import (
    BodyTooLarge,
    BodyTooSlow,
    Disconnected,
    Receive,
    Scope,
    announced_length,
    read_body,
)
from viridian.serving.asgi_responses import JSON, Send, error_body, send_answer
from viridian.serving.endpoints import operator_files
from viridian.serving.endpoints.inference import Inference
from viridian.serving.endpoints.keep_alive import Connections
from viridian.serving.endpoints.order_check import Orders
from viridian.serving.endpoints.streamed_answers import StreamedAnswers
from viridian.serving.observation.shown_inputs import shown_inputs
from viridian.serving.server_metrics import CONTENT_TYPE
from viridian.serving.server_settings import ServerSettings

_LIMIT: Final = 4096
_METHODS: Final = {
    **dict.fromkeys(("/metrics", "/healthz", "/profile", *operator_files.SHOWN), b"GET, HEAD"),
    "/connections/close": b"POST",
    FORWARD_PATH: b"POST",
    STREAM_PATH: b"POST",
    words.SHADOW_PATH: b"POST, DELETE",
    SCHEMA_PATH: b"GET, HEAD",
    FEATURES_PATH: b"GET, HEAD",
}
"""Which methods each path takes."""
_PROOF: Final = proofs.HEADER.encode()
_ALIVE: Final = msgspec.json.encode({"alive": True})


class CloseOrder(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The body of `POST /connections/close`."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0, le=MAX_SECONDS)]
    idle: Idle = Idle.KEEP


_CLOSE_ORDER: Final = msgspec.json.Decoder(CloseOrder)
_SHADOW_ORDER: Final = msgspec.json.Decoder(words.ShadowOrder)
_FORWARD_ORDER: Final = msgspec.json.Decoder(ForwardOrder)
_STREAM_ORDER: Final = msgspec.json.Decoder(StreamOrder)


class Management:
    """Answers on the management port, whatever the model does."""

    def __init__(self, inference: Inference, connections: Connections, settings: ServerSettings) -> None:
        self._inference = inference
        self._connections = connections
        self._model_dir = settings.model_dir
        self._shadow_target = settings.shadow_target
        self._features = msgspec.json.encode(ServedFeatures(digest=settings.features_digest))
        self.streams = StreamedAnswers(inference.metrics)
        self._orders = Orders(settings.orders_key, f"{settings.namespace}/{settings.pod or socket.gethostname()}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        method, path = scope["method"], scope["path"]
        if path not in _METHODS:
            await _refused(send, 404, "there is nothing here")
        elif method.encode() not in _METHODS[path].split(b", "):
            allowed = [(b"content-type", JSON), (b"allow", _METHODS[path])]
            await send_answer(send, 405, error_body("this method is not allowed here"), allowed)
        elif path == "/metrics":
            await send_answer(send, 200, self._inference.metrics.render(), [(b"content-type", CONTENT_TYPE)])
        elif path == "/healthz":
            await send_answer(send, 200, _ALIVE, [(b"content-type", JSON)])
        else:
            body = await _body(scope, receive, send)
            if body is not None:
                await self._for_the_operator(scope, body, receive, send)

    async def _for_the_operator(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """401 for everybody else."""
        method, path = scope["method"], scope["path"]
        order = proofs.Order(method=method, path=path, body=body, receiver=self._orders.receiver)
        header = next((value for name, value in scope["headers"] if name == _PROOF), b"").decode("latin-1")
        refusal = self._orders.refusal(order, header)
        if refusal:
            challenge = [(b"content-type", JSON), (b"www-authenticate", b"Viridian-Order")]
            await send_answer(send, 401, error_body(refusal), challenge)
        elif path == "/profile":
            await self._profile(send)
        elif path == SCHEMA_PATH:
            await self._schema(send)
        elif path == FEATURES_PATH:
            await send_answer(send, 200, self._features, [(b"content-type", JSON)])
        elif path in operator_files.SHOWN:
            await self._file(operator_files.SHOWN[path], send)
        elif path == STREAM_PATH:
            await self._stream(body, receive, send)
        elif path == FORWARD_PATH and not self._inference.forwarding.possible:
            await _refused(send, 409, f"this server knows nobody to forward to ({proofs.SHADOW_TARGET_VARIABLE})")
        elif path == FORWARD_PATH:
            await _obey(body, send, self._forward)
        elif method == "DELETE":
            self._inference.shadow.stop()
            await _done(send)
        else:
            await _obey(body, send, self._shadow if path == words.SHADOW_PATH else self._close)

    async def _stream(self, body: bytes, receive: Receive, send: Send) -> None:
        try:
            order = _STREAM_ORDER.decode(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            await _refused(send, 400, str(error))
        else:
            await self.streams.serve(order, receive, send)

    async def _profile(self, send: Send) -> None:
        """Everything that was counted since the process began."""
        observers = self._inference.observers
        if observers is None:
            await _still_loading(send)
            return
        profile = await observers.recorder.profile() if observers.recorder is not None else None
        if profile is None:
            body = error_body(f"nothing is counted: {observers.unprofiled}", reason="NoProfile")
            await send_answer(send, 404, body, [(b"content-type", JSON)])
        else:
            await send_answer(send, 200, msgspec.json.encode(profile), [(b"content-type", JSON)])

    async def _schema(self, send: Send) -> None:
        """What the model takes."""
        model, observers = self._inference.model, self._inference.observers
        if model is None or observers is None:
            await _still_loading(send)
            return
        profile = await observers.recorder.profile() if observers.recorder is not None else None
        body = msgspec.json.encode(shown_inputs(model.signature, profile))
        await send_answer(send, 200, body, [(b"content-type", JSON)])

    async def _file(self, name: str, send: Send) -> None:
        """A file of the version, once all of them are verified."""
        if self._inference.model is None:
            await _still_loading(send)
            return
        content = await asyncio.to_thread(operator_files.content, self._model_dir, name)
        if content is None:
            body = error_body(f"the version has no {name}", reason="NoFile")
            await send_answer(send, 404, body, [(b"content-type", JSON)])
        else:
            await send_answer(send, 200, content, [(b"content-type", JSON)])

    def _close(self, body: bytes) -> None:
        order = _CLOSE_ORDER.decode(body)
        # Its users are to come back to it: the newest order counts.
        self._inference.forwarding.close()
        self._connections.close_for(order.for_seconds, order.idle)

    def _forward(self, body: bytes) -> None:
        order = _FORWARD_ORDER.decode(body)
        self._inference.forwarding.begin(order.for_seconds)
        self._connections.close_for(order.for_seconds, Idle.KEEP)

    def _shadow(self, body: bytes) -> None:
        order = _SHADOW_ORDER.decode(body)
        # Even a stolen key must not send the requests of users anywhere else.
        if not self._shadow_target:
            raise ValueError(f"this server has no challenger to copy requests to ({proofs.SHADOW_TARGET_VARIABLE})")
        if order.target != self._shadow_target:
            raise ValueError(f"target is {self._shadow_target} and no other address")
        self._inference.shadow.follow(order)


async def _body(scope: Scope, receive: Receive, send: Send) -> bytes | None:
    """The whole body; None where there is none to be had, which is answered."""
    try:
        return await read_body(scope, receive, _LIMIT, announced_length(scope["headers"]))
    except Disconnected:
        return None
    except BodyTooLarge:
        await _refused(send, 413, f"an order has {_LIMIT} bytes at most")
    except BodyTooSlow:
        await _refused(send, 408, "the body did not arrive in time")
    return None


async def _obey(body: bytes, send: Send, order: Callable[[bytes], None]) -> None:
    """204 when the order makes sense, 400 with a sentence when it does not."""
    try:
        order(body)
    except RecursionError:
        await _refused(send, 400, "the order is nested too deeply")
    except (ValueError, msgspec.MsgspecError) as error:
        await _refused(send, 400, str(error))
    else:
        await _done(send)


async def _refused(send: Send, status: int, sentence: str) -> None:
    await send_answer(send, status, error_body(sentence), [(b"content-type", JSON)])


async def _still_loading(send: Send) -> None:
    await send_answer(send, 503, error_body("the model is still being loaded"), [(b"content-type", JSON)])


async def _done(send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
