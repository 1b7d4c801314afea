"""Values in the window beside those of the reference: bars side by side, group by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from viridian.api.monitoring_status import Distribution, ValueGroups

HEIGHT: Final = 60.0
"""Of the longest bar, in the units of the picture."""
_SLOT: Final = 10.0
_MISSING: Final = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBars:
    """Two bars of one group: places and heights in the units of the picture."""

    label: str
    x: float
    reference: str
    reference_height: float
    window: str
    window_height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionView:
    """One feature, or the predictions."""

    name: str
    width: float
    order: str
    """What the groups are, from the left to the right."""
    groups: Sequence[GroupBars]
    moved: str
    """The group whose share has changed most, in a sentence."""


def distribution_view(name: str, found: Distribution, reference: str) -> DistributionView:
    """Groups in their order, and at the end the missing values where there are any; `reference` as people call it."""
    pairs = list(_labelled(found))
    longest = max((max(reference, window) for _, reference, window in pairs), default=0.0) or 1.0
    bars = [
        GroupBars(
            label=label,
            x=_SLOT * number,
            reference=_percent(reference),
            reference_height=round(HEIGHT * reference / longest, 2),
            window=_percent(window),
            window_height=round(HEIGHT * window / longest, 2),
        )
        for number, (label, reference, window) in enumerate(pairs)
    ]
    moved = max(pairs, key=lambda pair: abs(pair[2] - pair[1]), default=("", 0.0, 0.0))
    return DistributionView(
        name=name,
        width=_SLOT * len(bars),
        order="most frequent to all others" if _is_categories(found) else "lowest to highest values",
        groups=bars,
        moved=f"{moved[0]}: {_percent(moved[1])} in {reference}, {_percent(moved[2])} in the window",
    )


def _labelled(found: Distribution) -> Iterator[tuple[str, float, float]]:
    pairs = list(zip(found.reference, found.window, strict=False))
    for number, (reference, window) in enumerate(pairs, start=1):
        yield _label(number, len(pairs), categories=_is_categories(found)), reference, window
    if found.reference_missing or found.window_missing:
        yield _MISSING, found.reference_missing, found.window_missing


def _label(number: int, groups: int, *, categories: bool) -> str:
    if categories:
        return "all others" if number == groups else f"category {number}"
    return f"group {number}"


def _is_categories(found: Distribution) -> bool:
    return found.groups is ValueGroups.CATEGORIES


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
