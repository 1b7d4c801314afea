"""What is known of the past: windows, reference profiles, incidents, and what a run costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import msgspec

from viridian.api.feedback import Window
from viridian.api.profile import ReferenceProfile
from viridian.monitoring.windows import WindowQuery

ANY_VERSION = ""
"""Key of the reference profile of versions that have none of their own."""


class UnusableHistory(ValueError):
    """The stored windows do not fit what is asked; the text says what to change."""


class Incident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time in which something was wrong with the model, as people know it."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    start: datetime
    end: datetime | None = None
    """None: it has not ended yet."""
    cause: str = ""
    """What was found to be behind it."""

    def overlaps(self, start: float, end: float) -> bool:
        """Whether any part of that span, half open, lies in the incident."""
        return end > self.start.timestamp() and (self.end is None or start < self.end.timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Windows of one ModelDeployment, all of one length."""

    windows: tuple[Window, ...]
    references: Mapping[str, ReferenceProfile] = field(default_factory=dict)
    """Reference profiles by version; that of ANY_VERSION counts for all others."""
    incidents: tuple[Incident, ...] = ()

    @property
    def seconds(self) -> float:
        """Length of the windows."""
        lengths = {round(window.end - window.start) for window in self.windows}
        if not lengths:
            raise UnusableHistory("there is no window: export some from the collector first")
        if len(lengths) > 1:
            named = ", ".join(f"{length} s" for length in sorted(lengths))
            raise UnusableHistory(f"the windows have several lengths ({named}): export windows of one length")
        return float(lengths.pop())

    def reference(self, version: str) -> ReferenceProfile | None:
        """The profile that the windows of a version are compared with."""
        return self.references.get(version, self.references.get(ANY_VERSION))


class WindowIndex:
    """Finds the stored windows that answer a question to the collector."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._by_start: dict[int, list[Window]] = defaultdict(list)
        for window in windows:
            self._by_start[round(window.start)].append(window)

    def starts(self) -> list[int]:
        """Each begin of a window once, the earliest first."""
        return sorted(self._by_start)

    def champion(self, start: int) -> Window:
        """The window of the revision that answered most requests then: a challenger on trial answers fewer."""
        return max(self._by_start[start], key=_requests)

    def answer(self, query: WindowQuery) -> Iterator[Window]:
        """What the collector would answer."""
        start = query.start
        while start < query.end:
            for window in self._by_start.get(round(start), ()):
                if query.revision in (None, window.revision):
                    yield query.needed_of(window)
            start += query.seconds


def _requests(window: Window) -> int:
    return max(window.performance.predicted, window.profile.rows if window.profile else 0)
