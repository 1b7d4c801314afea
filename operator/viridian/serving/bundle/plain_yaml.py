"""YAML that somebody else has written, as far as it is plain: values, lists and maps, and nothing that multiplies.

An alias stands for as much as its anchor does. Thirty levels of them in two hundred bytes are a thousand million
values for a program that walks through the document. MLflow writes none, so they are refused.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

MAX_EVENTS: Final = 200_000
"""Values, and beginnings and ends of lists and maps."""
MAX_DEPTH: Final = 50
MAX_NUMBER: Final = 1000
"""Characters of a number. Reading one takes the square of its length."""
_DIGITS: Final = re.compile(r"[-+0-9_.:a-fA-FxX]+")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OF_VALUES: Final = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What PyYAML raises for a value that is not what it looks like."""


class NotPlain(Exception):
    """Why it is not read: the end of a sentence that begins with the document's name."""


def load(content: bytes) -> Any:
    """The document, once it is known that reading it costs little."""
    try:
        _check(content)
        return yaml.load(content, Loader=_LOADER)  # noqa: S506 - a safe one
    except (yaml.YAMLError, *_OF_VALUES, RecursionError) as error:
        raise NotPlain("is not YAML") from error


def _check(content: bytes) -> None:
    depth = 0
    for number, event in enumerate(yaml.parse(content, Loader=_LOADER)):
        if number > MAX_EVENTS:
            raise NotPlain(f"is not plain YAML: it has more than {MAX_EVENTS} values")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise NotPlain("is not plain YAML: it has anchors and aliases")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise NotPlain(f"is not plain YAML: it is nested deeper than {MAX_DEPTH} levels")
        if getattr(event, "tag", None) is not None:
            raise NotPlain("is not YAML of plain values: it has tags")
        if isinstance(event, yaml.ScalarEvent) and _looks_like_a_long_number(event):
            raise NotPlain(f"is not plain YAML: it has a number of more than {MAX_NUMBER} characters")


def _looks_like_a_long_number(event: yaml.ScalarEvent) -> bool:
    """Quoted, it would be text."""
    return len(event.value) > MAX_NUMBER and event.implicit[0] and _DIGITS.fullmatch(event.value) is not None
