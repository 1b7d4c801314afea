"""How often drift is seen where there is none, and where there is some: our defaults beside those of others.

Per feature, on one window of n rows against a reference of 10,000; every rule sees the same rows. The others' rules are
written out from their documentation, as one feature of theirs decides:
  Evidently 0.7   above 1,000 reference rows: Wasserstein distance / standard deviation >= 0.1, or Jensen-Shannon
                  distance >= 0.1 for categories (on shares); it has no minimum of rows
  KS p < .05      what Evidently does below 1,000 rows, and what most scripts do
  PSI >= .2       on ten equal bins over both samples together, as Evidently's PSI has them
  NannyML 0.13    Jensen-Shannon distance beyond mean + 3 standard deviations of ten chunks of the reference
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from viridian.api.monitoring import Decision, Statistic
from viridian.judgement.drift import DriftCriteria, DriftReference, judge
from viridian.judgement.figures import MonitorVerdict
from viridian.training.profile import counted_on, sketch

Values = NDArray[Any]
Rule = Callable[[Values, Values], bool]
SIZES = (50, 100, 200, 500, 1000, 5000)
REFERENCE_ROWS = 10_000
PLANS = np.array([f"plan {number}" for number in range(8)])
_WEIGHTS = np.array([30, 25, 15, 10, 8, 6, 4, 2]) / 100


@dataclass(frozen=True)
class Kind:
    """A distribution, and the same after something has changed."""

    name: str
    draw: Callable[[np.random.Generator, int], Values]
    changed: Mapping[str, Callable[[np.random.Generator, int], Values]]


def _normal(chance: np.random.Generator, n: int, shift: float = 0.0) -> Values:
    return chance.normal(shift, 1.0, n)


def _lognormal(chance: np.random.Generator, n: int, shift: float = 0.0) -> Values:
    return np.exp(chance.normal(shift, 1.0, n))


def _outlier(chance: np.random.Generator, n: int, shift: float = 0.0) -> Values:
    """A row of the window holds a wrong unit."""
    values = chance.normal(shift, 1.0, n)
    if n < REFERENCE_ROWS:
        values[0] = 1e6
    return values


def _plans(chance: np.random.Generator, n: int, moved: float = 0.0, new: float = 0.0) -> Values:
    """`moved`: so much of the first plan's share goes to the last one; `new`: such a share is unknown so far."""
    weights = _WEIGHTS + moved * np.eye(len(PLANS))[-1] - moved * np.eye(len(PLANS))[0]
    drawn = chance.choice(PLANS, n, p=weights).astype(object)
    drawn[chance.random(n) < new] = "plan 9"
    return drawn


def _shifted(draw: Callable[..., Values], *shifts: float) -> Mapping[str, Callable[..., Values]]:
    return {f"shift {shift} std": lambda chance, n, by=shift: draw(chance, n, by) for shift in shifts}


KINDS = (
    Kind("normal", _normal, _shifted(_normal, 0.3, 0.6, 0.8, 1.0)),
    Kind("lognormal", _lognormal, _shifted(_lognormal, 0.6, 1.0)),
    Kind("normal, one outlier of 1e6", _outlier, _shifted(_outlier, 0.6, 1.0)),
    Kind(
        "categories",
        _plans,
        {
            "5 % of the rows moved": lambda chance, n: _plans(chance, n, moved=0.05),
            "20 % of the rows moved": lambda chance, n: _plans(chance, n, moved=0.2),
            "5 % of the rows new": lambda chance, n: _plans(chance, n, new=0.05),
        },
    ),
)


# ---- the rules


def ours(statistic: Statistic | None, decision: Decision = Decision.LOWER_BOUND) -> Rule:
    """A monitor as shipped: too few rows are no alarm."""
    criteria = DriftCriteria(statistic=statistic, decision=decision)
    known: dict[int, DriftReference] = {}

    def rule(reference: Values, current: Values) -> bool:
        if id(reference) not in known:
            known.clear()
            known[id(reference)] = DriftReference(name="the training data", sketch=sketch(reference))
        before = known[id(reference)]
        assert before.sketch is not None
        figure = judge("it", criteria, counted_on(before.sketch, current), [before])
        return figure.verdict is MonitorVerdict.FIRED

    return rule


def _wasserstein(reference: Values, current: Values) -> bool:
    return bool(stats.wasserstein_distance(reference, current) / max(reference.std(), 1e-3) >= 0.1)


def _kolmogorov(reference: Values, current: Values) -> bool:
    return bool(stats.ks_2samp(reference, current, method="asymp").pvalue < 0.05)


