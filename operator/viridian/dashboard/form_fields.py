"""What a browser sends in forms and addresses, read and bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Final

from aiohttp import web

from viridian.http_problem import HttpProblem

_MAX_SKIPPED: Final = 30
_MAX_ID: Final = 128


def local_path(onward: str) -> str:
    """A path of these pages; the first page for anything that may lead elsewhere."""
    safe = onward.startswith("/") and not onward.startswith(("//", "/\\")) and onward.isprintable()
    return onward if safe else "/"


def passed_over(ids: Sequence[str]) -> list[str]:
    """The newest of the rows that a person has passed over: they stand in the address."""
    return [one for one in dict.fromkeys(ids) if one.isprintable() and len(one) <= _MAX_ID][-_MAX_SKIPPED:]


def labelled_outcome(form: Mapping[str, str]) -> str | float:
    """A class, or a number where the model predicts numbers; 400 for neither."""
    if form.get("outcome"):
        return form["outcome"]
    try:
        value = float(form.get("number", ""))
    except ValueError:
        value = nan
    if not isfinite(value):
        raise HttpProblem(400, "the answer is no number: write one such as 12.5")
    return value


async def form_of(request: web.Request) -> dict[str, str]:
    """The fields of a form; 400 where the body is none."""
    return dict(await fields_of(request))


async def fields_of(request: web.Request) -> list[tuple[str, str]]:
    """The same with all values of each field."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise HttpProblem(415, "this is no form")
    try:
        fields = await request.post()
    except ValueError:
        raise HttpProblem(400, "the form cannot be read") from None
    return [(name, value) for name, value in fields.items() if isinstance(value, str)]
