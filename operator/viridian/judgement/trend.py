"""The trend of a metric over windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from viridian.judgement.metrics import Measured


@dataclass(frozen=True, slots=True)
class Trend:
    """Change from one window to the next, and its standard error."""

    slope: float
    error: float


def trend(points: Sequence[tuple[int, Measured]]) -> Trend | None:
    """The straight line through (number of the window, metric); None for fewer than three windows.

    Least squares, each window weighted by its own standard error. Where the windows scatter around the line by more
    than those errors explain, the error of the slope grows with it (Birge's ratio).
    """
    if len(points) < 3:
        return None
    # A window in which all rows agree has an error of 0, which must not outweigh all others.
    least = max((measured.error for _, measured in points), default=0.0) / 10 or 1.0
    weights = [1 / max(measured.error, least) ** 2 for _, measured in points]
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
    known = any(measured.error > 0 for _, measured in points)
    birge = math.sqrt(scatter / (len(points) - 2))
    return Trend(slope, (max(1.0, birge) if known else birge) / math.sqrt(width))
