"""What every monitor says of the newest window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from viridian.api.feedback import Window
from viridian.api.monitoring import (
    Action,
    Against,
    ConceptDrift,
    Decay,
    Drift,
    EstimatedPerformance,
    Monitor,
    Monitoring,
    PerformanceMonitor,
    PredictionDrift,
    Source,
    source_of,
)
from viridian.api.performance import PerformanceMetric
from viridian.api.profile import Numbers, Profile, ReferenceProfile, Sketch, Task
from viridian.judgement import drift, performance
from viridian.judgement.estimated import estimate
from viridian.judgement.figures import Figure, MonitorVerdict, overall, percent, reaches
from viridian.judgement.metrics import LEAST_OF_A_KIND, measure, usual
from viridian.judgement.shifts import present, rows, spread
from viridian.monitoring.windows import Calendar, Windows

TRAINING: Final = "the training data"
HOLDOUT: Final = "the holdout"
NO_PREDICTIONS: Final = "no predictions are kept: write feedback: {} so that outcomes can be joined with them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """All that the monitors judge by."""

    monitoring: Monitoring
    revision: str
    """The champion's."""
    calendar: Calendar
    windows: Windows
    reference: ReferenceProfile | None
    no_reference: str = ""
    """Why there is none, for people."""
    predictions_kept: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one monitor says."""

    name: str
    source: Source
    action: Action
    verdict: MonitorVerdict
    sentence: str
    figures: tuple[Figure, ...]
    """Gravest first."""

    @property
    def provisional(self) -> bool:
        """An estimate, until the labels are mature."""
        return any(figure.estimated for figure in self.figures)


@dataclass(frozen=True, slots=True)
class Moments:
    """What is left of a feature's sketch in a report, which is kept long after the profiles it was made of."""

    missing_share: float | None
    """None where there was no value, missing or not."""
    mean: float | None = None
    """None of categories, and where no value is finite."""
    deviation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What all of them say, in the order of the spec."""

    revision: str
    calendar: Calendar
    said: tuple[Said, ...]
    current: Mapping[str, Moments] = field(default_factory=dict)
    """By feature, of the newest window."""
    reference: Mapping[str, Moments] = field(default_factory=dict)
    """By feature, of the training data."""


def report(watched: Watched) -> Report:
    """The verdicts of all monitors."""
    newest = watched.windows.at(watched.revision, watched.calendar.start)
    return Report(
        revision=watched.revision,
        calendar=watched.calendar,
        said=tuple(_say(watched, monitor, newest) for monitor in watched.monitoring.monitors),
        current=_moments(newest.profile if newest else None),
        reference=_moments(watched.reference.profile if watched.reference else None),
    )


def _moments(profile: Profile | None) -> Mapping[str, Moments]:
    found = {}
    for name, sketch in sorted(profile.features.items()) if profile else ():
        share = sketch.missing / rows(sketch) if rows(sketch) else None
        if isinstance(sketch, Numbers) and sketch.finite:
            found[name] = Moments(share, sketch.mean, spread(sketch))
        else:
            found[name] = Moments(share)
    return found


def _say(watched: Watched, monitor: Monitor, newest: Window | None) -> Said:
    source = source_of(monitor)
    if source is None:
        raise ValueError(f"the monitor {monitor.name} asks nothing")
    figures = _figures(watched, source, newest)
    ordered = tuple(sorted(figures, key=_gravity))
    verdict, sentence = _conclusion(source, ordered)
    return Said(
        name=monitor.name,
        source=source,
        action=monitor.action,
        verdict=verdict,
        sentence=sentence,
        figures=ordered,
    )


def _figures(watched: Watched, source: Source, newest: Window | None) -> Sequence[Figure]:
    match source:
        case Drift():
            return _inputs(watched, source, newest)
        case PredictionDrift():
            return (_predictions(watched, source, newest),)
        case EstimatedPerformance():
            return (_estimated(watched, source),)
        case PerformanceMonitor() | ConceptDrift() | Decay() if not watched.predictions_kept:
            metric = source.metric.value if source.metric else ""
            return (Figure(measure=metric, verdict=MonitorVerdict.INSUFFICIENT_DATA, sentence=NO_PREDICTIONS),)
        case PerformanceMonitor():
            return (_performance(watched, source),)
        case ConceptDrift():
            return (_concept(watched, source),)
        case Decay():
            return (_decay(watched, source),)


def _gravity(figure: Figure) -> tuple[int, float, str]:
    """What fired first, and of that what is farthest beyond its threshold."""
    effect = figure.bound if figure.verdict is MonitorVerdict.FIRED else figure.value
    return list(MonitorVerdict).index(figure.verdict), -abs(effect or 0.0), figure.feature


def _conclusion(source: Source, figures: Sequence[Figure]) -> tuple[MonitorVerdict, str]:
    fired = [figure for figure in figures if figure.verdict is MonitorVerdict.FIRED]
    judged = [figure for figure in figures if figure.verdict is not MonitorVerdict.INSUFFICIENT_DATA]
    if isinstance(source, Drift) and source.share is not None and judged:
        return _share(source.share, figures, fired)
    verdict = overall(figure.verdict for figure in figures)
    if not figures:
        return verdict, "the model has no feature that this can be asked of"
    if verdict is MonitorVerdict.QUIET and len(judged) > 1:
        return verdict, f"none of {len(judged)} features has drifted; the farthest: {judged[0].sentence}"
    more = f"; {len(fired) - 1} more have drifted" if len(fired) > 1 else ""
    return verdict, f"{figures[0].sentence}{more}"


def _share(asked: float, figures: Sequence[Figure], fired: Sequence[Figure]) -> tuple[MonitorVerdict, str]:
    """Features that cannot be judged may have drifted or not: where that decides, there is no verdict."""
    unknown = [figure for figure in figures if figure.verdict is MonitorVerdict.INSUFFICIENT_DATA]
    reached, possible = len(fired) / len(figures), (len(fired) + len(unknown)) / len(figures)
    told = f"{len(fired)} of {len(figures)} features have drifted ({percent(reached)}), {percent(asked)} are asked for"
    if fired and reaches(reached, asked):
        return MonitorVerdict.FIRED, f"{told}; {fired[0].sentence}"
    if unknown and reaches(possible, asked):
        return MonitorVerdict.INSUFFICIENT_DATA, f"{told}, and {len(unknown)} cannot be judged; {unknown[0].sentence}"
    return MonitorVerdict.QUIET, f"{told}; {fired[0].sentence}" if fired else told


# ---- drift


def _inputs(watched: Watched, source: Drift, newest: Window | None) -> list[Figure]:
    question = _question(source)
    now = newest.profile.features if newest and newest.profile else {}
    trained = watched.reference.profile.features if watched.reference else {}
    known: Mapping[str, Sketch] = trained or now
    if not known and not source.features:
        why = watched.no_reference or "nothing was counted in this window"
        return [drift.judge("", question, None, [drift.DriftReference(name=TRAINING, sketch=None, absent=why)])]
    names = source.features or tuple(name for name, sketch in known.items() if drift.judged(question, sketch))
    return [_feature(watched, source, question, name, now.get(name), known) for name in names]


def _feature(
    watched: Watched,
    source: Drift,
    question: drift.Question,
    name: str,
    now: Sketch | None,
    known: Mapping[str, Sketch],
) -> Figure:
    if known and name not in known:
        named = ", ".join(sorted(known)[:10]) + (", …" if len(known) > 10 else "")
        absent = f"the model has no such feature; it has {named}"
        return drift.judge(name, question, None, [drift.DriftReference(name=TRAINING, sketch=None, absent=absent)])
    trained = watched.reference.profile.features.get(name) if watched.reference else None
    before = _before(watched, source.reference)
    earlier = before.features.get(name) if before else None
    return drift.judge(name, question, now, _references(watched, source.reference, TRAINING, trained, earlier))


def _predictions(watched: Watched, source: PredictionDrift, newest: Window | None) -> Figure:
    now = newest.profile.prediction if newest and newest.profile else None
    held_out = watched.reference.profile.prediction if watched.reference else None
    # Another version's answers in the window before say nothing of the world: each promotion would look like drift.
    before = _before(watched, source.reference, others=source.reference is Against.SAME_SEASON)
    references = _references(watched, source.reference, HOLDOUT, held_out, before.prediction if before else None)
    if source.reference is Against.PREVIOUS_WINDOW and before is None:
        references = [replace(references[0], absent="nothing was counted of this version in the window before")]
    return drift.judge("predictions", _question(source), now, references)


def _question(source: Drift | PredictionDrift) -> drift.Question:
    return drift.Question(
        statistic=source.statistic,
        threshold=source.threshold,
        decision=source.decision,
        min_samples=source.min_samples,
    )


def _before(watched: Watched, against: Against, *, others: bool = True) -> Profile | None:
    """The profile of the window that is compared with; with `others`, of whoever served then."""
    if against is Against.TRAINING:
        return None
    days = watched.calendar
    start = days.start - (days.season if against is Against.SAME_SEASON else days.seconds)
    window = (watched.windows.before if others else watched.windows.at)(watched.revision, start)
    return window.profile if window else None


def _references(
    watched: Watched, against: Against, name: str, trained: Sketch | None, earlier: Sketch | None
) -> list[drift.DriftReference]:
    training = drift.DriftReference(name=name, sketch=trained, absent=watched.no_reference)
    if against is Against.TRAINING:
        return [training]
    if against is Against.PREVIOUS_WINDOW:
        return [_earlier("the window before", earlier)]
    return [_earlier("the window one season before", earlier), training]


def _earlier(name: str, sketch: Sketch | None) -> drift.DriftReference:
    return drift.DriftReference(name=name, sketch=sketch, absent=f"nothing was counted in {name}")


# ---- performance


def _performance(watched: Watched, source: PerformanceMonitor) -> Figure:
    end = watched.calendar.mature_end(source.label_maturity)
    return performance.within_limit(
        _limit(source),
        _judged(watched, source.metric, end, source.consecutive),
        _baseline(watched, source.metric),
        least=source.min_labels,
        consecutive=source.consecutive,
    )


def _concept(watched: Watched, source: ConceptDrift) -> Figure:
    metric = source.metric or usual(watched.reference.task if watched.reference else Task.BINARY)
    (window,) = _judged(watched, metric, watched.calendar.mature_end(source.label_maturity), 1)
    return performance.concept_drift(
        metric,
        window,
        _baseline(watched, metric),
        threshold=source.threshold,
        decision=source.decision,
        least=source.min_labels,
    )


def _decay(watched: Watched, source: Decay) -> Figure:
    end = watched.calendar.mature_end(source.label_maturity)
    return performance.decay(
        source.metric,
        _judged(watched, source.metric, end, source.windows),
        _baseline(watched, source.metric),
        per_window=source.per_window,
        relative=source.relative_per_window,
        decision=source.decision,
        least=source.min_labels,
    )


def _estimated(watched: Watched, source: EstimatedPerformance) -> Figure:
    known = watched.reference
    why = _uncalibrated(watched)
    if known is None or known.calibration is None or why:
        sentence = f"{source.metric}: {why}"
        return Figure(
            measure=source.metric.value, verdict=MonitorVerdict.INSUFFICIENT_DATA, sentence=sentence, estimated=True
        )
    days, judged = watched.calendar, []
    for window in watched.windows.row(watched.revision, days.end, days.seconds, source.consecutive):
        scores = window.profile.prediction if window and window.profile else None
        scored = present(scores) if isinstance(scores, Numbers) else 0
        found = None
        if isinstance(scores, Numbers) and scored:
            found = estimate(source.metric, scores, known.calibration, known.threshold)
        judged.append(performance.Judged(measured=found, known=scored, predicted=scored))
    return performance.within_limit(
        _limit(source),
        judged,
        _baseline(watched, source.metric),
        least=source.min_samples,
        consecutive=source.consecutive,
        estimated=True,
    )


def _uncalibrated(watched: Watched) -> str:
    """Why nobody can say what scores mean; empty where that is known."""
    known = watched.reference
    if known is None or known.calibration is None:
        return (
            watched.no_reference or "the version's profile has no calibration, which only models with two classes have"
        )
    positives = sum(known.calibration.positives)
    negatives = sum(known.calibration.rows) - positives
    if min(positives, negatives) < LEAST_OF_A_KIND:
        return (
            f"the holdout has {positives} positive rows and {negatives} negative ones, {LEAST_OF_A_KIND} of each are "
            "needed to say what scores mean: train with a larger holdout"
        )
    return ""


def _limit(source: PerformanceMonitor | EstimatedPerformance) -> performance.Limit:
    return performance.Limit(metric=source.metric, min=source.min, max=source.max, relative=source.relative_to_baseline)


def _judged(watched: Watched, metric: PerformanceMetric, end: float, count: int) -> list[performance.Judged]:
    judged = []
    for window in watched.windows.row(watched.revision, end, watched.calendar.seconds, count):
        known = window.performance if window else None
        judged.append(
            performance.Judged(
                measured=measure(metric, known.joined) if known else None,
                known=known.labelled if known else 0,
                predicted=known.predicted if known else 0,
            )
        )
    return judged


def _baseline(watched: Watched, metric: PerformanceMetric) -> performance.Baseline:
    known = watched.reference
    if known is None:
        return performance.Baseline(value=None, absent=watched.no_reference or "the version has no reference profile")
    value = known.metrics.get(metric.value)
    finite = value is not None and math.isfinite(value)
    return performance.Baseline(
        value=value if finite else None,
        rows=known.holdout_rows,
        absent=f"the version's profile does not tell the {metric} of its holdout",
    )
