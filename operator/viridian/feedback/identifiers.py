"""What names and ids may look like. Narrow on purpose: nothing personal fits into an id by accident."""

from __future__ import annotations

import re
from typing import Final

from viridian.feedback.problems import HttpProblem

MAX_TEXT: Final = 256
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")


def is_id(text: str) -> bool:
    """Prediction ids, run ids."""
    return _ID.fullmatch(text) is not None


def is_text(text: str) -> bool:
    """Names and descriptions that senders give; PostgreSQL has no NUL."""
    return len(text) <= MAX_TEXT and "\0" not in text


def checked_names(namespace: str, deployment: str) -> tuple[str, str]:
    """The two as they are, or a problem."""
    for what, name in (("namespace", namespace), ("deployment", deployment)):
        if not _NAME.fullmatch(name):
            raise HttpProblem(
                400, f"the {what} is no name of Kubernetes: lower-case letters, digits and '-', at most 63"
            )
    return namespace, deployment


def checked_id(what: str, text: str) -> str:
    """The id as it is, or a problem."""
    if not is_id(text):
        raise HttpProblem(400, f"the {what} may have letters, digits, '.', '_' and '-', and at most 64 of them")
    return text
