"""The result of every monitor in the newest window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from viridian.api.feedback import Window
from viridian.api.monitoring import (
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
from viridian.api.monitoring_status import MAX_DISTRIBUTIONS, MAX_FIGURES
from viridian.api.performance import PerformanceMetric
from viridian.api.profile import Numbers, Profile, ReferenceProfile, Sketch, Task
from viridian.judgement import drift, performance
from viridian.judgement.distances import present, rows, spread
from viridian.judgement.estimated import estimate
from viridian.judgement.figures import Figure, MonitorVerdict
from viridian.judgement.metrics import MIN_ROWS_PER_CLASS, default_metric, measure
from viridian.monitoring.distributions import ValueShares, distributions_of, shares_of
from viridian.monitoring.monitor_report import FeatureSummary, MonitoringReport, MonitorResult
from viridian.monitoring.monitor_verdict import RANKS, severity, verdict_of
from viridian.monitoring.windows import Calendar, Windows

TRAINING: Final = "the training data"
HOLDOUT: Final = "the holdout"
NO_PREDICTIONS: Final = "no predictions are kept: write feedback: {} so that outcomes can be joined with them"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringData:
    """What the monitors are evaluated on."""

    monitoring: Monitoring
    revision: str
    """The champion's."""
    calendar: Calendar
    windows: Windows
    reference: ReferenceProfile | None
    no_reference: str = ""
    """Why there is none, for people."""
    predictions_kept: bool = True


def evaluate(data: MonitoringData) -> MonitoringReport:
    """The verdicts of all monitors."""
    newest = data.windows.at(data.revision, data.calendar.start)
    current = newest.profile if newest else None
    reference = data.reference.profile if data.reference else None
    results = results_of(data)
    return MonitoringReport(
        revision=data.revision,
        calendar=data.calendar,
        results=results,
        current=_summaries(current),
        reference=_summaries(reference),
        distributions=_distributions(results, reference, current),
        predictions=shares_of(reference.prediction, current.prediction) if reference and current else None,
    )


def results_of(data: MonitoringData) -> tuple[MonitorResult, ...]:
    """The results of all monitors, in the order of the spec."""
    newest = data.windows.at(data.revision, data.calendar.start)
    return tuple(_evaluate(data, monitor, newest) for monitor in data.monitoring.monitors)


def _distributions(
    results: Sequence[MonitorResult], reference: Profile | None, current: Profile | None
) -> tuple[tuple[str, ValueShares], ...]:
    if reference is None or current is None:
        return ()
    of_inputs = sorted((one for one in results if isinstance(one.source, Drift)), key=lambda one: RANKS[one.verdict])
    # A column without a name has no place in a status.
    features = (figure.feature for one in of_inputs for figure in one.figures[:MAX_FIGURES] if figure.feature)
    return tuple(islice(distributions_of(features, reference.features, current.features), MAX_DISTRIBUTIONS))


def _summaries(profile: Profile | None) -> Mapping[str, FeatureSummary]:
    found = {}
    for name, sketch in sorted(profile.features.items()) if profile else ():
        share = sketch.missing / rows(sketch) if rows(sketch) else None
        if isinstance(sketch, Numbers) and sketch.finite:
            found[name] = FeatureSummary(share, sketch.mean, spread(sketch))
        else:
            found[name] = FeatureSummary(share)
    return found


def _evaluate(data: MonitoringData, monitor: Monitor, newest: Window | None) -> MonitorResult:
    source = source_of(monitor)
    if source is None:
        raise ValueError(f"the monitor {monitor.name} asks nothing")
    figures = _figures(data, source, newest)
    ordered = tuple(sorted(figures, key=severity))
    verdict, sentence = verdict_of(source, ordered)
    return MonitorResult(
        name=monitor.name,
        source=source,
        action=monitor.action,
        verdict=verdict,
        sentence=sentence,
        figures=ordered,
        beyond=verdict is MonitorVerdict.FIRED,
    )


