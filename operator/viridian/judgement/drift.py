"""Has a distribution moved away from a reference? The verdict about one feature, or about the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from viridian.api.monitoring import Decision, Statistic
from viridian.api.profile import Categories, Numbers, Sketch
from viridian.judgement import distances
from viridian.judgement.figures import EffectSize, Figure, MonitorVerdict, exceeds, format_number, format_percent
from viridian.judgement.hysteresis import lasting
from viridian.judgement.merging import ShapesDiffer

THRESHOLDS: Final[Mapping[Statistic, float]] = {
    Statistic.MEAN_SHIFT: 0.5,
    Statistic.KS: 0.2,
    Statistic.PSI: 0.2,
    Statistic.MISSING: 0.05,
    Statistic.NEW_CATEGORIES: 0.01,
    Statistic.TOTAL_VARIATION: 0.1,
}
"""Where the user names none."""
MIN_SAMPLES: Final[Mapping[Decision, int]] = {Decision.POINT: 100, Decision.LOWER_BOUND: 500}
"""Where the user names none."""
FLOOR: Final[Mapping[Decision, int]] = {Decision.POINT: 100, Decision.LOWER_BOUND: 200}
"""Below this nothing is judged, whatever the user writes."""
REFERENCE_FLOOR: Final = 100

_SENTENCES: Final[Mapping[Statistic, str]] = {
    Statistic.MEAN_SHIFT: "the mean has moved by {} standard deviations",
    Statistic.KS: "the cumulative shares (KS) differ by {}",
    Statistic.PSI: "the population stability index is {}",
    Statistic.MISSING: "the share of missing values has changed by {}",
    Statistic.NEW_CATEGORIES: "the share of values without a known category has grown by {}",
    Statistic.TOTAL_VARIATION: "the shares of the categories (total variation) differ by {}",
}
_BY_NAME: Final = (Statistic.PSI, Statistic.NEW_CATEGORIES, Statistic.TOTAL_VARIATION)
"""Of categories they compare the shares of names."""
_IN_PERCENT: Final = (Statistic.MISSING, Statistic.NEW_CATEGORIES, Statistic.TOTAL_VARIATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftCriteria:
    """What counts as drift."""

    statistic: Statistic | None = None
    """None: what suits the values."""
    threshold: float | None = None
    decision: Decision = Decision.LOWER_BOUND
    min_samples: int | None = None

    @property
    def required_samples(self) -> int:
        """Fewer values than this give no verdict."""
        return max(self.min_samples or MIN_SAMPLES[self.decision], FLOOR[self.decision])


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReference:
    """What the present values are compared with."""

    name: str
    """As it stands in a sentence: "the training data"."""
    sketch: Sketch | None
    absent: str = ""
    """Why there is none, for people."""


def judge(
    feature: str, criteria: DriftCriteria, current: Sketch | None, references: Sequence[DriftReference]
) -> Figure:
    """The figure of one feature: it has drifted when it differs from every reference.

    Numbers and sentence are those of the first reference that it does not differ from, else of the first one.
    """
    figures = [_compare(feature, criteria, current, reference) for reference in references]
    if len(figures) > 1:
        least = _least([figure.decisive for figure in figures])
        least_lasting = _least([figure.lasting for figure in figures])
        figures = [replace(figure, decisive=least, lasting=least_lasting) for figure in figures]
    for verdict in (MonitorVerdict.INSUFFICIENT_DATA, MonitorVerdict.QUIET):
        if found := next((figure for figure in figures if figure.verdict is verdict), None):
            return found
    return figures[0]


def _least(numbers: Sequence[float | None]) -> float | None:
    """The smallest of the numbers, one for each reference: a threshold must be exceeded against every reference."""
    known = [number for number in numbers if number is not None]
    return min(known) if len(known) == len(numbers) else None


def can_judge(criteria: DriftCriteria, sketch: Sketch) -> bool:
    """Whether the criteria apply to such values."""
    return distances.applies(statistic_for(criteria, sketch), sketch)


def statistic_for(criteria: DriftCriteria, sketch: Sketch) -> Statistic:
    """The statistic of the criteria, or the one that suits the values."""
    usual = Statistic.KS if isinstance(sketch, Numbers) else Statistic.TOTAL_VARIATION
    return criteria.statistic or usual


def _compare(feature: str, criteria: DriftCriteria, current: Sketch | None, reference: DriftReference) -> Figure:
    known = reference.sketch or current
    if known is None:
        return _unknown(feature, criteria, reference.absent or "nothing was counted in this window")
    statistic = statistic_for(criteria, known)
    reference_samples = distances.counted(statistic, reference.sketch) if reference.sketch else 0
    samples = distances.counted(statistic, current) if current else 0
    problem = _missing_data(statistic, criteria, current, reference, samples, reference_samples)
    if problem or current is None or reference.sketch is None:
        return _unknown(feature, criteria, problem, statistic, samples, reference_samples)
    try:
        effect = distances.MEASURES[statistic](reference.sketch, current)
    except ShapesDiffer as why:
        return _unknown(
            feature,
            criteria,
            f"it cannot be compared with {reference.name}: {why}",
            statistic,
            samples,
            reference_samples,
        )
    threshold = THRESHOLDS[statistic] if criteria.threshold is None else criteria.threshold
    verdict = _verdict(effect, threshold, criteria.decision)
    number = format_percent if statistic in _IN_PERCENT else format_number
    found = lasting(effect.value, effect.bound, threshold, criteria.decision, by_chance=effect.by_chance)
    return Figure(
        feature=feature,
        measure=statistic.value,
        verdict=verdict,
        value=effect.value,
        bound=effect.bound,
        threshold=threshold,
        decisive=_decisive(effect, criteria.decision),
        lasting=found.number if found else None,
        quiet_when=f"at {number(found.level)} or less" if found else "",
        samples=samples,
        reference_samples=reference_samples,
        sentence=_sentence(
            feature, statistic, criteria.decision, effect, threshold, verdict, samples, reference_samples, reference
        ),
    )


def _verdict(effect: EffectSize, threshold: float, decision: Decision) -> MonitorVerdict:
    decisive = _decisive(effect, decision)
    if decisive is not None:
        return MonitorVerdict.FIRED if exceeds(decisive, threshold) else MonitorVerdict.QUIET
    return MonitorVerdict.INSUFFICIENT_DATA if exceeds(effect.value, threshold) else MonitorVerdict.QUIET


def _decisive(effect: EffectSize, decision: Decision) -> float | None:
    """What is compared with the threshold; None for a number that chance alone explains, which never fires."""
    if decision is Decision.LOWER_BOUND:
        return effect.bound
    return None if effect.by_chance else effect.value


def _missing_data(
    statistic: Statistic,
    criteria: DriftCriteria,
    current: Sketch | None,
    reference: DriftReference,
    samples: int,
    reference_samples: int,
) -> str:
    """Why there can be no verdict, empty where there can."""
    if reference.sketch is None:
        return reference.absent or f"there is nothing known of {reference.name}"
    if not distances.applies(statistic, reference.sketch):
        kind = "numbers" if isinstance(reference.sketch, Numbers) else "categories"
        return f"{statistic} says nothing about {kind}: choose another statistic for it"
    if current is None:
        return "nothing was counted in this window"
    if statistic in _BY_NAME and isinstance(reference.sketch, Categories) and not reference.sketch.names:
        return (
            "no value of it is frequent enough in the training data to be compared by name, as with ids and free "
            f"text: name the other features in features, or use statistic: {Statistic.MISSING}"
        )
    if samples < criteria.required_samples:
        return f"{samples} values in this window, {criteria.required_samples} are needed"
    if reference_samples < REFERENCE_FLOOR:
        return (
            f"{reference.name} {'have' if reference.name.endswith('data') else 'has'} {reference_samples} values, "
            f"{REFERENCE_FLOOR} are needed"
        )
    if statistic is Statistic.NEW_CATEGORIES and isinstance(reference.sketch, Categories):
        rare, most = reference.sketch.other / reference_samples, THRESHOLDS[statistic]
        if not exceeds(1 - rare, most if criteria.threshold is None else criteria.threshold):
            return (
                f"{format_percent(rare)} of {reference.name} have values that are too rare for a name of their own, so "
                f"new ones cannot be distinguished from them: choose another statistic for it"
            )
    return ""


def _unknown(
    feature: str,
    criteria: DriftCriteria,
    why: str,
    statistic: Statistic | None = None,
    samples: int = 0,
    reference_samples: int = 0,
) -> Figure:
    measure = statistic or criteria.statistic
    return Figure(
        feature=feature,
        measure=measure.value if measure else "",
        verdict=MonitorVerdict.INSUFFICIENT_DATA,
        sentence=f"{feature}: {why}" if feature else why,
        threshold=criteria.threshold if criteria.threshold is not None else THRESHOLDS[measure] if measure else None,
        samples=samples,
        reference_samples=reference_samples,
    )


def _sentence(
    feature: str,
    statistic: Statistic,
    decision: Decision,
    effect: EffectSize,
    threshold: float,
    verdict: MonitorVerdict,
    samples: int,
    reference_samples: int,
    reference: DriftReference,
) -> str:
    number = format_percent if statistic in _IN_PERCENT else format_number
    careful = f", by at least {number(effect.bound)} beyond chance" if decision is Decision.LOWER_BOUND else ""
    lead = f"{feature}: " if feature else ""
    known = f"{'at least ' if effect.at_least else ''}{number(effect.value)}"
    doubt = ", but chance alone can do that: use a longer window or a greater threshold"
    return (
        f"{lead}{_SENTENCES[statistic].format(known)} against {reference.name}{careful}, "
        f"{'not above' if verdict is MonitorVerdict.QUIET else 'above'} {number(threshold)}"
        f"{doubt if verdict is MonitorVerdict.INSUFFICIENT_DATA else ''} ({samples} and {reference_samples} values)"
    )
