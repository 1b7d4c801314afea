"""Texts that others wrote, on their way into a status, an Event, a log or a record: one printable line each."""

from __future__ import annotations

from typing import Final

_READ: Final = 4
"""Characters that are looked at for each one that may be shown: white space in a row counts as one blank."""


def one_line(text: str, most: int) -> str:
    """The text as one line of at most that many printable characters, in time that depends on `most` alone.

    White space becomes a blank. What a terminal would obey, and what changes the direction of the text, is escaped.
    """
    part = text[: _READ * most]
    line = printable(" ".join(part.split()))
    if len(line) > most or len(part) < len(text):
        return f"{line[: most - 1]}…"
    return line


def printable(text: str) -> str:
    """The text with an escape such as `\\x1b` in the place of each character that does not show as itself."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
