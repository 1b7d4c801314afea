"""The evaluation of a candidate on a holdout, as a stage reports it: paired differences with their intervals.

One document for all: the built-in evaluation, `training.log` and containers of users write it, and the operator reads
it in the termination message or in the tag `viridian.evaluation` of the MLflow run. The whole of it is an artifact of
that run. What of it is malformed is left out, and `problems` says why: reading never fails.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, Final

from viridian.api.metric_names import lower_is_better
from viridian.api.texts import one_line

MAX_EVALUATION_BYTES: Final = 2600
"""Of the compact form: with it, a termination message still has room for the rest of a stage's report."""
MAX_METRICS: Final = 40
MAX_SLICES: Final = 1000
MAX_PROBLEMS: Final = 8
MAX_PROBLEM_CHARACTERS: Final = 300
MAX_NAME_CHARACTERS: Final = 250
DEFAULT_CONFIDENCE: Final = 0.975
"""One-sided: 2.5 % below the lower bound and 2.5 % above the upper one, the usual 95 % interval."""
MEASURED: Final = "measured"
"""The method of numbers without noise, such as a size: they need no interval."""
EVALUATION_VARIABLE: Final = "VIRIDIAN_EVALUATION"
"""Environment variable of a stage: what the gate asks for, such as the slices."""
HOLDOUT_VARIABLE: Final = "VIRIDIAN_HOLDOUT"
"""Environment variable of the built-in evaluation: `uri`, `label` and `digest` of the holdout, as JSON."""
EVALUATION_ARTIFACT: Final = "viridian/evaluation.json"
"""Of the MLflow run: the whole document."""
SIGNIFICANT_DIGITS: Final = 6
_SMALLEST_CONFIDENCE: Final = 0.5
_TOLERANCE: Final = 1e-3
"""Rounding of each number to a few digits is no contradiction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComparison:
    """One metric of candidate and champion on the same rows."""

    candidate: float
    champion: float | None = None
    low: float | None = None
    """Lower bound of candidate - champion; None where no interval is known."""
    high: float | None = None
    relative_low: float | None = None
    """Lower bound of candidate / champion - 1."""
    relative_high: float | None = None
    method: str = ""

    @property
    def difference(self) -> float | None:
        return None if self.champion is None else self.candidate - self.champion

    @property
    def has_interval(self) -> bool:
        return self.low is not None and self.high is not None

    def document(self, *, compact: bool = False) -> dict[str, Any]:
        """`compact`: without what follows from the rest."""
        document = {
            "candidate": _rounded(self.candidate),
            "champion": _rounded(self.champion),
            "difference": None if compact else _rounded(self.difference),
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "relativeLow": _rounded(self.relative_low),
            "relativeHigh": _rounded(self.relative_high),
            "method": self.method or None,
        }
        return {key: value for key, value in document.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceComparison:
    """One metric on those rows of the holdout that have one value in one column."""

    column: str
    value: str
    metric: str
    rows: int
    compared: MetricComparison

    def document(self, *, compact: bool = False) -> dict[str, Any]:
        head = {"column": self.column, "value": self.value, "metric": self.metric, "rows": self.rows}
        short = replace(self.compared, relative_low=None, relative_high=None, method="")
        return {**head, **(short if compact else self.compared).document(compact=compact)}


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutEvaluation:
    """What one evaluation found."""

    holdout: str = ""
    """`sha256:…` of the rows."""
    rows: int = 0
    positives: int | None = None
    """Rows of the positive class; None where there are not two classes."""
    confidence: float = DEFAULT_CONFIDENCE
    """One-sided, of every bound in here."""
    metrics: Mapping[str, MetricComparison] = field(default_factory=dict)
    slices: tuple[SliceComparison, ...] = ()
    slices_tested: int = 0
    """Slices that were compared, also those that a compact form leaves out."""
    baseline: Mapping[str, MetricComparison] = field(default_factory=dict)
    """The candidate beside a constant prediction; `champion` is the constant's number there."""
    problems: tuple[str, ...] = ()

    def document(self, *, compact: bool = False) -> dict[str, Any]:
        """The JSON document; `compact` leaves out what follows from the rest."""
        head = {"digest": self.holdout or None, "rows": self.rows, "positives": self.positives}
        document: dict[str, Any] = {
            "holdout": {key: value for key, value in head.items() if value is not None},
            "confidence": self.confidence,
            "metrics": {name: one.document(compact=compact) for name, one in self.metrics.items()},
        }
        if self.slices_tested:
            document["slices"] = [one.document(compact=compact) for one in self.slices]
            document["slicesTested"] = self.slices_tested
        if self.baseline:
            document["baseline"] = {name: one.document(compact=compact) for name, one in self.baseline.items()}
        if self.problems:
            document["problems"] = [one_line(one, MAX_PROBLEM_CHARACTERS) for one in self.problems[:MAX_PROBLEMS]]
        return document

    def compact(self) -> dict[str, Any]:
        """The document that travels, of at most 2,600 bytes. Slices stay in the order of the harm that they show."""
        by_harm = sorted(self.slices, key=lambda one: p_of_drop(one.metric, one.compared, self.confidence))
        short = replace(self, slices=tuple(by_harm))
        while _bytes(short) > MAX_EVALUATION_BYTES and (less := short._with_less()) is not None:
            short = less
        return short.document(compact=True)

    def rendered(self) -> str:
        """The compact document as one line of JSON."""
        return json.dumps(self.compact(), separators=(",", ":"))

    def _with_less(self) -> HoldoutEvaluation | None:
        """Without what decides least; None where nothing is left."""
        if self.slices:
            return replace(self, slices=self.slices[:-1])
        if self.problems:
            return replace(self, problems=self.problems[:-1])
        if self.baseline:
            return replace(self, baseline=dict(list(self.baseline.items())[:-1]))
        return replace(self, metrics=dict(list(self.metrics.items())[:-1])) if self.metrics else None


