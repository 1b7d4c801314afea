"""Rows that requests may hold and the holdout does not: what the signature lets in, at its edges and beyond the known.

Each changes one column of a known row, or several. Nothing here is random: the same rows make the same probes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, zip_longest
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viridian.training.rows import EXACT, DatasetColumn, Rows

MOST_CHANGED: Final = 1000
"""Rows of which one column is changed; the more columns there are, the fewer changes has each."""
MOST_KNOWN: Final = 200
"""Rows of the training that are asked as they are."""
MOST_COMBINED: Final = 150
_FEW: Final = 10
_BASES_OF_A_GAP: Final = 8
_QUANTILES: Final = 6
_MOST_NAMES: Final = 60
_LARGE: Final = 1e6
"""Two such numbers in one row would only show the rounding of sums."""
_SEED: Final = 20260101

_STRANGE: Final = (
    "größer straße",
    "İstanbul ıƒ",
    "日本語",
    "🙂",
    "Ελλάδα Σ",
    "e\u0301te\u0301",
    "ﬁne",
    "naïve Ünïcode",
)
_UNKNOWN: Final = ("viridian-unknown", "0", "1.5", "nan", "None", "null", "true", "a b c")

Value = tuple[str, Any]
"""What kind of value it is, for people, and the value."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A known row with other values in some columns."""

    base: int
    """Which of the known rows."""
    changes: Mapping[str, Any]
    what: str
    """Names columns and kinds of values, never a value that somebody has sent."""

    @property
    def size(self) -> float:
        """The greatest of the numbers that were changed, whatever their signs."""
        return max((_size(value) for value in self.changes.values()), default=0.0)


@dataclass(frozen=True, slots=True)
class Probes:
    rows: Rows
    what: tuple[str, ...]
    size: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.what)


