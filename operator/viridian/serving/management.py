"""The management port: metrics, liveness, and the operator's orders. Never exposed to users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec

from viridian.api import shadow as words
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
from viridian.serving import shown
from viridian.serving.connections import Connections
from viridian.serving.inference import Inference
from viridian.serving.metrics import CONTENT_TYPE
from viridian.serving.responses import JSON, Send, error_body, send_answer

_LIMIT: Final = 4096
_METHODS: Final = {
    **dict.fromkeys(("/metrics", "/healthz", "/profile", *shown.SHOWN), b"GET, HEAD"),
    "/connections/close": b"POST",
    words.SHADOW_PATH: b"POST, DELETE",
}
"""Which methods each path takes."""
_ALIVE: Final = msgspec.json.encode({"alive": True})


class CloseOrder(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The body of `POST /connections/close`."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)]
    idle: Idle = Idle.KEEP


_CLOSE_ORDER: Final = msgspec.json.Decoder(CloseOrder)
_SHADOW_ORDER: Final = msgspec.json.Decoder(words.ShadowOrder)


class Management:
    """Answers on the management port, whatever the model does."""

    def __init__(self, inference: Inference, connections: Connections, model_dir: Path) -> None:
        self._inference = inference
        self._connections = connections
        self._model_dir = model_dir

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        match scope["method"], scope["path"]:
            case "GET" | "HEAD", "/metrics":
                await send_answer(send, 200, self._inference.metrics.render(), [(b"content-type", CONTENT_TYPE)])
            case "GET" | "HEAD", "/healthz":
                await send_answer(send, 200, _ALIVE, [(b"content-type", JSON)])
            case "GET" | "HEAD", "/profile":
                await self._profile(send)
            case "GET" | "HEAD", path if path in shown.SHOWN:
                await self._file(shown.SHOWN[path], send)
            case "POST", "/connections/close":
                await _obey(scope, receive, send, self._close)
            case "POST", words.SHADOW_PATH:
                await _obey(scope, receive, send, self._shadow)
            case "DELETE", words.SHADOW_PATH:
                self._inference.shadow.stop()
                await _done(send)
            case _, path if path in _METHODS:
                allowed = [(b"content-type", JSON), (b"allow", _METHODS[path])]
                await send_answer(send, 405, error_body("this method is not allowed here"), allowed)
            case _:
                await _refused(send, 404, "there is nothing here")

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

    async def _file(self, name: str, send: Send) -> None:
        """A file of the version, once all of them are verified."""
        if self._inference.model is None:
            await _still_loading(send)
            return
        content = await asyncio.to_thread(shown.content, self._model_dir, name)
        if content is None:
            body = error_body(f"the version has no {name}", reason="NoFile")
            await send_answer(send, 404, body, [(b"content-type", JSON)])
        else:
            await send_answer(send, 200, content, [(b"content-type", JSON)])

    def _close(self, body: bytes) -> None:
        order = _CLOSE_ORDER.decode(body)
        self._connections.close_for(order.for_seconds, order.idle)

    def _shadow(self, body: bytes) -> None:
        self._inference.shadow.follow(_SHADOW_ORDER.decode(body))


async def _obey(scope: Scope, receive: Receive, send: Send, order: Callable[[bytes], None]) -> None:
    """204 when the order makes sense, 4xx with a sentence when it does not."""
    try:
        order(await read_body(scope, receive, _LIMIT, announced_length(scope["headers"])))
    except Disconnected:
        return
    except BodyTooLarge:
        await _refused(send, 413, f"an order has {_LIMIT} bytes at most")
    except BodyTooSlow:
        await _refused(send, 408, "the body did not arrive in time")
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
