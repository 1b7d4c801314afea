"""HTML out of view models: templates that escape everything, and headers that let a browser run nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from aiohttp import web

from viridian.dashboard.views import moments
from viridian.http_problem import HttpProblem

_FOLDER: Final = Path(__file__).parent
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SECURE_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """The templates and what they load, read once."""

    def __init__(self) -> None:
        self._assets = {path.name: path.read_bytes() for path in sorted((_FOLDER / "assets").iterdir())}
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        digest = hashlib.sha256(b"".join(self._assets.values())).hexdigest()[:12]
        self._environment.globals["asset"] = lambda name: f"/assets/{name}?{digest}"
        self._environment.filters["number"] = moments.number
        self._environment.filters["shown_time"] = moments.shown_time
        self._environment.filters["moment"] = moments.moment

    def page(self, template: str, now: datetime, status: int = 200, **values: Any) -> web.Response:
        """A whole page."""

        def age(text: str | None) -> str:
            return moments.age(text, now)

        rendered = self._environment.get_template(template).render(age=age, now=now, **values)
        return web.Response(text=rendered, status=status, content_type="text/html")

    def asset(self, name: str) -> web.Response:
        """A style, a script or a picture: their addresses change with their contents, so browsers keep them."""
        content = self._assets.get(name)
        if content is None:
            raise HttpProblem(404, "there is no such file")
        response = web.Response(body=content, content_type=_TYPES[Path(name).suffix], charset="utf-8")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
