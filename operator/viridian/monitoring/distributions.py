"""What a person compares with their eyes: a feature in the newest window beside the training data, as shares.

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
class FeatureShares:
    """Shares of the values that are not missing, group by group, and of those that are."""

    feature: str
    by_frequency: bool
    """Categories, the most frequent one first and all others last. Else numbers, the lowest first."""
    reference: Sequence[float]
    window: Sequence[float]
    reference_missing: float
    window_missing: float


def distributions_of(
    features: Iterable[str], reference: Mapping[str, Sketch], window: Mapping[str, Sketch]
) -> Iterator[FeatureShares]:
    """Of those features that have values in both, in the same order."""
    for feature in dict.fromkeys(features):
        before, now = reference.get(feature), window.get(feature)
        if before is None or now is None or not present(before) or not present(now):
            continue
        try:
            pairs = grouped_counts(before, now, MAX_GROUPS)
        except ShapesDiffer:
            continue
        yield FeatureShares(
            feature=feature,
            by_frequency=isinstance(before, Categories),
            reference=[count / present(before) for count, _ in pairs],
            window=[count / present(now) for _, count in pairs],
            reference_missing=before.missing / rows(before),
            window_missing=now.missing / rows(now),
        )
