"""Has a distribution moved away from a reference? The verdict about one feature, or about the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from viridian.api.monitoring import Decision, Statistic
from viridian.api.profile import Numbers, Sketch
from viridian.judgement import shifts
from viridian.judgement.figures import Effect, Figure, Verdict, beyond, percent, shown
from viridian.judgement.merging import NotAlike

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
"""Below it nothing is judged, whatever the user names."""
REFERENCE_FLOOR: Final = 100

_SAID: Final[Mapping[Statistic, str]] = {
    Statistic.MEAN_SHIFT: "the mean has moved by {} standard deviations",
    Statistic.KS: "the cumulative shares (KS) differ by {}",
    Statistic.PSI: "the population stability index is {}",
    Statistic.MISSING: "the share of missing values has changed by {}",
    Statistic.NEW_CATEGORIES: "the share of values without a known category has grown by {}",
    Statistic.TOTAL_VARIATION: "the shares of the categories (total variation) differ by {}",
}
_IN_PERCENT: Final = (Statistic.MISSING, Statistic.NEW_CATEGORIES, Statistic.TOTAL_VARIATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What counts as drift."""

    statistic: Statistic | None = None
    """None: what suits the values."""
    threshold: float | None = None
    decision: Decision = Decision.LOWER_BOUND
    min_samples: int | None = None

    @property
    def least(self) -> int:
        """Values without which there is no verdict."""
        return max(self.min_samples or MIN_SAMPLES[self.decision], FLOOR[self.decision])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What the present values are held against."""

    name: str
    """As it stands in a sentence: "the training data"."""
    sketch: Sketch | None
    absent: str = ""
    """Why there is none, for people."""


def judge(feature: str, question: Question, current: Sketch | None, references: Sequence[Reference]) -> Figure:
    """The figure of one feature: it has drifted when it differs from every reference.

    Numbers and sentence are those of the first reference that it does not differ from, else of the first one.
    """
    figures = [_against(feature, question, current, reference) for reference in references]
    for verdict in (Verdict.INSUFFICIENT_DATA, Verdict.QUIET):
        if found := next((figure for figure in figures if figure.verdict is verdict), None):
            return found
    return figures[0]


def judged(question: Question, sketch: Sketch) -> bool:
    """Whether the question can be asked of such values at all."""
    return shifts.applies(statistic_for(question, sketch), sketch)


def statistic_for(question: Question, sketch: Sketch) -> Statistic:
    """The statistic of the question, or the one that suits the values."""
    usual = Statistic.KS if isinstance(sketch, Numbers) else Statistic.TOTAL_VARIATION
    return question.statistic or usual


def _against(feature: str, question: Question, current: Sketch | None, reference: Reference) -> Figure:
    known = reference.sketch or current
    if known is None:
        return _unknown(feature, question, reference.absent or "nothing was counted in this window")
    statistic = statistic_for(question, known)
    before = shifts.counted(statistic, reference.sketch) if reference.sketch else 0
    now = shifts.counted(statistic, current) if current else 0
    problem = _problem(statistic, question, current, reference)
    if problem or current is None or reference.sketch is None:
        return _unknown(feature, question, problem, statistic, now, before)
    try:
        effect = shifts.MEASURES[statistic](reference.sketch, current)
    except NotAlike as why:
        return _unknown(
            feature, question, f"it cannot be compared with {reference.name}: {why}", statistic, now, before
        )
    threshold = THRESHOLDS[statistic] if question.threshold is None else question.threshold
    fired = beyond(effect.value if question.decision is Decision.POINT else effect.bound, threshold)
    return Figure(
        feature=feature,
        measure=statistic.value,
        verdict=Verdict.FIRED if fired else Verdict.QUIET,
        value=effect.value,
        bound=effect.bound,
        threshold=threshold,
        samples=now,
        reference_samples=before,
        sentence=_sentence(feature, statistic, question.decision, effect, threshold, fired, now, before, reference),
    )


def _problem(statistic: Statistic, question: Question, current: Sketch | None, reference: Reference) -> str:
    """Why there can be no verdict, empty where there can."""
    if reference.sketch is None:
        return reference.absent or f"there is nothing known of {reference.name}"
    if not shifts.applies(statistic, reference.sketch):
        kind = "numbers" if isinstance(reference.sketch, Numbers) else "categories"
        return f"{statistic} says nothing about {kind}: choose another statistic for it"
    if current is None:
        return "nothing was counted in this window"
    now, before = shifts.counted(statistic, current), shifts.counted(statistic, reference.sketch)
    if now < question.least:
        return f"{now} values in this window, {question.least} are needed"
    if before < REFERENCE_FLOOR:
        return (
            f"{reference.name} {'have' if reference.name.endswith('data') else 'has'} {before} values, "
            f"{REFERENCE_FLOOR} are needed"
        )
    return ""


def _unknown(
    feature: str, question: Question, why: str, statistic: Statistic | None = None, now: int = 0, before: int = 0
) -> Figure:
    measure = statistic or question.statistic
    return Figure(
        feature=feature,
        measure=measure.value if measure else "",
        verdict=Verdict.INSUFFICIENT_DATA,
        sentence=f"{feature}: {why}" if feature else why,
        threshold=question.threshold if question.threshold is not None else THRESHOLDS[measure] if measure else None,
        samples=now,
        reference_samples=before,
    )


def _sentence(
    feature: str,
    statistic: Statistic,
    decision: Decision,
    effect: Effect,
    threshold: float,
    fired: bool,
    now: int,
    before: int,
    reference: Reference,
) -> str:
    number = percent if statistic in _IN_PERCENT else shown
    careful = f", by at least {number(effect.bound)} beyond chance" if decision is Decision.LOWER_BOUND else ""
    lead = f"{feature}: " if feature else ""
    known = f"{'at least ' if effect.at_least else ''}{number(effect.value)}"
    return (
        f"{lead}{_SAID[statistic].format(known)} against {reference.name}{careful}, "
        f"{'above' if fired else 'not above'} {number(threshold)} ({now} and {before} values)"
    )
