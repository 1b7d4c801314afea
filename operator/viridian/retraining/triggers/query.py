"""`triggers[].query`: occurs when the value of an expression has been beyond its bound for a while, without a gap.

How long it has been so is asked of Prometheus, which remembers it: the operator may have died meanwhile. A value that
is missing, a series that is gone and a server that does not answer are no cause, and the condition shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from viridian.api import reasons
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.triggers import QueryTrigger, Trigger
from viridian.core.times import length
from viridian.retraining.input import PolicyFacts
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.monitors import held_by_a_trial
from viridian.retraining.triggers.readings import READ_AGAIN, MetricQuestion, MetricReading, NotAnsweredQuestion
from viridian.retraining.triggers.trigger_state import TriggerState

QUERY: Final = "query"


def question_of(asked: QueryTrigger) -> MetricQuestion:
    """What is asked of Prometheus for this trigger."""
    return MetricQuestion(asked.expression, int(length(asked.for_).total_seconds()))


def read_queries(spec: RetrainPolicySpec, facts: PolicyFacts, now: datetime) -> Iterator[TriggerState]:
    """The triggers of the spec that have an expression."""
    for trigger in spec.triggers:
        if trigger.query is not None:
            yield _read(trigger, trigger.query, facts, now)


def _read(trigger: Trigger, asked: QueryTrigger, facts: PolicyFacts, now: datetime) -> TriggerState:
    reading = facts.readings.get(question_of(asked))
    more: dict[str, Any] = {}
    if not facts.settings.prometheus:
        message = "the operator knows no Prometheus: start it with --prometheus-url"
        more = {"problem": message, "reason": reasons.PROMETHEUS_NOT_CONFIGURED}
    elif isinstance(reading, NotAnsweredQuestion):
        more = {"problem": reading.message, "reason": reasons.QUERY_UNANSWERED, "lasting": reading.lasting}
    elif isinstance(reading, MetricReading):
        more = _judged(trigger.name, asked, reading)
    return TriggerState(
        source=QUERY,
        name=trigger.name,
        key=_key(asked),
        fleeting=True,
        hold=held_by_a_trial(facts.deployment),
        look_again=now + READ_AGAIN if facts.settings.prometheus else None,
        **more,
    )


def _key(asked: QueryTrigger) -> str:
    return f"{asked.expression} {asked.min} {asked.max} {asked.for_}"


def _judged(name: str, asked: QueryTrigger, reading: MetricReading) -> dict[str, Any]:
    if reading.series > 1:
        message = f"its expression has {reading.series} series: aggregate them to one, such as max(…)"
        return {"problem": message, "reason": reasons.QUERY_UNANSWERED}
    if not reading.values:
        message = "its expression has no value now: silence is neither a cause nor a sign of health"
        return {"problem": message, "reason": reasons.QUERY_UNANSWERED, "lasting": False}
    beyond = [_beyond(asked, value) for value in reading.values]
    if not beyond[-1]:
        return {"seen": "within its bounds"}
    whole = len(beyond) >= question_of(asked).values and all(beyond)
    if not whole:
        return {"seen": f"{beyond[-1]}, not for {asked.for_} yet"}
    began = reading.at - length(asked.for_)
    evidence = {"expression": asked.expression, "value": reading.values[-1], "bound": beyond[-1], "for": asked.for_}
    cause = Cause(QUERY, name, reading.at, key=_key(asked), began=began, evidence=evidence)
    return {"seen": f"{beyond[-1]} for {asked.for_}", "occurred": (cause,)}


def _beyond(asked: QueryTrigger, value: float) -> str:
    """Which bound the value is beyond; empty for none."""
    if asked.max is not None and value > asked.max:
        return f"above {asked.max:g}"
    return f"below {asked.min:g}" if asked.min is not None and value < asked.min else ""
