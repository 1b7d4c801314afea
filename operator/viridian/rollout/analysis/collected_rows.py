"""Metrics of what the collector knows: predictions with their mature outcomes, and how predictions are distributed.

Only rows that were answered since users can meet the challenger count, and of the champion those of the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from viridian.api.canary_metric import Metric
from viridian.api.cel_metrics import PREDICTION_SHIFT
from viridian.api.profile import Numbers
from viridian.judgement import distances
from viridian.judgement.beside_champion import BesideChampion
from viridian.judgement.estimates import Estimates, Shift
from viridian.judgement.metrics import measure
from viridian.rollout.analysis.mirrored import is_known_now, is_mirrored
from viridian.rollout.analysis.source import Evidence, Look, MetricSource, Missing, Query, Silent
from viridian.rollout.answers import AnsweredRows, Answers, CollectedQuestion, Unanswered, longest_age


class CollectedRows:
    """The metrics with a `performance`, and the distance of the predictions."""

    def queries(self, look: Look) -> Sequence[Query]:
        metrics = [metric for metric in look.analysis.metrics if is_collected(metric)]
        collected = [metric for metric in metrics if not is_mirrored(metric, look) and is_known_now(metric, look)]
        asked = [of(metric, look) for metric in collected for of in (_challenger, _champion)]
        return tuple(dict.fromkeys(question for question in asked if question is not None))

    def evidence(self, metric: Metric, look: Look) -> Evidence:
        ours = _known(_challenger(metric, look), look)
        if not isinstance(ours, AnsweredRows):
            return ours
        beside = _champion(metric, look)
        theirs = _known(beside, look) if beside is not None else None
        if isinstance(theirs, Missing):
            return theirs
        champion = theirs if isinstance(theirs, AnsweredRows) else None
        if metric.performance is None:
            return _shift(ours, champion)
        return Estimates(
            known=ours.performance.labelled,
            challenger=measure(metric.performance, ours.performance.joined),
            champion=measure(metric.performance, champion.performance.joined) if champion is not None else None,
            compared=beside is not None,
        )

    def beside_champion(self, *_: object) -> BesideChampion | None:
        return None  # the champion is a part of the evidence

    def breach_began(self, *_: object) -> datetime | None:
        return None  # outcomes come late and in any order


COLLECTOR: Final[MetricSource] = CollectedRows()


def is_collected(metric: Metric) -> bool:
    """Whether the collector is asked about the metric."""
    return metric.performance is not None or metric.name == PREDICTION_SHIFT


def _challenger(metric: Metric, look: Look) -> CollectedQuestion | None:
    return _question(metric, look, look.subject.revision)


def _champion(metric: Metric, look: Look) -> CollectedQuestion | None:
    """The same about the champion beside it; None where there is none, or where it is not compared."""
    compared = metric.worse_than_champion_by is not None or metric.performance is None
    champion = look.subject.champion
    return _question(metric, look, champion.revision) if champion is not None and compared else None


def _question(metric: Metric, look: Look, revision: str) -> CollectedQuestion | None:
    exposure = look.subject.exposure
    if exposure is None or exposure.since is None:
        return None
    if metric.performance is None:
        return CollectedQuestion(revision, exposure.since, timedelta(), profile=True)
    return CollectedQuestion(revision, exposure.since, look.subject.maturity, look.subject.label)


def _known(question: CollectedQuestion | None, look: Look) -> AnsweredRows | Missing | Silent:
    return known_rows(question, look.answers, look.now) if question is not None else Silent("no user can meet it yet")


def known_rows(question: CollectedQuestion, answers: Answers, now: datetime) -> AnsweredRows | Missing | Silent:
    """What the collector has answered to the question, where that is not too old."""
    answer = answers.get(question)
    if answer is None:
        return Silent("the collector has not answered yet")
    if isinstance(answer, Unanswered):
        return Missing(answer.message)
    if answer.at < now - longest_age(question) or not isinstance(answer, AnsweredRows):
        return Missing("the collector has not answered for a while")
    return answer


def _shift(ours: AnsweredRows, theirs: AnsweredRows | None) -> Evidence:
    if theirs is None or ours.prediction is None or theirs.prediction is None:
        return Silent("the predictions of challenger or champion are not known yet")
    samples = min(distances.present(ours.prediction), distances.present(theirs.prediction))
    if samples == 0:
        return Shift(0, None)
    if isinstance(ours.prediction, Numbers) != isinstance(theirs.prediction, Numbers):
        return Missing("challenger and champion predict different kinds of values")
    return Shift(samples, distances.of_predictions(theirs.prediction, ours.prediction))