def _equal_bins(reference: Values, current: Values, bins: int = 10) -> tuple[Values, Values]:
    edges = np.histogram_bin_edges(np.concatenate([reference, current]), bins)
    return np.histogram(reference, edges)[0] / len(reference), np.histogram(current, edges)[0] / len(current)


def _index(reference: Values, current: Values) -> bool:
    p, q = (np.maximum(shares, 1e-4) for shares in _equal_bins(reference, current))
    return bool(np.sum((q - p) * np.log(q / p)) >= 0.2)


def _shares(reference: Values, current: Values) -> tuple[Values, Values]:
    names = sorted({*reference.tolist(), *current.tolist()})
    counted = [np.array([np.count_nonzero(values == name) for name in names]) for values in (reference, current)]
    return counted[0] / len(reference), counted[1] / len(current)


def _jensen_shannon(reference: Values, current: Values) -> bool:
    return bool(jensenshannon(*_shares(reference, current), base=2) >= 0.1)


def _chi_squared(reference: Values, current: Values) -> bool:
    p, q = _shares(reference, current)
    table = np.array([p * len(reference), q * len(current)]) + 1e-9
    return bool(stats.chi2_contingency(table).pvalue < 0.05)


def _chunks(reference: Values, current: Values) -> bool:
    """Ten chunks of the reference, as long as the window where it is long enough for that."""
    categorical = reference.dtype == object
    edges = None if categorical else np.unique(np.quantile(reference, np.linspace(0, 1, 21)))

    def distance(values: Values) -> float:
        if categorical:
            return float(jensenshannon(*_shares(reference, values), base=2))
        assert edges is not None
        p, q = (np.histogram(np.clip(part, edges[0], edges[-1]), edges)[0] for part in (reference, values))
        return float(jensenshannon(p, q, base=2))

    length = min(len(current), len(reference) // 10)
    parts = np.array_split(reference[: 10 * length], 10)
    usual = [distance(part) for part in parts]
    return distance(current) > float(np.mean(usual) + 3 * np.std(usual))


OF_NUMBERS: Mapping[str, Rule] = {
    "**Viridian** default (KS, lower bound)": ours(None),
    "Viridian MeanShift, lower bound": ours(Statistic.MEAN_SHIFT),
    "Viridian PSI, lower bound": ours(Statistic.PSI),
    "Viridian MeanShift, Point": ours(Statistic.MEAN_SHIFT, Decision.POINT),
    "Evidently default": _wasserstein,
    "KS p < .05": _kolmogorov,
    "PSI >= .2, equal bins": _index,
    "NannyML default": _chunks,
}
OF_CATEGORIES: Mapping[str, Rule] = {
    "**Viridian** default (total variation, lower bound)": ours(None),
    "Viridian NewCategories, lower bound": ours(Statistic.NEW_CATEGORIES),
    "Viridian PSI, lower bound": ours(Statistic.PSI),
    "Evidently default": _jensen_shannon,
    "chi-squared p < .05": _chi_squared,
    "NannyML default": _chunks,
}


def rates(kind: Kind, repetitions: int, seed: int) -> dict[str, dict[str, list[float]]]:
    """Situation to rule to the share of alarms by size of the window."""
    rules = OF_CATEGORIES if kind.name == "categories" else OF_NUMBERS
    found: dict[str, dict[str, list[float]]] = {}
    for situation, draw in {"nothing has changed": kind.draw, **kind.changed}.items():
        chance = np.random.default_rng(seed)
        reference = kind.draw(chance, REFERENCE_ROWS)
        alarms: dict[str, list[float]] = {name: [] for name in rules}
        for size in SIZES:
            windows = [draw(chance, size) for _ in range(repetitions)]
            for name, rule in rules.items():
                alarms[name].append(sum(rule(reference, window) for window in windows) / repetitions)
        found[situation] = alarms
    return found


def table(situation: str, alarms: Mapping[str, Sequence[float]]) -> list[str]:
    """One table of Markdown."""
    head = f"| {situation} | " + " | ".join(f"n = {size}" for size in SIZES) + " |"
    rows = [f"| {name} | " + " | ".join(f"{share:.3f}" for share in shares) + " |" for name, shares in alarms.items()]
    return [head, "|---" * (len(SIZES) + 1) + "|", *rows, ""]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judgement.drift", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=400, help="windows of each size (default: 400)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    for kind in KINDS:
        print(f"### {kind.name}: share of windows with an alarm ({chosen.repetitions} each)\n")
        for situation, alarms in rates(kind, chosen.repetitions, chosen.seed).items():
            print("\n".join(table(situation, alarms)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
