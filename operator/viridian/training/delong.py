"""Areas under ROC curves of two models on the same rows, and the standard error of their difference.

DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
characteristic curves: a nonparametric approach. In O(n log n) by ranks: Sun and Xu (2014), Fast implementation of
DeLong's algorithm for comparing the areas under correlated receiver operating characteristic curves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Area:
    """An area under a ROC curve, and what each row contributes to its deviation from the true one."""

    value: float
    influence: Scores
    """By row; the sum of squares is the variance of the area, up to n - 1 in place of n."""


def area(scores: Scores, positive: Flags) -> Area:
    """The chance that a positive scores above a negative, ties counting half. There must be two of each kind."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    ranks = midranks(scores)
    above = (ranks[positive] - midranks(scores[positive])) / negatives
    below = 1 - (ranks[~positive] - midranks(scores[~positive])) / positives
    value = float(above.mean())
    influence = np.empty(len(scores))
    # With n - 1 in the variance, as DeLong has it.
    influence[positive] = (above - value) / np.sqrt(positives * (positives - 1))
    influence[~positive] = (below - value) / np.sqrt(negatives * (negatives - 1))
    return Area(value, influence)


def one_against_the_rest(scores: Scores, labels: NDArray[np.int64]) -> Area:
    """The mean of the areas of each class against all others, as scikit-learn's `ovr`; scores by row and class."""
    areas = [area(scores[:, label], labels == label) for label in range(scores.shape[1])]
    influences = [one.influence for one in areas]
    return Area(float(np.mean([one.value for one in areas])), np.mean(influences, axis=0))


def standard_error(influence: Scores) -> float:
    """Of an area, or of a difference of areas whose influences were subtracted."""
    return float(np.sqrt(np.square(influence).sum()))


def midranks(values: Scores) -> Scores:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
