"""Names of namespaces and objects in addresses: what is no name never reaches the API server's paths."""

from __future__ import annotations

import re
from typing import Final

from viridian.http_problem import HttpProblem

_NAME: Final = re.compile(r"[a-z0-9.-]{1,253}")


def is_name(text: str) -> bool:
    """Whether an object can be called that."""
    return _NAME.fullmatch(text) is not None and text.strip(".-") == text and ".." not in text


def checked(text: str) -> str:
    """The name; 404 for what no object can be called."""
    if not is_name(text):
        raise HttpProblem(404, "there is no such page: a name has small letters, digits, '-' and '.'")
    return text
