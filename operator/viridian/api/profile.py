"""Histograms of what a model was trained on, and of what it meets: one document for both.

The training data fixes the bins: a reference profile ships with the model version (`viridian/profile.json`). The server
counts live rows on the same bins, so live profiles of pods and of hours merge by adding, and are compared with the
reference bin by bin. Privacy: counts, moments and the category names of the reference; never a row.

Bins of numbers: with edges e[0] < … < e[k-1] there are k+1 bins; bin 0 holds x <= e[0], bin i holds e[i-1] < x <= e[i],
the last one holds x > e[k-1]. Infinite values fall into the outer bins and are left out of the moments; NaN, null and
an absent column count as missing. True and false are the categories "true" and "false".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

PROFILE_PATH: Final = "viridian/profile.json"
"""Where a version keeps its reference profile; the manifest names it, so its signature covers it."""
BUNDLE_PATH: Final = "/bundle"
"""On a server's management port, `GET {BUNDLE_PATH}/{path}` for PROFILE_PATH and for the manifest: the file as it lies
in the version, so that who knows the version's digest can verify it. 404 where the version has no such file."""
MAX_EDGES: Final = 50
MAX_CATEGORIES: Final = 100
MAX_FEATURES: Final = 2_000
SCORE_GRID: Final = 0.05
"""Scores of a model with two classes have edges next to its multiples, beside their quantiles."""


class Task(StrEnum):
    """What the model predicts."""

    BINARY = "Binary"
    """A score, the probability of the positive class, and a label."""
    MULTICLASS = "Multiclass"
    REGRESSION = "Regression"


class Numbers(msgspec.Struct, frozen=True, kw_only=True, tag="numbers", tag_field="kind"):
    """Values on a line."""

    edges: tuple[float, ...]
    """Strictly rising, at most MAX_EDGES; of a reference, its distinct quantiles."""
    counts: tuple[int, ...]
    """One more than edges."""
    missing: int = 0
    mean: float = 0.0
    """Of the finite values; 0 where there are none."""
    m2: float = 0.0
    """Sum of squared deviations from the mean."""
    finite: int = 0
    """How many values mean and m2 are made of."""
    minimum: float | None = None
    maximum: float | None = None


class Categories(msgspec.Struct, frozen=True, kw_only=True, tag="categories", tag_field="kind"):
    """Values by name."""

    names: tuple[str, ...]
    """The most frequent ones of the reference, at most MAX_CATEGORIES, the most frequent first.

    Where the reference has other values as well, its names are chosen by one half of the rows and all that is counted
    (`counts`, `other`, `missing`) is of the other half.
    """
    counts: tuple[int, ...]
    """One for each name."""
    other: int = 0
    """Values that the reference knows, but too rarely for a bin of their own. Of live data: values not in `names`."""
    missing: int = 0


Sketch = Numbers | Categories


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Sketches of some rows, by feature."""

    features: dict[str, Sketch]
    prediction: Sketch
    """Binary: the score. Multiclass: the predicted class as a category. Regression: the value.

    Edges of scores that take many values are quantiles together with those next to the threshold and to the multiples
    of SCORE_GRID: the expected performance is estimated from live scores, which may go where the holdout had few.
    """
    rows: int
    """Rows that the predictions were counted of."""
    sampled: int
    """Rows that the features were counted of; the same unless the server samples them."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How scores and labels went together on the holdout: one entry for each bin of the scores' sketch."""

    rows: tuple[int, ...]
    scores: tuple[float, ...]
    """Sum of the scores in the bin."""
    positives: tuple[int, ...]


class ReferenceProfile(msgspec.Struct, frozen=True, kw_only=True):
    """`viridian/profile.json`: what the model was trained on, and how it did on its holdout."""

    version: int = 1
    task: Task
    classes: tuple[str, ...] = ()
    """Binary: negative, positive. Empty for regression."""
    threshold: float = 0.5
    """Binary: a score above it is labelled positive."""
    profile: Profile
    """Features of the training rows; predictions of the holdout, which the model has not seen."""
    label: Sketch
    """The target in the training rows."""
    metrics: dict[str, float] = {}
    """On the holdout, by the names of viridian.api.performance."""
    holdout_rows: int = 0
    calibration: Calibration | None = None
    """Binary only."""
