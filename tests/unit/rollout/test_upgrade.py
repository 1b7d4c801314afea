"""What another version of the operator must find as this one left it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.snapshots import (
    SETTINGS,
    ago_time,
    snapshot,
    spec,
)
from tests.unit.rollout.cases import (
    FIRST_STEP,
    V1,
    V2,
    on_trial,
)
from viridian.api.names import SLOT_LABEL, TRAFFIC_ANNOTATION, Slot
from viridian.rollout import records
from viridian.rollout.render import objects
from viridian.rollout.render.pod_template import pod_template
from viridian.rollout.traffic import service as traffic
from viridian.rollout.traffic.record import Reverted, dump


class TestGolden:
    def test_the_pod_template_of_a_revision_never_changes_by_an_upgrade(self) -> None:
        """Change this test only together with a migration: another template restarts every pod of every user."""
        template = pod_template("churn", records.ServedModel("u", "churn", "1", "d"), spec().server, SETTINGS)
        made = objects.deployment(snapshot(), Slot.BLUE, "0badcafe", template, 2)["spec"]
        assert made["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "100%"}}
        assert made["selector"] == {"matchLabels": {"viridian.dev/model-deployment": "churn", SLOT_LABEL: "blue"}}
        added = {**made["template"]["metadata"]["labels"]}
        for label in template["metadata"]["labels"]:
            added.pop(label)
        assert added == {
            "viridian.dev/model-deployment": "churn",
            "viridian.dev/slot": "blue",
            "viridian.dev/revision": "0badcafe",
        }
        inner = copy.deepcopy(made["template"]["spec"])
        inner["containers"][0]["env"] = inner["containers"][0]["env"][:-2]
        assert inner == template["spec"]
        assert made["template"]["spec"]["containers"][0]["env"][-2:] == [
            {"name": "VIRIDIAN_SLOT", "value": "blue"},
            {"name": "VIRIDIAN_REVISION", "value": "0badcafe"},
        ]

    def test_the_names_of_revisions_never_change_by_an_upgrade(self) -> None:
        """Another hash would roll out every model of every user anew."""
        assert (V1, V2) == ("72965c29", "cf12b618")


def test_the_traffic_record_survives_the_way_through_the_annotation() -> None:
    whole = on_trial(FIRST_STEP, reverted=Reverted(V2, "Rejected", "MetricBreach", "bad", ago_time(1)))
    stored: dict[str, Any] = {"metadata": {"annotations": {TRAFFIC_ANNOTATION: dump(whole)}}}
    assert traffic.record_of(stored) == whole


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{", '{"champion": "red"}', '{"champion": "blue"}', '{"champion": "blue", "revision": ""}',
        '{"champion": "blue", "revision": 1, "since": ""}', '{"champion": "blue", "revision": "a", "since": null}',
        '{"champion": "blue", "revision": "a", "since": "", "trial": {"revision": "b", "passed": "x"}}',
        '{"champion": "blue", "revision": "a", "since": "", "trial": {"revision": "b", "passed": [-1]}}',
    ],
)  # fmt: skip
def test_what_is_no_traffic_record_is_none(text: str) -> None:
    assert traffic.record_of({"metadata": {"annotations": {TRAFFIC_ANNOTATION: text}}}) is None


def test_a_field_of_a_newer_operator_is_passed_over() -> None:
    text = '{"champion": "blue", "revision": "a", "since": "", "mirror": {"share": 1}}'
    found = traffic.record_of({"metadata": {"annotations": {TRAFFIC_ANNOTATION: text}}})
    assert found is not None
    assert found.revision == "a"
