"""Where nothing has changed, a feature fires in one window of 740 at most: of whatever kind it is, at any threshold.

The trainer's own reference and the server's own bins; `benchmarks.judgement.false_alarms` measures more of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from viridian.api.monitoring import Decision, Statistic
from viridian.judgement import shifts
from viridian.judgement.drift import Question, Reference, judge
from viridian.judgement.figures import Effect, Verdict
from viridian.training.profile import counted_on, sketch

Chance = np.random.Generator
Draw = Callable[[Chance, int], NDArray[Any]]
PROMISED = 1 / 740
SIZES = ((200, 5000), (1000, 500), (5000, 2000))
ROUNDS = 25


def equally_frequent(values: int) -> Draw:
    return weighted(np.ones(values))


def weighted(weights: NDArray[Any]) -> Draw:
    names = np.array([f"v{number}" for number in range(len(weights))], dtype=object)
    ends = np.cumsum(weights / weights.sum())
    ends[-1] = 1.0
    return lambda chance, n: names[np.searchsorted(ends, chance.random(n), side="right")]


def rarely(share: float, rare: float = 5.0) -> Draw:
    return lambda chance, n: np.where(chance.random(n) < share, rare, 3.0)


def with_gaps(draw: Draw, share: float) -> Draw:
    return lambda chance, n: np.where(chance.random(n) < share, np.nan, draw(chance, n))


CATEGORIES: dict[str, Draw] = {
    **{f"{values} equally frequent": equally_frequent(values) for values in (2, 20, 110, 150, 300, 1000, 10_000)},
    "Zipf": weighted(1 / np.arange(1, 3000)),
    "geometric": weighted(0.9 ** np.arange(200)),
    "four and many misspellings": weighted(np.array([0.3, 0.3, 0.2, 0.19] + [1e-5] * 1000)),
    "one, nearly always": weighted(np.array([0.999, 0.001])),
    "flags": lambda chance, n: chance.random(n) < 0.3,
}
NUMBERS: dict[str, Draw] = {
    "normal": lambda chance, n: chance.normal(size=n),
    "constant": lambda chance, n: np.full(n, 3.0),  # noqa: ARG005 - nothing is drawn
    "one row in a thousand differs": rarely(0.001),
    "few values": lambda chance, n: chance.choice([0.0, 1.0, 2.0], n, p=[0.9, 0.08, 0.02]),
    "rounded": lambda chance, n: np.round(2 * chance.normal(size=n)) / 2,
    "Cauchy": lambda chance, n: chance.standard_cauchy(n),
    "Pareto": lambda chance, n: chance.pareto(1.1, n),
    "lognormal": lambda chance, n: chance.lognormal(0, 3, n),
    "sparse": lambda chance, n: np.where(chance.random(n) < 0.99, 0.0, chance.lognormal(size=n)),
    "some missing": with_gaps(rarely(0.3), 0.01),
    "half missing": with_gaps(lambda chance, n: chance.normal(size=n), 0.5),
}


def effects(draw: Draw, statistic: Statistic) -> list[Effect]:
    """Of windows against references of their own: an unlucky reference would otherwise count many times."""
    chance, found = np.random.default_rng(11), []
    for rows, window in SIZES:
        for _ in range(ROUNDS):
            reference = sketch(draw(chance, rows))
            current = counted_on(reference, draw(chance, window))
            if shifts.counted(statistic, reference):
                found.append(shifts.MEASURES[statistic](reference, current))
    return found


def allowed(windows: int) -> float:
    """What the promise lets through in all but one of ten thousand such tests."""
    return float(stats.binom.ppf(0.9999, windows, PROMISED))


@pytest.mark.parametrize("kind", CATEGORIES)
@pytest.mark.parametrize("statistic", [Statistic.NEW_CATEGORIES, Statistic.TOTAL_VARIATION, Statistic.PSI])
def test_of_categories(kind: str, statistic: Statistic) -> None:
    found = effects(CATEGORIES[kind], statistic)
    assert sum(effect.bound > 0 for effect in found) <= allowed(len(found))
    assert sum(not effect.by_chance for effect in found) <= allowed(len(found))


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("statistic", [Statistic.MEAN_SHIFT, Statistic.KS, Statistic.PSI, Statistic.MISSING])
def test_of_numbers(kind: str, statistic: Statistic) -> None:
    found = effects(NUMBERS[kind], statistic)
    assert sum(effect.bound > 0 for effect in found) <= allowed(len(found))
    assert sum(not effect.by_chance for effect in found) <= allowed(len(found))


# ---- as shipped


def verdicts(draw: Draw, changed: Draw, *, rows: int, window: int, **asked: Any) -> set[Verdict]:
    chance, found = np.random.default_rng(12), set()
    for _ in range(10):
        reference = Reference(name="the training data", sketch=sketch(draw(chance, rows)))
        assert reference.sketch is not None
        current = counted_on(reference.sketch, changed(chance, window))
        found.add(judge("shop", Question(**asked), current, [reference]).verdict)
    return found


@pytest.mark.parametrize("decision", Decision)
@pytest.mark.parametrize("values", [150, 300, 1000])
def test_many_values_that_are_as_before_never_fire(values: int, decision: Decision) -> None:
    same = equally_frequent(values)
    for statistic in (None, Statistic.NEW_CATEGORIES):
        found = verdicts(same, same, rows=5000, window=2000, statistic=statistic, decision=decision)
        assert Verdict.FIRED not in found


@pytest.mark.parametrize("values", [20, 150, 300])
def test_new_ones_among_many_values_are_found(values: int) -> None:
    before = equally_frequent(values)

    def changed(chance: Chance, n: int) -> NDArray[Any]:
        return np.where(chance.random(n) < 0.1, "never seen", before(chance, n))

    found = verdicts(before, changed, rows=20_000, window=5000, statistic=Statistic.NEW_CATEGORIES)
    assert found == ({Verdict.FIRED} if values < 300 else {Verdict.QUIET, Verdict.FIRED})


def test_every_row_another_one_is_no_verdict() -> None:
    def ids(chance: Chance, n: int) -> NDArray[Any]:
        return chance.integers(0, 1 << 62, n).astype(str).astype(object)

    assert verdicts(ids, ids, rows=5000, window=2000) == {Verdict.INSUFFICIENT_DATA}


def test_what_only_grows_has_changed() -> None:
    """A time, or a number that counts up: no window is like the training data."""
    assert verdicts(
        lambda chance, n: 1e9 + np.sort(chance.random(n)) * 1e6,
        lambda chance, n: 1e9 + 1e6 + np.sort(chance.random(n)) * 1e4,
        rows=5000, window=2000,
    ) == {Verdict.FIRED}  # fmt: skip
