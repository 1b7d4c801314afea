"""The management port: metrics, liveness, and the order to let go of connections. Never exposed to users."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from viridian.api.samples import Idle
from viridian.serving.connections import Connections
from viridian.serving.inference import Inference
from viridian.serving.metrics import CONTENT_TYPE
from viridian.serving.responses import (
    JSON,
    BodyTooLarge,
    Disconnected,
    Receive,
    Scope,
    Send,
    error_body,
    read_body,
    send_answer,
)

_LIMIT: Final = 4096
_ALIVE: Final = msgspec.json.encode({"alive": True})


class CloseOrder(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The body of `POST /connections/close`."""

    for_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)]
    idle: Idle = Idle.KEEP


_ORDER: Final = msgspec.json.Decoder(CloseOrder)


class Management:
    """Answers on the management port, whatever the model does."""

    def __init__(self, inference: Inference, connections: Connections) -> None:
        self._inference = inference
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        match scope["method"], scope["path"]:
            case "GET" | "HEAD", "/metrics":
                await send_answer(send, 200, self._inference.metrics.render(), [(b"content-type", CONTENT_TYPE)])
            case "GET" | "HEAD", "/healthz":
                await send_answer(send, 200, _ALIVE, [(b"content-type", JSON)])
            case "POST", "/connections/close":
                await self._close(receive, send)
            case _, "/metrics" | "/healthz" | "/connections/close":
                await send_answer(send, 405, error_body("this method is not allowed here"), [(b"content-type", JSON)])
            case _:
                await send_answer(send, 404, error_body("there is nothing here"), [(b"content-type", JSON)])

    async def _close(self, receive: Receive, send: Send) -> None:
        try:
            order = _ORDER.decode(await read_body(receive, _LIMIT))
        except Disconnected:
            return
        except (msgspec.MsgspecError, UnicodeDecodeError, BodyTooLarge) as error:
            await send_answer(send, 400, error_body(str(error)), [(b"content-type", JSON)])
            return
        self._connections.close_for(order.for_seconds, order.idle)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
