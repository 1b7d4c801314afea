"""What a person compares with their eyes: features and predictions of a window beside the reference, as shares.

The groups have no names: the values of a feature belong neither into a status nor into a log. Where the mass of a
feature has moved to can be seen without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from viridian.api.profile import Categories, Sketch
from viridian.judgement.distances import grouped_counts, present, rows
from viridian.judgement.merging import ShapesDiffer

MAX_GROUPS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueShares:
    """Shares of the values that are not missing, group by group, and of those that are."""

    by_frequency: bool
    """Categories, the most frequent one first and all others last. Else numbers, the lowest first."""
    reference: Sequence[float]
    window: Sequence[float]
    reference_missing: float
    window_missing: float


def distributions_of(
    features: Iterable[str], reference: Mapping[str, Sketch], window: Mapping[str, Sketch]
) -> Iterator[tuple[str, ValueShares]]:
    """Of those features that have values in both, in the same order."""
    for feature in dict.fromkeys(features):
        shares = shares_of(reference.get(feature), window.get(feature))
        if shares is not None:
            yield feature, shares


def shares_of(before: Sketch | None, now: Sketch | None) -> ValueShares | None:
    """One distribution beside the other; None where one of them has no values, or both have other bins."""
    if before is None or now is None or not present(before) or not present(now):
        return None
    try:
        pairs = grouped_counts(before, now, MAX_GROUPS)
    except ShapesDiffer:
        return None
    return ValueShares(
        by_frequency=isinstance(before, Categories),
        reference=[count / present(before) for count, _ in pairs],
        window=[count / present(now) for _, count in pairs],
        reference_missing=before.missing / rows(before),
        window_missing=now.missing / rows(now),
    )
