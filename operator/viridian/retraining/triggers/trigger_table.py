"""The sources of triggers, in one table. A new one is a file with its test, its field in the API, and a row here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.core.times import length
from viridian.retraining.data_state import NEW_DATA
from viridian.retraining.input import PolicyFacts
from viridian.retraining.triggers.cause import MANUAL
from viridian.retraining.triggers.edits import OBJECTIVE, RUNTIME, SERVER, read_objective, read_runtime, read_server
from viridian.retraining.triggers.event import EVENT, read_events
from viridian.retraining.triggers.labels import LABELS, label_question, read_labels
from viridian.retraining.triggers.manual import read_annotation
from viridian.retraining.triggers.monitors import MONITORS, read_monitors
from viridian.retraining.triggers.new_data import read_new_data
from viridian.retraining.triggers.query import QUERY, question_of, read_queries
from viridian.retraining.triggers.readings import Question
from viridian.retraining.triggers.schedule import SCHEDULE, read_schedules
from viridian.retraining.triggers.trigger_state import TriggerState

Source = Callable[[RetrainPolicySpec, PolicyFacts, datetime], Iterable[TriggerState]]

TRIGGERS: Final[Mapping[str, Source]] = {
    SCHEDULE: read_schedules,
    MONITORS: read_monitors,
    EVENT: read_events,
    LABELS: read_labels,
    QUERY: read_queries,
    OBJECTIVE: read_objective,
    RUNTIME: read_runtime,
    SERVER: read_server,
    NEW_DATA: read_new_data,
    MANUAL: read_annotation,
}
"""By the name that a source has in the API and in causes."""


def questions_of(spec: RetrainPolicySpec, facts: PolicyFacts) -> tuple[Question, ...]:
    """What triggers ask outside of the cluster; nothing for most policies."""
    queries = [question_of(trigger.query) for trigger in spec.triggers if trigger.query is not None]
    counts_labels = any(trigger.labels is not None for trigger in spec.triggers)
    labels = label_question(spec, facts) if counts_labels else None
    asked: list[Question] = [*(queries if facts.settings.prometheus else ()), *((labels,) if labels else ())]
    return tuple(dict.fromkeys(asked))


def read_triggers(spec: RetrainPolicySpec, facts: PolicyFacts, now: datetime) -> tuple[TriggerState, ...]:
    """Everything that may cause a run, as it stands now."""
    cooldowns = {trigger.name: length(trigger.cooldown) for trigger in spec.triggers}
    return tuple(
        replace(trigger, cooldown=cooldowns.get(trigger.name, timedelta()))
        for read in TRIGGERS.values()
        for trigger in read(spec, facts, now)
    )
