"""One entry of the trail: one change, by whom, when, and what it came to."""

from __future__ import annotations

import json
from typing import Final

import msgspec

from viridian.api.names import short_hash
from viridian.api.registry import TAG_TRAIL

MAX_MESSAGE: Final = 400
"""Characters of a sentence; MLflow and the record of the run have all of it."""


class TrailEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What was changed. Nothing of an entry changes once it has a number."""

    id: str
    """Follows from the change alone: the same change that is seen twice is one entry."""
    at: str
    """When it happened; where nothing shows that, when it was first seen."""
    what: str
    """A stable CamelCase word."""
    by: str = ""
    """A person, a field manager, or Viridian; empty where it is not known."""
    message: str = ""
    number: int = 0
    """Its position in the journal of its object, from 1."""
    generation: int = 0
    """Of an edit of the spec: the generation that it made."""
    changed: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A short form of the id."""
        return short_hash(self.id, length=12)

    @property
    def month(self) -> str:
        """In which it happened, as `2026-11`."""
        return self.at[:7]

    @property
    def size(self) -> int:
        """Bytes that it takes in the journal."""
        return len(msgspec.json.encode(self))

    @property
    def tag(self) -> tuple[str, str]:
        """Name and value of its tag in MLflow. Names are in the order of time; MLflow allows no colon in them."""
        shown = {"what": self.what, "at": self.at, "by": self.by, "message": self.message, "changed": self.changed}
        more = {"generation": self.generation} if self.generation else {}
        found = {name: value for name, value in shown.items() if value} | more
        return f"{TAG_TRAIL}{self.at.replace(':', '')}.{self.key}", json.dumps(found, ensure_ascii=False)