def _bytes(evaluation: HoldoutEvaluation) -> int:
    return len(json.dumps(evaluation.document(compact=True), separators=(",", ":")))


def p_of_drop(metric: str, compared: MetricComparison, confidence: float) -> float:
    """One-sided p-value of *the candidate is not worse*: small where it is worse beyond the noise.

    The interval is taken as normal: its half width over the quantile of `confidence` is the standard error.
    """
    difference, low, high = compared.difference, compared.low, compared.high
    if difference is None or low is None or high is None:
        return 1.0
    drop = difference if lower_is_better(metric) else -difference
    error = (high - low) / (2 * NormalDist().inv_cdf(confidence))
    if error <= 0:
        return 0.0 if drop > 0 else 1.0
    return 0.5 * math.erfc(drop / error / math.sqrt(2))


def parse_evaluation(document: Any) -> HoldoutEvaluation | None:
    """The evaluation in a JSON document; None where there is none at all."""
    if document is None:
        return None
    if not isinstance(document, Mapping):
        return HoldoutEvaluation(problems=(f"the evaluation is a {type(document).__name__}, and must be an object",))
    return _DocumentReader().evaluation(document)


def load_evaluation(text: str) -> HoldoutEvaluation | None:
    """The evaluation in a text, as a tag holds it; None for an empty text."""
    if not text:
        return None
    try:
        return parse_evaluation(json.loads(text))
    except (ValueError, RecursionError):
        return HoldoutEvaluation(problems=("the evaluation is no JSON; was it cut?",))


class _Malformed(Exception):
    """A part that cannot be read; the message says why."""


