"""Metrics whose values Prometheus computes: the same expression for challenger and champion, at the same moments.

Prometheus itself remembers the values of earlier moments, so a restart of the operator forgets none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from viridian.api.canary_metric import Metric
from viridian.api.names import Slot
from viridian.judgement.beside_champion import BesideChampion
from viridian.judgement.values import Values, breaks_in_a_row
from viridian.rollout.analysis.metric_bounds import value_bound
from viridian.rollout.analysis.source import Evidence, Look, MetricSource, Missing, Query, Silent
from viridian.rollout.answers import Answer, AnsweredValues, Unanswered, ValueQuestion, longest_age

_LEAST_STEP: Final = 5
"""Seconds between two values: a Prometheus that reads its targets more often is rare."""
_SHORTEST_MEMORY: Final = 60
"""Seconds for which a sample stands at least: Prometheus reads many targets once a minute."""
_PLACE: Final = re.compile(r"\$(namespace|name|slot|revision|window)\b")
_OF_SLOT: Final = frozenset(("slot", "revision"))


class PrometheusValues:
    """The values of the metrics with a `query`."""

    def queries(self, look: Look) -> Sequence[Query]:
        queried = [metric for metric in look.analysis.metrics if metric.query is not None]
        asked = [of(metric, look) for metric in queried for of in (_challenger, _champion)]
        return tuple(dict.fromkeys(question for question in asked if question is not None))

    def evidence(self, metric: Metric, look: Look) -> Evidence:
        question = _challenger(metric, look)
        answer = look.answers.get(question)
        found = _readable(question, answer, look.now)
        if not isinstance(found, AnsweredValues):
            return found
        # What was asked of it before users could meet it speaks for nothing.
        exposure = look.subject.exposure
        since = exposure.since if exposure is not None else None
        moments = [found.at - timedelta(seconds=question.step * number) for number in range(len(found.values))]
        values = [
            value if since is None or moment > since else None
            for value, moment in zip(found.values, moments, strict=True)
        ]
        unbroken = tuple(_until_a_gap(values))
        known = sum(value is not None for value in values)
        return Values(unbroken, known, _champions_values(metric, look))

    def beside_champion(self, *_: object) -> BesideChampion | None:
        return None  # values are compared as they are: there are no counts to compare

    def breach_began(self, metric: Metric, look: Look) -> datetime | None:
        """The moment of the oldest value in the row that breaks the bound now."""
        question, evidence = _challenger(metric, look), self.evidence(metric, look)
        answer = look.answers.get(question)
        if not isinstance(evidence, Values) or answer is None:
            return None
        row = breaks_in_a_row(value_bound(metric), evidence)
        return answer.at - timedelta(seconds=question.step * max(0, row - 1))


PROMETHEUS: Final[MetricSource] = PrometheusValues()


def _challenger(metric: Metric, look: Look) -> ValueQuestion:
    return _question(metric, look, look.subject.slot, look.subject.revision)


def _champion(metric: Metric, look: Look) -> ValueQuestion | None:
    """The same about the champion beside it; None where there is none, or where the answer would be the same."""
    champion = look.subject.champion
    if champion is None or not _OF_SLOT & set(_PLACE.findall(metric.query or "")):
        return None
    return _question(metric, look, look.subject.slot.other, champion.revision)


def _question(metric: Metric, look: Look, slot: Slot, revision: str) -> ValueQuestion:
    window = int(look.window.total_seconds())
    places = {
        "namespace": look.subject.namespace,
        "name": look.subject.name,
        "slot": str(slot),
        "revision": revision,
        "window": f"{window}s",
    }
    return ValueQuestion(
        _PLACE.sub(lambda place: places[place[1]], metric.query or ""),
        step=max(_LEAST_STEP, int(look.interval.total_seconds())),
        values=max(metric.consecutive, metric.min_samples),
        stale_after=max(_SHORTEST_MEMORY, 2 * window),
    )


def _readable(question: ValueQuestion, answer: Answer | None, now: datetime) -> AnsweredValues | Missing | Silent:
    """The answer, if it has values of one series that say something about now."""
    if answer is None:
        return Silent("the query has not been answered yet")
    if isinstance(answer, Unanswered):
        return Missing(answer.message)
    if answer.at < now - longest_age(question) or not isinstance(answer, AnsweredValues):
        return Missing("the query has not been answered for a while")
    if answer.series > 1:
        return Missing("the query has several values; aggregate to one, such as sum(…) or max(…)")
    if answer.series == 0:
        return Silent("the query has no value now")
    return Silent("the value of the query is no finite number now") if answer.not_a_number else answer


def _until_a_gap(values: Sequence[float | None]) -> Iterator[float]:
    for value in values:
        if value is None:
            return
        yield value


def _champions_values(metric: Metric, look: Look) -> tuple[float | None, ...] | None:
    """At the same moments; without any where it was not answered, and None where nothing is asked about it."""
    question = _champion(metric, look)
    if question is None:
        return None
    found = _readable(question, look.answers.get(question), look.now)
    values = found.values if isinstance(found, AnsweredValues) else ()
    return (*values, *[None] * (question.values - len(values)))
