"""The inference port: health, metadata and predictions, as one small ASGI application."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import quote

import msgspec

from viridian import __version__
from viridian.api.shadow import SHADOW_HEADER
from viridian.serving.connections import Connections
from viridian.serving.errors import BadInput, ModelFailed, Rejection
from viridian.serving.identifiers import prediction_id
from viridian.serving.logs import ModelErrors
from viridian.serving.metrics import Metrics
from viridian.serving.model import Model
from viridian.serving.prediction_bins import bins
from viridian.serving.responses import (
    CLOSE,
    JSON,
    BodyTooLarge,
    Disconnected,
    Headers,
    Receive,
    Scope,
    Send,
    error_body,
    read_body,
    send_answer,
)
from viridian.serving.settings import Settings
from viridian.serving.shadow import Shadow
from viridian.serving.work import Work

Answer = tuple[int, bytes]
Predict = Callable[[Model, bytes, str], bytes]

_SERVER: Final = msgspec.json.encode({"name": "viridian", "version": __version__, "extensions": []})
_COPY: Final = SHADOW_HEADER.encode()
_LIVE: Final = msgspec.json.encode({"live": True})
_JSON_TYPES: Final = ("", "application/json", "application/octet-stream", "text/json")


class Inference:
    """Answers on the inference port. Before `model` is set, and again while draining, it is not ready."""

    def __init__(self, settings: Settings, connections: Connections, work: Work) -> None:
        self.model: Model | None = None
        self.draining = False
        self.in_flight = 0
        self.metrics = Metrics(settings, lambda: self.in_flight)
        self.shadow = Shadow(lambda: bins(settings.model_dir))
        self.metrics.include(self.shadow.families)
        self._connections = connections
        self._work = work
        self._limit = settings.max_body_bytes
        self._model_errors = ModelErrors()
        self._identity: Headers = [
            (b"content-type", JSON),
            (b"x-viridian-revision", settings.revision.encode("latin-1", "replace")),
            (b"x-viridian-slot", settings.slot.encode("latin-1", "replace")),
        ]
        model = f"/v2/models/{settings.name}"
        self._infer_path = quote(f"{model}/infer").encode()
        models = [model, f"{model}/versions/{settings.version}"] if settings.version else [model]
        self._predictions: dict[str, Predict] = {f"{path}/infer": Model.infer for path in models}
        self._predictions["/invocations"] = Model.invoke
        self._facts: dict[str, Callable[[], Answer]] = {
            "/v2": lambda: (200, _SERVER),
            "/v2/health/live": lambda: (200, _LIVE),
            "/v2/health/ready": self._ready,
            # MLflow's own server answers its probes here.
            "/ping": self._ready,
            "/health": self._ready,
            **{f"{path}/ready": partial(self._model_ready, settings.name) for path in models},
            **dict.fromkeys(models, self._metadata),
        }

    @property
    def ready(self) -> bool:
        """New traffic is welcome."""
        return self.model is not None and not self.draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Every answer names its prediction, revision and slot."""
        path, method, identifier = scope["path"], scope["method"], prediction_id()
        predict = self._predictions.get(path)
        if predict is not None and method == "POST":
            await self._predict(predict, identifier, scope, receive, send)
            return
        fact = self._facts.get(path)
        if fact is not None and method in ("GET", "HEAD"):
            status, body = fact()
        elif predict is not None or fact is not None:
            status, body = 405, error_body(f"{method} is not allowed here")
        else:
            status, body = 404, error_body("there is nothing here; see /v2 and /v2/models/{name}")
        await send_answer(send, status, body, self._headers(identifier))

    async def _predict(self, predict: Predict, identifier: str, scope: Scope, receive: Receive, send: Send) -> None:
        self.in_flight += 1
        headers = None
        try:
            try:
                body = await read_body(receive, self._limit)
                began = time.perf_counter()
                status, answer = await self._answer(predict, identifier, scope, body)
            except BodyTooLarge as error:
                began = time.perf_counter()
                status, answer = self._rejected(
                    413, Rejection.BODY_TOO_LARGE, "", f"a body has {self._limit} bytes at most"
                )
                headers = self._headers(identifier)
                if not error.complete and CLOSE not in headers:
                    headers.append(CLOSE)
            await send_answer(send, status, answer, headers or self._headers(identifier))
            copied = any(name == _COPY for name, _ in scope["headers"])
            self.metrics.answered(status, time.perf_counter() - began, copied)
            if status == 200 and not copied:
                self.shadow.offer(identifier, self._challenged_path(predict), scope["headers"], body, answer)
        except Disconnected:
            return
        finally:
            self.in_flight -= 1

    def _challenged_path(self, predict: Predict) -> bytes:
        """Where the challenger answers the same: it has the same name, and another version."""
        return b"/invocations" if predict is Model.invoke else self._infer_path

    async def _answer(self, predict: Predict, identifier: str, scope: Scope, body: bytes) -> Answer:
        model = self.model
        if model is None:
            return 503, error_body("the model is still being loaded")
        refused = _unspoken(scope)
        if refused:
            return self._rejected(415, Rejection.MEDIA_TYPE, "", refused)
        try:
            return 200, await self._work.run(len(body), partial(predict, model, body, identifier))
        except BadInput as error:
            return self._rejected(400, error.reason, error.field, error.message)
        except ModelFailed as error:
            self._model_errors.note(str(error), identifier)
            return 500, error_body(f"the model raised {error}", prediction=identifier)
        except Exception as error:
            # A fault of this server. It must neither end the process nor quote the input.
            self._model_errors.note(type(error).__name__, identifier)
            return 500, error_body("the server failed", prediction=identifier)

    def _rejected(self, status: int, reason: Rejection, field: str, message: str) -> Answer:
        self.metrics.rejected(reason)
        return status, error_body(message, field=field, reason=reason.value)

    def _headers(self, identifier: str) -> Headers:
        headers = [*self._identity, (b"x-viridian-prediction-id", identifier.encode())]
        if self._connections.closing:
            headers.append(CLOSE)
        return headers

    def _ready(self) -> Answer:
        return 200 if self.ready else 503, msgspec.json.encode({"ready": self.ready})

    def _model_ready(self, name: str) -> Answer:
        return 200 if self.ready else 503, msgspec.json.encode({"name": name, "ready": self.ready})

    def _metadata(self) -> Answer:
        if self.model is None:
            return 503, error_body("the model is still being loaded")
        return 200, self.model.metadata


def _unspoken(scope: Scope) -> str:
    """Why the body cannot be JSON, judged by the request's headers; empty when it can."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media = value.partition(b";")[0].strip().lower().decode("latin-1")
            if (
                media not in _JSON_TYPES
                and not media.endswith("+json")
                and media != "application/x-www-form-urlencoded"
            ):
                return f"the body is {media}, but only application/json is understood"
        elif name == b"inference-header-content-length":
            return "the binary tensor extension is not spoken; send data as JSON"
        elif name == b"content-encoding" and value.lower() != b"identity":
            return "compressed bodies are not understood"
    return ""
