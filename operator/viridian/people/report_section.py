"""A part of a report for people: a heading, sentences, a table, a plot. How it is shown is another matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A line over time, the versions that it belongs to, and spans that are marked."""

    title: str
    points: Sequence[tuple[float, float]]
    marks: Sequence[tuple[float, str]] = ()
    """Moments with a label, such as a promotion."""
    spans: Sequence[tuple[float, float, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report."""

    title: str
    text: Sequence[str] = ()
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    plot: Plot | None = None
