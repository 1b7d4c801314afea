"""JSON that means one thing alone: no name twice in an object, no numbers that JSON does not know, no deep nesting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 64


class UnclearJson(Exception):
    """The bytes are no such JSON; the message says why, and quotes nothing of them."""


def parse_json(body: bytes) -> Any:
    """The document, or UnclearJson."""
    try:
        document = json.loads(body, object_pairs_hook=_without_duplicates, parse_constant=_refused)
    except UnicodeDecodeError:
        raise UnclearJson("the body is not UTF-8") from None
    except RecursionError:
        raise UnclearJson(_too_deep()) from None
    except ValueError:  # a number of thousands of digits is one as well
        raise UnclearJson("the body is not JSON, or ends early") from None
    if any(depth > MAX_DEPTH for depth in _depths(document)):
        raise UnclearJson(_too_deep())
    return document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnclearJson("an object in the body has the same name twice")
    return found


def _refused(_: str) -> NoReturn:
    raise UnclearJson("NaN and Infinity are no JSON")


def _depths(document: Any) -> Iterator[int]:
    """How deep each list and object is nested; without recursion."""
    open_now = [(document, 1)]
    while open_now:
        value, depth = open_now.pop()
        if isinstance(value, dict | list):
            yield depth
            if depth <= MAX_DEPTH:
                open_now += [(inner, depth + 1) for inner in (value.values() if isinstance(value, dict) else value)]


def _too_deep() -> str:
    return f"lists and objects in the body are nested {MAX_DEPTH} deep at most"