def _figures(data: MonitoringData, source: Source, newest: Window | None) -> Sequence[Figure]:
    match source:
        case Drift():
            return _feature_drift(data, source, newest)
        case PredictionDrift():
            return (_prediction_drift(data, source, newest),)
        case EstimatedPerformance():
            return (_estimated_performance(data, source),)
        case PerformanceMonitor() | ConceptDrift() | Decay() if not data.predictions_kept:
            metric = source.metric.value if source.metric else ""
            return (Figure(measure=metric, verdict=MonitorVerdict.INSUFFICIENT_DATA, sentence=NO_PREDICTIONS),)
        case PerformanceMonitor():
            return (_performance(data, source),)
        case ConceptDrift():
            return (_concept_drift(data, source),)
        case Decay():
            return (_decay(data, source),)


# ---- drift


def _feature_drift(data: MonitoringData, source: Drift, newest: Window | None) -> list[Figure]:
    criteria = _criteria(source)
    now = newest.profile.features if newest and newest.profile else {}
    trained = data.reference.profile.features if data.reference else {}
    known: Mapping[str, Sketch] = trained or now
    if not known and not source.features:
        why = data.no_reference or "nothing was counted in this window"
        return [drift.judge("", criteria, None, [drift.DriftReference(name=TRAINING, sketch=None, absent=why)])]
    names = source.features or tuple(name for name, sketch in known.items() if drift.can_judge(criteria, sketch))
    return [_feature(data, source, criteria, name, now.get(name), known) for name in names]


def _feature(
    data: MonitoringData,
    source: Drift,
    criteria: drift.DriftCriteria,
    name: str,
    now: Sketch | None,
    known: Mapping[str, Sketch],
) -> Figure:
    if known and name not in known:
        named = ", ".join(sorted(known)[:10]) + (", …" if len(known) > 10 else "")
        absent = f"the model has no such feature; it has {named}"
        return drift.judge(name, criteria, None, [drift.DriftReference(name=TRAINING, sketch=None, absent=absent)])
    trained = data.reference.profile.features.get(name) if data.reference else None
    before = _before(data, source.reference)
    earlier = before.features.get(name) if before else None
    return drift.judge(name, criteria, now, _references(data, source.reference, TRAINING, trained, earlier))


def _prediction_drift(data: MonitoringData, source: PredictionDrift, newest: Window | None) -> Figure:
    now = newest.profile.prediction if newest and newest.profile else None
    held_out = data.reference.profile.prediction if data.reference else None
    # Another version's answers in the window before say nothing of the world: each promotion would look like drift.
    before = _before(data, source.reference, others=source.reference is Against.SAME_SEASON)
    references = _references(data, source.reference, HOLDOUT, held_out, before.prediction if before else None)
    if source.reference is Against.PREVIOUS_WINDOW and before is None:
        references = [replace(references[0], absent="nothing was counted of this version in the window before")]
    return drift.judge("predictions", _criteria(source), now, references)


def _criteria(source: Drift | PredictionDrift) -> drift.DriftCriteria:
    return drift.DriftCriteria(
        statistic=source.statistic,
        threshold=source.threshold,
        decision=source.decision,
        min_samples=source.min_samples,
    )


def _before(data: MonitoringData, against: Against, *, others: bool = True) -> Profile | None:
    """The profile of the earlier window to compare with; with `others`, of any revision that served then."""
    if against is Against.TRAINING:
        return None
    days = data.calendar
    start = days.start - (days.season if against is Against.SAME_SEASON else days.seconds)
    window = (data.windows.before if others else data.windows.at)(data.revision, start)
    return window.profile if window else None


def _references(
    data: MonitoringData, against: Against, name: str, trained: Sketch | None, earlier: Sketch | None
) -> list[drift.DriftReference]:
    training = drift.DriftReference(name=name, sketch=trained, absent=data.no_reference)
    if against is Against.TRAINING:
        return [training]
    if against is Against.PREVIOUS_WINDOW:
        return [_earlier("the window before", earlier)]
    return [_earlier("the window one season before", earlier), training]


def _earlier(name: str, sketch: Sketch | None) -> drift.DriftReference:
    return drift.DriftReference(name=name, sketch=sketch, absent=f"nothing was counted in {name}")


