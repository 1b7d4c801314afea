"""What can be asked of the server with GET: health, metadata, and the description of its interface."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from viridian import __version__
from viridian.serving.asgi_responses import HTML, JSON, Reply, error_body
from viridian.serving.execution.model import LoadedModel

_SERVER: Final = msgspec.json.encode({"name": "viridian", "version": __version__, "extensions": ["binary_tensor_data"]})
_LIVE: Final = msgspec.json.encode({"live": True})
_LOADING: Final = Reply(503, error_body("the model is still being loaded"), [(b"retry-after", b"1")])


class MetadataRoutes:
    """Answers by path. `model` gives nothing before it is loaded; `ready` says whether new traffic is welcome."""

    def __init__(
        self, name: str, version: str, model: Callable[[], LoadedModel | None], ready: Callable[[], bool]
    ) -> None:
        self._name = name
        self._model = model
        self._ready = ready
        self._made: dict[str, bytes] = {}
        path = f"/v2/models/{name}"
        paths = [path, f"{path}/versions/{version}"] if version else [path]
        self._answers: dict[str, Callable[[], Reply]] = {
            "/v2": lambda: Reply(200, _SERVER),
            "/v2/health/live": lambda: Reply(200, _LIVE),
            "/v2/health/ready": self._readiness,
            "/v2/models": lambda: Reply(200, msgspec.json.encode({"models": [name]})),
            # MLflow's own server answers its probes here.
            "/ping": self._readiness,
            "/health": self._readiness,
            "/version": lambda: Reply(200, msgspec.json.encode({"version": __version__})),
            "/openapi.json": partial(self._described, "openapi.json"),
            "/docs": partial(self._described, "docs"),
            **dict.fromkeys([f"{path}/ready" for path in paths], self._model_readiness),
            **dict.fromkeys(paths, self._metadata),
        }

    def at(self, path: str) -> Callable[[], Reply] | None:
        """What answers there."""
        return self._answers.get(path)

    def nothing_at(self, path: str) -> Reply:
        """404 with a sentence that helps."""
        if path.startswith("/v2/models/"):
            return Reply(404, error_body(f"there is no such model or version here; this server has {self._name!r}"))
        return Reply(404, error_body("there is nothing here; see /docs, /v2 and /v2/models"))

    def _readiness(self) -> Reply:
        ready = self._ready()
        return Reply(200 if ready else 503, msgspec.json.encode({"ready": ready}))

    def _model_readiness(self) -> Reply:
        ready = self._ready()
        return Reply(200 if ready else 503, msgspec.json.encode({"name": self._name, "ready": ready}))

    def _metadata(self) -> Reply:
        model = self._model()
        return _LOADING if model is None else Reply(200, model.metadata)

    def _described(self, what: str) -> Reply:
        """Made when it is asked for first: most servers are never asked."""
        model = self._model()
        if model is None:
            return _LOADING
        if what not in self._made:
            from viridian.serving.endpoints import docs_page, openapi

            document = openapi.document(model)
            self._made["openapi.json"] = msgspec.json.encode(document)
            self._made["docs"] = docs_page.render(document)
        return Reply(200, self._made[what], media=HTML if what == "docs" else JSON)
