"""Windows of the model `churn` for tests of monitors: ages, plans and scores, drawn by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from tests.support.sketches import categories, classified, edges_of, numbers, profile
from viridian.api.feedback import Window
from viridian.api.monitoring import Monitoring
from viridian.api.performance import Performance
from viridian.api.profile import Calibration, Profile, ReferenceProfile, Sketch, Task

HOUR = 3600.0
CLASSES = ("stays", "leaves")
PLANS = ("basic", "plus")
_CHANCE = random.Random(12)
_AGES = [_CHANCE.gauss(45, 10) for _ in range(4000)]
_SCORES = [_CHANCE.betavariate(2, 3) for _ in range(4000)]
_OLDER_AGES = [_CHANCE.gauss(42, 11) for _ in range(4000)]
_OLDER_SCORES = [_CHANCE.betavariate(2, 4) for _ in range(4000)]
AGE_EDGES, SCORE_EDGES = edges_of(_AGES), edges_of(_SCORES)


@cache
def served(
    rows: int = 2000,
    *,
    shift: float = 0.0,
    missing: float = 0.0,
    new_plans: float = 0.0,
    score_shift: float = 0.0,
    seed: int = 1,
    older: bool = False,
) -> Profile:
    """What so many requests looked like; `shift` is in standard deviations of the training data.

    `older`: on the bins of a version that was trained on other data.
    """
    age_edges, score_edges = (edges_of(_OLDER_AGES), edges_of(_OLDER_SCORES)) if older else (AGE_EDGES, SCORE_EDGES)
    chance = random.Random(seed)
    ages = [None if chance.random() < missing else chance.gauss(45 + 10 * shift, 10) for _ in range(rows)]
    plans = ["new" if chance.random() < new_plans else chance.choice(PLANS) for _ in range(rows)]
    scores = [min(1.0, max(0.0, chance.betavariate(2, 3) + score_shift)) for _ in range(rows)]
    features: dict[str, Sketch] = {"age": numbers(ages, age_edges), "plan name": categories(plans, PLANS)}
    return profile(features, numbers(scores, score_edges), rows)


def outcomes(rows: int, accuracy: float) -> Performance:
    """Half of the predictions have an outcome, and so many of those are right."""
    right = round(rows * accuracy)
    actual = [CLASSES[row % 2] for row in range(rows)]
    predicted = [label if row < right else CLASSES[1 - CLASSES.index(label)] for row, label in enumerate(actual)]
    return Performance(predicted=2 * rows, labelled=rows, joined=classified(actual, predicted, CLASSES))


REFERENCE = ReferenceProfile(
    task=Task.BINARY,
    classes=CLASSES,
    profile=profile(
        {"age": numbers(_AGES, AGE_EDGES), "plan name": categories([*PLANS] * 2000, PLANS)},
        numbers(_SCORES, SCORE_EDGES),
        4000,
    ),
    label=categories([*CLASSES] * 2000, CLASSES),
    metrics={"accuracy": 0.9, "auc": 0.95},
    holdout_rows=4000,
    calibration=Calibration(rows=(2000, 2000), scores=(500.0, 1500.0), positives=(500, 1500)),
)


def window(start: float, *, revision: str = "r1", length: float = HOUR, **parts: Any) -> Window:
    """One window; `accuracy` and `labels` say what is known of outcomes, the rest is for `served`."""
    labels, accuracy = parts.pop("labels", 0), parts.pop("accuracy", 0.9)
    silent = parts.pop("silent", False)
    return Window(
        revision=revision,
        version="1",
        start=start,
        end=start + length,
        profile=None if silent else served(**parts),
        performance=outcomes(labels, accuracy) if labels else Performance(predicted=0, labelled=0),
    )


def monitoring(*monitors: dict[str, Any], **more: Any) -> Monitoring:
    """As a user writes it."""
    return msgspec.convert({"monitors": list(monitors), **more} if monitors else more, Monitoring)


def in_a_row(end: float, parts: Sequence[dict[str, Any]], length: float = HOUR) -> list[Window]:
    """Windows that end one after the other, the last one then."""
    return [window(end - (len(parts) - number) * length, length=length, **part) for number, part in enumerate(parts)]
