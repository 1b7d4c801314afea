"""`triggers[].labels`: occurs once so many outcomes have become mature since the newest run began.

A run reads the outcomes that are known when it begins, so the count starts there, whatever caused that run and however
it ended. A policy that has never run counts from its creation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from viridian.api import reasons
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.triggers import LabelsTrigger
from viridian.core.times import format_time, length
from viridian.retraining.input import PolicyFacts
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.readings import READ_AGAIN, LabelQuestion, LabelReading, NotAnsweredQuestion
from viridian.retraining.triggers.trigger_state import TriggerState

LABELS: Final = "labels"


def label_question(spec: RetrainPolicySpec, facts: PolicyFacts) -> LabelQuestion | None:
    """What is asked of the collector; None where nothing is kept, or no collector is known."""
    deployment, latest = facts.deployment, facts.latest_run
    feedback = deployment.spec.feedback if deployment is not None and deployment.spec is not None else None
    if feedback is None or not facts.settings.collector:
        return None
    since = latest.began if latest is not None and latest.began is not None else facts.created
    return LabelQuestion(spec.model_deployment, since, length(feedback.label_maturity), feedback.label_definition)


def read_labels(spec: RetrainPolicySpec, facts: PolicyFacts, now: datetime) -> Iterator[TriggerState]:
    """The triggers of the spec that count outcomes."""
    for trigger in spec.triggers:
        if trigger.labels is not None:
            yield _read(trigger.name, trigger.labels, spec, facts, now)


def _read(name: str, asked: LabelsTrigger, spec: RetrainPolicySpec, facts: PolicyFacts, now: datetime) -> TriggerState:
    question = label_question(spec, facts)
    reading = facts.readings.get(question) if question is not None else None
    more: dict[str, Any] = {}
    if question is None:
        message = f"no outcomes are kept: ModelDeployment {spec.model_deployment} needs feedback: {{}} and a collector"
        more = {"problem": message if facts.deployment is not None else "", "reason": reasons.NO_FEEDBACK}
    elif isinstance(reading, NotAnsweredQuestion):
        more = {"problem": reading.message, "reason": reasons.COLLECTOR_UNAVAILABLE, "lasting": reading.lasting}
    elif isinstance(reading, LabelReading):
        more = {"seen": f"fewer than {asked.count} outcomes since {format_time(question.since)}"}
        if reading.outcomes >= asked.count:
            seen = f"{asked.count} or more outcomes since {format_time(question.since)}"
            more = {"seen": seen, "occurred": (_cause(name, asked, facts, question, reading),)}
    again = now + READ_AGAIN if question is not None else None
    return TriggerState(source=LABELS, name=name, key=str(asked.count), look_again=again, **more)


def _cause(
    name: str, asked: LabelsTrigger, facts: PolicyFacts, question: LabelQuestion, reading: LabelReading
) -> Cause:
    """One for each run after which outcomes are counted."""
    after = facts.latest_run.id if facts.latest_run is not None else "creation"
    evidence = {"outcomes": reading.outcomes, "since": format_time(question.since)}
    return Cause(LABELS, name, reading.at, value=f"after-{after}", key=str(asked.count), evidence=evidence)