# ---- performance


def _performance(data: MonitoringData, source: PerformanceMonitor) -> Figure:
    end = data.calendar.mature_end(source.label_maturity)
    return performance.within_limit(
        _limit(source),
        _window_metrics(data, source.metric, end, source.consecutive),
        _baseline(data, source.metric),
        min_samples=source.min_labels,
        consecutive=source.consecutive,
    )


def _concept_drift(data: MonitoringData, source: ConceptDrift) -> Figure:
    metric = source.metric or default_metric(data.reference.task if data.reference else Task.BINARY)
    (window,) = _window_metrics(data, metric, data.calendar.mature_end(source.label_maturity), 1)
    return performance.concept_drift(
        metric,
        window,
        _baseline(data, metric),
        threshold=source.threshold,
        decision=source.decision,
        min_samples=source.min_labels,
    )


def _decay(data: MonitoringData, source: Decay) -> Figure:
    end = data.calendar.mature_end(source.label_maturity)
    return performance.decay(
        source.metric,
        _window_metrics(data, source.metric, end, source.windows),
        _baseline(data, source.metric),
        per_window=source.per_window,
        relative=source.relative_per_window,
        decision=source.decision,
        min_samples=source.min_labels,
    )


def _estimated_performance(data: MonitoringData, source: EstimatedPerformance) -> Figure:
    known = data.reference
    why = _uncalibrated(data)
    if known is None or known.calibration is None or why:
        sentence = f"{source.metric}: {why}"
        return Figure(
            measure=source.metric.value, verdict=MonitorVerdict.INSUFFICIENT_DATA, sentence=sentence, estimated=True
        )
    days, judged = data.calendar, []
    for window in data.windows.row(data.revision, days.end, days.seconds, source.consecutive):
        scores = window.profile.prediction if window and window.profile else None
        scored = present(scores) if isinstance(scores, Numbers) else 0
        found = None
        if isinstance(scores, Numbers) and scored:
            found = estimate(source.metric, scores, known.calibration, known.threshold)
        judged.append(performance.WindowMetric(measured=found, known=scored, predicted=scored))
    return performance.within_limit(
        _limit(source),
        judged,
        _baseline(data, source.metric),
        min_samples=source.min_samples,
        consecutive=source.consecutive,
        estimated=True,
    )


def _uncalibrated(data: MonitoringData) -> str:
    """Why no performance can be estimated from scores; empty where it can."""
    known = data.reference
    if known is None or known.calibration is None:
        return data.no_reference or "the version's profile has no calibration, which only models with two classes have"
    positives = sum(known.calibration.positives)
    negatives = sum(known.calibration.rows) - positives
    if min(positives, negatives) < MIN_ROWS_PER_CLASS:
        return (
            f"the holdout has {positives} positive rows and {negatives} negative ones, {MIN_ROWS_PER_CLASS} of each "
            "are needed to say what scores mean: train with a larger holdout"
        )
    return ""


def _limit(source: PerformanceMonitor | EstimatedPerformance) -> performance.Limit:
    return performance.Limit(metric=source.metric, min=source.min, max=source.max, relative=source.relative_to_baseline)


def _window_metrics(
    data: MonitoringData, metric: PerformanceMetric, end: float, count: int
) -> list[performance.WindowMetric]:
    judged = []
    for window in data.windows.row(data.revision, end, data.calendar.seconds, count):
        known = window.performance if window else None
        judged.append(
            performance.WindowMetric(
                measured=measure(metric, known.joined) if known else None,
                known=known.labelled if known else 0,
                predicted=known.predicted if known else 0,
            )
        )
    return judged


def _baseline(data: MonitoringData, metric: PerformanceMetric) -> performance.Baseline:
    known = data.reference
    if known is None:
        return performance.Baseline(value=None, absent=data.no_reference or "the version has no reference profile")
    value = known.metrics.get(metric.value)
    finite = value is not None and math.isfinite(value)
    return performance.Baseline(
        value=value if finite else None,
        rows=known.holdout_rows,
        absent=f"the version's profile does not tell the {metric} of its holdout",
    )
