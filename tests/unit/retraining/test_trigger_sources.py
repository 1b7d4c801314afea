"""Each source of triggers says what has occurred, and the table knows all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.unit.retraining.world import START, Object, World, policy, weekly
from viridian.api.cel_triggers import SOURCES
from viridian.api.names import DATA_ANNOTATION, RUN_ANNOTATION, data_record
from viridian.api.objective import Objective, WatchedEdit
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.triggers import Trigger
from viridian.core.times import format_time
from viridian.retraining.input import LatestRun, PolicyFacts, TrainingSettings, facts_of
from viridian.retraining.polled_data import DataNote, SeenState
from viridian.retraining.triggers.cause import MANUAL, Cause
from viridian.retraining.triggers.edits import OBJECTIVE, RUNTIME, SERVER
from viridian.retraining.triggers.manual import read_annotation
from viridian.retraining.triggers.readings import (
    LabelQuestion,
    LabelReading,
    MetricQuestion,
    MetricReading,
    Reading,
)
from viridian.retraining.triggers.schedule import SCHEDULE, read_schedules
from viridian.retraining.triggers.trigger_table import TRIGGERS, questions_of, read_triggers

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


ONE_OF_EACH = (
    weekly(),
    {"name": "drifted", "monitors": {"names": ["inputs"]}},
    {"name": "ready", "event": {"type": "ready"}},
    {"name": "enough", "labels": {"count": 10}},
    {"name": "fresh", "newData": {}},
    {"name": "kpi", "query": {"expression": "up", "max": 0.5, "for": "1m"}},
)
"""A trigger of each source that is written in a policy."""


def seen_data() -> Object:
    """What a poll of the data has noted."""
    note = DataNote(key="s3://data", seen=(SeenState(at=format_time(NOW), uri="s3://data", digest="sha256:1"),))
    owner = {"uid": "policy-1", "controller": True}
    annotations = {DATA_ANNOTATION: msgspec.json.encode(note).decode()}
    return {
        "metadata": {
            "name": data_record("churn", "policy-1"),
            "ownerReferences": [owner],
            "annotations": annotations,
        }
    }


def facts(*triggers: dict[str, Any], annotation: str = "") -> tuple[RetrainPolicySpec, PolicyFacts]:
    asked = policy(*triggers, data={"uri": "s3://data", "resolver": {}})
    asked["metadata"]["annotations"] = {RUN_ANNOTATION: annotation}
    there = World(now=NOW).watch({"name": "inputs"}).fire("inputs").deployment
    records = [*World(policy=asked, now=NOW).receive("batch-1").records.values(), seen_data()]
    assert there is not None
    there["spec"]["feedback"] = {}
    settings = TrainingSettings(collector=True, prometheus=True, server_image="server:2")
    found = facts_of(asked, there, [], {}, settings, records=records)
    assert found.spec is not None
    return found.spec, found


def test_every_source_of_the_api_is_in_the_table() -> None:
    named = {field.encode_name for field in msgspec.structs.fields(Trigger)} - {"name", "cooldown"}
    assert named == set(SOURCES), "the rule that a trigger has one source knows them all"
    assert set(TRIGGERS) == {*named, MANUAL, OBJECTIVE, RUNTIME, SERVER}


def test_each_source_gives_its_own_name() -> None:
    """It is what tells causes of different sources apart, and where the API server says when a trigger was written."""
    spec, seen = facts(*ONE_OF_EACH, annotation="one")
    spec = msgspec.structs.replace(
        spec, objective=Objective(label_definition="churned-30d"), run_on_change=tuple(WatchedEdit)
    )
    before = Objective(label_definition="churned-90d")
    latest = LatestRun(id="r", began=START, image="train:1", server="server:1", objective=before)
    seen = replace(seen, latest_run=latest)
    answers: dict[type, Reading] = {
        MetricQuestion: MetricReading(NOW, 1, (1.0,) * 5),
        LabelQuestion: LabelReading(NOW, 10),
    }
    seen = replace(seen, readings={question: answers[type(question)] for question in questions_of(spec, seen)})
    for source, read in TRIGGERS.items():
        found = list(read(spec, seen, NOW))
        assert {trigger.source for trigger in found} == {source}
        assert {cause.source for trigger in found for cause in trigger.occurred} == {source}


class TestSchedule:
    def test_the_newest_time_has_occurred_and_the_next_one_is_known(self) -> None:
        (trigger,) = read_schedules(*facts(weekly(startingDeadline="2h")), NOW)
        newest = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
        assert trigger.occurred == (Cause(SCHEDULE, "weekly", newest),)
        assert (trigger.next, trigger.key) == (datetime(2026, 11, 29, 3, 0, tzinfo=UTC), "0 3 * * 0 UTC")
        assert trigger.deadline is not None
        assert trigger.deadline.total_seconds() == 7200

    def test_a_schedule_that_names_no_times_says_why_and_never_occurs(self) -> None:
        (trigger,) = read_schedules(*facts({"name": "bad", "schedule": {"cron": "0 3 * *"}}), NOW)
        assert "write five fields" in trigger.problem
        assert (trigger.occurred, trigger.next, trigger.key) == ((), None, "")


class TestManual:
    @pytest.mark.parametrize("value", ["", "  "])
    def test_an_empty_annotation_asks_for_nothing(self, value: str) -> None:
        assert list(read_annotation(*facts(annotation=value), NOW)) == []

    def test_a_value_has_occurred_and_waits_for_as_long_as_it_takes(self) -> None:
        (trigger,) = read_annotation(*facts(annotation=" one "), NOW)
        (cause,) = trigger.occurred
        assert (cause.identity, cause.requested, trigger.deadline) == ("manual:one", True, None)

    def test_long_values_stay_apart(self) -> None:
        long = ["x" * 300, "x" * 300 + "y"]
        found = [next(read_annotation(*facts(annotation=value), NOW)).occurred[0] for value in long]
        assert found[0] != found[1]
        assert all(len(cause.value) < 250 for cause in found)


def test_all_that_may_cause_a_run_is_read_in_the_order_of_the_table() -> None:
    found = read_triggers(*facts(weekly(), annotation="one"), START)
    assert [trigger.source for trigger in found] == [SCHEDULE, MANUAL]


def test_the_cooldown_of_a_trigger_is_read_whatever_its_source() -> None:
    found = read_triggers(*facts(*({**trigger, "cooldown": "1d"} for trigger in ONE_OF_EACH), annotation="one"), START)
    assert [trigger.cooldown.days for trigger in found] == [*(1 for _ in ONE_OF_EACH), 0]
