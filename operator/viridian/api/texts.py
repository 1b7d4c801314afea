"""Texts that others wrote, on their way into a status, an Event, a log or a record: one printable line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from viridian.api.address import concealed

_AFTER_A_SUBJECT: Final = (": ", " is ", " changes ")
_READ: Final = 4
"""Characters that are looked at for each one that may be shown: white space in a row counts as one blank."""


def one_line(text: str, most: int) -> str:
    """The text as one line of at most that many printable characters, in time that depends on `most` alone.

    White space becomes a blank. What a terminal would obey, and what changes the direction of the text, is escaped.
    Addresses show neither users nor queries.
    """
    part = text[: _READ * most]
    cut = len(part) < len(text)
    if cut and "://" in (last := part.rpartition(" ")[2]):
        # Half of an address: the rest cannot be distinguished from a password.
        part = part.removesuffix(last)
    line = printable(concealed(" ".join(part.split())))
    if len(line) > most or cut:
        return f"{line[: most - 1]}…"
    return line


def introduced(name: str, sentence: str) -> str:
    """The sentence with the name before it, unless it begins with that name as its subject."""
    has_name = any(sentence.startswith(f"{name}{then}") for then in _AFTER_A_SUBJECT)
    return sentence if has_name else f"{name}: {sentence}"


def cleaned(value: Any) -> Any:
    """The same value, with all texts in it printable and without the secrets of addresses."""
    if isinstance(value, str):
        return printable(concealed(value))
    if isinstance(value, Mapping):
        return {key: cleaned(inner) for key, inner in value.items()}
    return [cleaned(inner) for inner in value] if isinstance(value, list | tuple) else value


def as_text(value: object) -> str:
    """What `json.dumps` writes for a value that JSON does not know."""
    return printable(concealed(str(value)))


def printable(text: str) -> str:
    """The text with an escape such as `\\x1b` in the place of each character that does not show as itself."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