class _DocumentReader:
    """Reads one document, and collects what is wrong with it."""

    def __init__(self) -> None:
        self._problems: list[str] = []

    def evaluation(self, document: Mapping[str, Any]) -> HoldoutEvaluation:
        holdout = document.get("holdout")
        head = holdout if isinstance(holdout, Mapping) else {}
        confidence = _number(document.get("confidence", DEFAULT_CONFIDENCE))
        known = confidence is not None and _SMALLEST_CONFIDENCE < confidence < 1
        if not known:
            self._wrong("confidence", f"is no share between {_SMALLEST_CONFIDENCE} and 1, so no interval is known")
        slices = tuple(self._slices(document.get("slices"), known))
        found = HoldoutEvaluation(
            holdout=_text(head, "digest"),
            rows=self._count(head, "rows") or 0,
            positives=self._count(head, "positives"),
            confidence=confidence if confidence is not None and known else DEFAULT_CONFIDENCE,
            metrics=dict(self._metrics(document.get("metrics"), "metrics", known)),
            slices=slices,
            slices_tested=max(self._count(document, "slicesTested") or 0, len(slices)),
            baseline=dict(self._metrics(document.get("baseline"), "baseline", known)),
        )
        return replace(found, problems=tuple(self._all_problems(document.get("problems"))))

    def _all_problems(self, reported: Any) -> Iterator[str]:
        theirs = [one for one in reported if isinstance(one, str)] if isinstance(reported, list) else []
        for problem in [*self._problems, *theirs][:MAX_PROBLEMS]:
            yield one_line(problem, MAX_PROBLEM_CHARACTERS)

    def _wrong(self, where: str, what: object) -> None:
        self._problems.append(f"evaluation.{where} {what}: it is left out")

    def _count(self, document: Mapping[str, Any], key: str) -> int | None:
        value = document.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53):
            return value
        self._wrong(key, "is no whole number of at least 0")
        return None

    def _metrics(self, found: Any, where: str, known: bool) -> Iterator[tuple[str, MetricComparison]]:
        if found is not None and not isinstance(found, Mapping):
            self._wrong(where, "is no object of metrics by name")
        entries = list(found.items()) if isinstance(found, Mapping) else []
        for name, entry in entries[:MAX_METRICS]:
            shown = one_line(str(name), MAX_NAME_CHARACTERS)
            try:
                yield shown, _comparison(entry, known)
            except _Malformed as error:
                self._wrong(f"{where}.{shown}", error)

    def _slices(self, found: Any, known: bool) -> Iterator[SliceComparison]:
        if found is not None and not isinstance(found, list):
            self._wrong("slices", "is no list")
        for number, entry in enumerate(found[:MAX_SLICES] if isinstance(found, list) else ()):
            try:
                compared = _comparison(entry, known)
                column, value, metric = (_text(entry, key) for key in ("column", "value", "metric"))
                if not column or not metric:
                    raise _Malformed("names no column or no metric")
            except _Malformed as error:
                self._wrong(f"slices[{number}]", error)
                continue
            rows = self._count(entry, "rows") or 0
            yield SliceComparison(column=column, value=value, metric=metric, rows=rows, compared=compared)


def _comparison(entry: Any, known: bool) -> MetricComparison:
    """`known`: whether its confidence is; without that, an interval says nothing."""
    if not isinstance(entry, Mapping):
        raise _Malformed("is no object with candidate and champion")
    candidate = _number(entry.get("candidate"))
    if candidate is None:
        raise _Malformed("has no finite number as candidate")
    read = {key: _number(entry.get(key)) for key in _NUMBERS}
    for key in _NUMBERS:
        if entry.get(key) is not None and read[key] is None:
            raise _Malformed(f"has no finite number as {key}")
    bounds = read if known else {}
    compared = MetricComparison(
        candidate=candidate,
        champion=read["champion"],
        low=bounds.get("low"),
        high=bounds.get("high"),
        relative_low=bounds.get("relativeLow"),
        relative_high=bounds.get("relativeHigh"),
        method=_text(entry, "method"),
    )
    contradiction = _contradiction(compared, read["difference"])
    if contradiction:
        raise _Malformed(contradiction)
    return compared


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key, "")
    return one_line(value, MAX_NAME_CHARACTERS) if isinstance(value, str) else ""


_NUMBERS: Final = ("champion", "difference", "low", "high", "relativeLow", "relativeHigh")


def _contradiction(compared: MetricComparison, reported: float | None) -> str:
    """What cannot be true of it; empty where all can."""
    difference, low, high = compared.difference, compared.low, compared.high
    if (low is None) != (high is None):
        return "has one bound without the other"
    if low is not None and difference is None:
        return "has an interval, and no champion to differ from"
    if difference is None:
        return ""
    slack = _TOLERANCE * max(abs(compared.candidate), abs(compared.champion or 0.0))
    if reported is not None and abs(reported - difference) > slack:
        return f"has the difference {reported:.6g}, and candidate - champion is {difference:.6g}"
    if low is not None and high is not None and not low - slack <= difference <= high + slack:
        return f"has the difference {difference:.6g} outside of its interval, {low:.6g} to {high:.6g}"
    return ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _rounded(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
