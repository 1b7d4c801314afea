"""The trend of a metric over windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from viridian.judgement.figures import SIGMAS
from viridian.judgement.metrics import Measured


@dataclass(frozen=True, slots=True)
class Trend:
    """Change from one window to the next, and its standard error."""

    slope: float
    error: float
    allowance: float
    """What chance hardly ever makes of a slope of 0."""


def trend(points: Sequence[tuple[int, Measured]]) -> Trend | None:
    """The straight line through (number of the window, metric); None for fewer than three windows.

    Least squares, each window weighted by its own standard error. Where the windows scatter around the line by more
    than those errors explain, the error of the slope grows with it (Birge's ratio).
    """
    if len(points) < 3:
        return None
    # A window in which all rows agree has an error of 0, which must not outweigh all others.
    smallest_error = max((measured.error for _, measured in points), default=0.0) / 10 or 1.0
    weights = [1 / max(measured.error, smallest_error) ** 2 for _, measured in points]
    whole = sum(weights)
    mean_x = sum(weight * x for weight, (x, _) in zip(weights, points, strict=True)) / whole
    mean_y = sum(weight * measured.value for weight, (_, measured) in zip(weights, points, strict=True)) / whole
    width = sum(weight * (x - mean_x) ** 2 for weight, (x, _) in zip(weights, points, strict=True))
    if width <= 0:
        return None
    slope = (
        sum(weight * (x - mean_x) * (m.value - mean_y) for weight, (x, m) in zip(weights, points, strict=True)) / width
    )
    scatter = sum(
        weight * (m.value - mean_y - slope * (x - mean_x)) ** 2 for weight, (x, m) in zip(weights, points, strict=True)
    )
    freedom = len(points) - 2
    sure = 1.0 if any(measured.error > 0 for _, measured in points) else 0.0
    birge = math.sqrt(scatter / freedom)
    allowance = max(SIGMAS * sure, _student(freedom) * birge)
    return Trend(slope, max(sure, birge) / math.sqrt(width), allowance / math.sqrt(width))


def _student(freedom: int) -> float:
    """As many standard errors as SIGMAS are where the error itself is only known from so few points.

    Student's t by the expansion of Fisher and Cornish (1960), as in Abramowitz and Stegun, 26.7.5: a tenth too small
    for two degrees of freedom, a fortieth for three, right for more.
    """
    z, n = SIGMAS, freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4)
    )