def changed(known: Rows, bases: int, edges: Mapping[str, NDArray[np.float64]]) -> list[Probe]:
    """One of so many rows with one column changed, or with every gap at once.

    `known` are rows whose values are known, and `edges` numbers at which answers change.
    """
    columns = known.columns
    share = max(2, MOST_CHANGED // len(columns))
    probes: list[Probe] = []
    for place, column in enumerate(columns):
        found = _values(column, known.values[column.name], edges.get(column.name, np.empty(0)))
        if share < _FEW:
            # Of many columns each has few changes: other ones than its neighbours.
            turn = place % len(found)
            found = found[turn:] + found[:turn]
        for number, (what, value) in enumerate(found[:share]):
            base = (place * 31 + number * 7) % bases
            probes.append(Probe(base, {column.name: value}, f"{what} in {column.name!r}"))
        if not column.required:
            places = range(place, place + min(share, _BASES_OF_A_GAP))
            probes += [Probe(at % bases, {column.name: None}, f"no value in {column.name!r}") for at in places]
    optional = {column.name: None for column in columns if not column.required}
    everywhere = "no value in any column that may have none"
    gaps = [Probe(at % bases, optional, everywhere) for at in range(_BASES_OF_A_GAP) if optional]
    return [*_spaced(probes, 2 * MOST_CHANGED), *gaps]


def combined(probes: Sequence[Probe], bases: int) -> list[Probe]:
    """Rows with several of these changes at once: of those that the estimator answers, without the largest."""
    pools: dict[str, list[Any]] = {}
    for probe in probes:
        if len(probe.changes) == 1 and probe.size < _LARGE:
            ((name, value),) = probe.changes.items()
            pools.setdefault(name, []).append(value)
    if len(pools) < 2:
        return []
    chance = np.random.default_rng(_SEED)
    made = []
    for number in range(MOST_COMBINED):
        some = [name for name in pools if chance.random() < 0.5]
        changes = {name: pools[name][int(chance.integers(len(pools[name])))] for name in some}
        made.append(Probe(number % bases, changes, "unusual values in several columns"))
    return made


def some_of(rows: Rows, most: int = MOST_KNOWN) -> Rows:
    """So many rows at most, from the first to the last."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64))
    return rows.take(chosen)


def as_rows(probes: Sequence[Probe], bases: Rows) -> Rows:
    """The rows that the probes stand for."""
    taken = bases.take(np.array([probe.base for probe in probes], np.int64))
    values = {}
    for column in bases.columns:
        vector = taken.values[column.name].copy()
        if not column.required and vector.dtype == np.bool_:
            vector = vector.astype(object)
        for place, probe in enumerate(probes):
            if column.name in probe.changes:
                value = probe.changes[column.name]
                vector[place] = np.nan if value is None and column.numeric else value
        values[column.name] = vector
    return Rows(bases.columns, values)


def named(probes: Sequence[Probe], bases: Rows) -> Probes:
    """The rows, with what is unusual about each."""
    sizes = np.array([probe.size for probe in probes], np.float64)
    return Probes(as_rows(probes, bases), tuple(probe.what for probe in probes), sizes)


def _size(value: Any) -> float:
    return abs(float(value)) if isinstance(value, float | int) else 0.0


def _values(column: DatasetColumn, known: NDArray[Any], edges: NDArray[np.float64]) -> list[Value]:
    """Values of the column that are unlike the known ones, the more telling kinds first."""
    if column.type == "boolean":
        return [("true", True), ("false", False)]
    if column.type == "string":
        return _texts(sorted({value for value in known.tolist() if value is not None}))
    numbers = np.unique(known[np.isfinite(known)])
    kinds = _whole(numbers) if column.type == "long" else _fractions(numbers, edges)
    return [(what, value) for what, value in _in_turn(kinds) if column.type != "long" or abs(value) < EXACT]


def _in_turn(kinds: Mapping[str, Sequence[Any]]) -> Iterator[Value]:
    """One of each kind, then the next of each."""
    missing = object()
    for values in zip_longest(*kinds.values(), fillvalue=missing):
        for what, value in zip(kinds, values, strict=True):
            if value is not missing:
                yield what, value


def _spaced(values: Sequence[Any], most: int) -> list[Any]:
    if not len(values):
        return []
    places = np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).astype(np.int64))
    return [values[place] for place in places.tolist()]


def _texts(known: Sequence[str]) -> list[Value]:
    some = _spaced(known, 4)
    joined = [sign.join(some[:2]) for sign in (" ", ",", "-", "\t", "_", ". ") if len(some) > 1]
    repeated = [f"{text} " * (1 + 2000 // (1 + len(text))) for text in some[:1]]
    kinds: dict[str, Sequence[Any]] = {
        "an unknown text": _UNKNOWN,
        "the empty text": ["", " "],
        "letters beyond ASCII": [*_each(some, _accented), *_STRANGE, *_each(some, _decomposed)],
        "a known text in other letters": [
            *_each(some, str.upper),
            *_each(some, str.lower),
            *_each(some, str.title),
        ],
        "blanks around a known text": [*_each(some, " {} ".format), *_each(some, "{}\n".format)],
        "known texts joined": joined,
        "a known text": _spaced(known, _MOST_NAMES),
        "a very long text": ["x" * 5000, *repeated],
    }
    return list(_in_turn(kinds))


def _each(texts: Sequence[str], change: Callable[[str], str]) -> list[str]:
    return [change(text) for text in texts]


def _accented(text: str) -> str:
    """With an accent on its first letter; at its end where none can have one."""
    for place, letter in enumerate(text):
        composed = unicodedata.normalize("NFC", letter + "\u0301")
        if len(composed) == 1:
            return text[:place] + composed + text[place + 1 :]
    return f"{text}é"


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", _accented(text))


def _whole(known: NDArray[np.float64]) -> dict[str, Sequence[Any]]:
    numbers = [int(value) for value in known]
    some = _spaced(numbers, _QUANTILES)
    least, greatest = numbers[0], numbers[-1]
    outside = [least - 1, greatest + 1, 2 * least - greatest, 2 * greatest - least + 7]
    between = [(one + other) // 2 for one, other in _neighbours(numbers) if other - one > 1]
    beside = [value + step for value in some for step in (1, 3, -1)]
    return {
        "zero or one": [0, 1],
        "a whole number beside a known one": beside,
        "a whole number between known ones": between,
        "a number below or above the known ones": outside,
        "a negative number": [-1, -7, -1000],
        "a whole number beyond 24 bits": [2**24 + 1, 2**31 - 1, -(2**31), -(2**24) - 1],
        "a known number": _spaced(numbers, _MOST_NAMES),
        "a whole number of up to 53 bits": [2**40 + 1, EXACT - 1, 1 - EXACT],
    }  # fmt: skip


def _fractions(known: NDArray[np.float64], edges: NDArray[np.float64]) -> dict[str, Sequence[Any]]:
    numbers = known.tolist() or [0.0]
    some = _spaced(numbers, _QUANTILES)
    least, greatest = numbers[0], numbers[-1]
    far = 10.0 * max(greatest - least, abs(greatest), abs(least), 1.0)
    between = [one + (other - one) / 2 for one, other in _neighbours(numbers)]
    nearer = [one + (other - one) * 0.3 for one, other in _neighbours(numbers)]
    beside = [float(np.nextafter(value, side)) for value in some for side in (np.inf, -np.inf)]
    return {
        "zero": [0.0, -0.0],
        "a number between known ones": list(chain(*zip(between, nearer, strict=True))),
        "a number just beside a known one": beside,
        "a number just beside the threshold of a tree": _beside_edges(edges),
        "a number close to a known one": [value + step for value in some for step in (1.0, 3.0, -1.0)],
        "a number below or above the known ones": [least - 1.0, greatest + 1.0, least - far, greatest + far],
        "a negative number": [-1.0, -0.5, -1000.0],
        "a small number": [1.0, 0.5, 1e-8, -1e-8, 1e-40, 1e-300, 5e-324],
        "a large number": [
            1e6 + 0.5,
            2.0**24 + 1,
            1e8 + 3,
            2.0**53,
            -1e10,
            -1e15,
            1e20,
            1e30,
            -1e30,
            3e38,
            1e300,
            -1e300,
        ],
        "a known number": _spaced(numbers, _MOST_NAMES),
    }


def _neighbours(numbers: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Pairs of known numbers with none between, over the whole range."""
    return _spaced(list(pairwise(numbers)), _QUANTILES)


def _beside_edges(edges: NDArray[np.float64]) -> list[float]:
    """On both sides of each edge, as numbers of 64 bits and of 32 distinguish them."""
    found: list[float] = []
    for edge in _spaced(np.unique(edges[np.isfinite(edges)]).tolist(), _QUANTILES):
        single = np.float32(edge)
        with np.errstate(all="ignore"):
            sides = [np.nextafter(single, np.float32(side)) for side in (np.inf, -np.inf)]
        found += [float(edge), *(float(np.nextafter(edge, side)) for side in (np.inf, -np.inf)), float(single)]
        found += [float(side) for side in sides if np.isfinite(side)]
    return found
