"""Which events wake which keys."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.controller.keys import Key
from viridian.controller.wakes import Wakes, owners
from viridian.core.urgency import Urgency

MODEL = Key(MODEL_DEPLOYMENT, "ml", "churn")
POLICY = Key(RETRAIN_POLICY, "ml", "weekly")


def model(**metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "churn", "namespace": "ml", "uid": "1", "generation": 1, **metadata},
        "spec": {"model": {"registry": {"name": "churn-model", "alias": "candidate"}}},
        "status": {"champion": {"version": "1"}},
    }


def policy() -> dict[str, Any]:
    return {
        "metadata": {"name": "weekly", "namespace": "ml", "uid": "2", "generation": 1},
        "spec": {"modelDeployment": "churn"},
    }


class Reading:
    """A reconciler of one kind that reads every status of its object, Pods and autoscalers."""

    children = frozenset({"Pod", "HorizontalPodAutoscaler"})

    def __init__(self, kind: str, stage: Stage) -> None:
        self.kind, self._stage = kind, stage
        self.follows_registry = kind == MODEL_DEPLOYMENT

    def wake(self, key: Key, urgency: Urgency = Urgency.IDLE, *, changed: bool = True) -> None:
        self._stage.changed[key] = changed
        self._stage.woken.append(key)
        self._stage.urgencies[key] = urgency

    def child_changed(self, key: Key) -> None:
        self.wake(key)

    def wrote(self, key: Key, status: Any) -> bool:
        return key == POLICY or status == self._stage.own_status

    def saw(self, child: Any, deleted: bool) -> None:
        self._stage.seen.append(child)


class Stage:
    def __init__(self) -> None:
        self.woken: list[Key] = []
        self.urgencies: dict[Key, Urgency] = {}
        self.changed: dict[Key, bool] = {}
        self.seen: list[Any] = []
        self.own_status: Any = {"champion": {"version": "1"}}
        self.wakes = Wakes([Reading(kind, self) for kind in (MODEL_DEPLOYMENT, RETRAIN_POLICY)])

    def model(self, changed: dict[str, Any], *, deleted: bool = False) -> list[Key]:
        self.woken.clear()
        self.wakes.own(MODEL_DEPLOYMENT, changed, deleted=deleted)
        return sorted(self.woken)

    def policy(self, changed: dict[str, Any]) -> list[Key]:
        self.woken.clear()
        self.wakes.own(RETRAIN_POLICY, changed, deleted=False)
        return sorted(self.woken)


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.model(model())
    return stage


def test_an_object_that_was_never_seen_wakes_its_key() -> None:
    assert Stage().model(model()) == [MODEL]


def test_the_same_object_again_wakes_nobody(stage: Stage) -> None:
    assert stage.model(model(resourceVersion="2", managedFields=[{}])) == []


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"annotations": {"viridian.dev/approve": "abc"}},
        {"labels": {"team": "a"}},
        {"deletionTimestamp": "2026-11-23T12:00:00Z"},
        {"uid": "another"},
    ],
    ids=["spec", "annotation verb", "label", "deletion", "recreated"],
)
def test_what_a_pass_reads_wakes(stage: Stage, change: dict[str, Any]) -> None:
    assert stage.model(model(**change)) == [MODEL]
    assert stage.model(model(**change)) == []


def test_what_is_seen_for_the_first_time_has_not_just_changed(stage: Stage) -> None:
    assert stage.changed == {MODEL: False}
    stage.policy(policy())
    assert stage.changed[POLICY] is False
    stage.model(model(generation=2))
    assert stage.changed == {MODEL: True, POLICY: True}


def test_our_own_status_write_wakes_nobody(stage: Stage) -> None:
    stage.own_status = {"champion": {"version": "1"}, "replicas": 2}
    assert stage.model({**model(), "status": stage.own_status}) == []


@pytest.mark.parametrize("status", [{}, {"champion": {"version": "9"}}], ids=["deleted", "edited"])
def test_a_status_that_someone_else_wrote_wakes(stage: Stage, status: dict[str, Any]) -> None:
    assert stage.model({**model(), "status": status}) == [MODEL]


def test_a_deletion_wakes_even_where_nothing_was_seen() -> None:
    assert Stage().model(model(), deleted=True) == [MODEL]


def test_a_policy_is_woken_by_what_monitors_find_and_by_the_beginning_and_end_of_a_trial(stage: Stage) -> None:
    stage.policy(policy())
    fired = {"champion": {"version": "1"}, "monitoring": {"revision": "r1", "monitors": [{"name": "a"}]}}
    stage.own_status = fired
    assert stage.model({**model(), "status": stage.own_status}) == [POLICY]
    stage.own_status = {**fired, "challenger": {"revision": "r2", "weight": 5}}
    assert stage.model({**model(), "status": stage.own_status}) == [POLICY]
    stage.own_status = {**fired, "challenger": {"revision": "r2", "weight": 50}}
    assert stage.model({**model(), "status": stage.own_status}) == [], "a step is of no concern"
    stage.own_status = fired
    assert stage.model({**model(), "status": stage.own_status}) == [POLICY]


def test_a_policy_is_woken_by_the_champion_and_the_spec_of_its_model_alone(stage: Stage) -> None:
    assert stage.policy(policy()) == [POLICY]
    stage.own_status = {"champion": {"version": "2"}}
    assert stage.model({**model(), "status": stage.own_status}) == [POLICY]
    stage.own_status = {"champion": {"version": "2"}, "replicas": 3}
    assert stage.model({**model(), "status": stage.own_status}) == []
    assert stage.model({**model(generation=2), "status": stage.own_status}) == [MODEL, POLICY]
    assert stage.model(model(), deleted=True) == [MODEL, POLICY]


def test_a_policy_of_another_namespace_is_not_woken(stage: Stage) -> None:
    elsewhere = policy()
    elsewhere["metadata"]["namespace"] = "ads"
    stage.policy(elsewhere)
    assert stage.model(model(generation=2)) == [MODEL]


def test_a_moved_alias_wakes_those_that_follow_the_model(stage: Stage) -> None:
    other = copy.deepcopy(model())
    other["metadata"]["name"] = "churn-eu"
    stage.model(other)
    stage.woken.clear()
    stage.wakes.registry_changed(frozenset({"churn-model"}))
    assert sorted(stage.woken) == [MODEL, Key(MODEL_DEPLOYMENT, "ml", "churn-eu")]
    stage.woken.clear()
    stage.wakes.registry_changed(frozenset({"another-model"}))
    assert stage.woken == []


def test_nothing_is_kept_about_an_object_that_is_gone(stage: Stage) -> None:
    stage.policy(policy())
    for key in (MODEL, POLICY):
        stage.wakes.forget(key)
    stage.woken.clear()
    stage.wakes.registry_changed(frozenset({"churn-model"}))
    assert stage.woken == []
    assert stage.model(model()) == [MODEL]


def test_a_child_wakes_its_owner_by_label_or_by_reference() -> None:
    by_label = {"metadata": {"namespace": "ml", "labels": {"viridian.dev/model-deployment": "churn"}}}
    owner = {"apiVersion": API_VERSION, "kind": RETRAIN_POLICY, "name": "weekly", "uid": "2"}
    by_owner = {"metadata": {"namespace": "ml", "ownerReferences": [owner]}}
    foreign = {"metadata": {"namespace": "ml", "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet"}]}}
    assert list(owners(by_label)) == [MODEL]
    assert list(owners(by_owner)) == [POLICY]
    assert list(owners(foreign)) == []


def test_every_event_of_a_child_wakes(stage: Stage) -> None:
    stage.woken.clear()
    child = {"metadata": {"namespace": "ml", "labels": {"viridian.dev/model-deployment": "churn"}}}
    stage.wakes.child("Pod", child)
    stage.wakes.child("Pod", child)
    assert stage.woken == [MODEL, MODEL]


def autoscaler(*written: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    labels = {"viridian.dev/model-deployment": "churn"}
    own = {"name": "churn-blue", "namespace": "ml", "uid": "3", "labels": labels, "managedFields": list(written)}
    return {"metadata": {**own, **metadata}}


OURS = {"manager": "viridian", "operation": "Apply", "time": "2026-11-23T12:00:00Z"}
MEASURED = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"}
EDITED = {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-23T12:01:00Z"}


@pytest.mark.parametrize(
    ("event", "deleted", "woken"),
    [
        (autoscaler(OURS, {**MEASURED, "time": "2026-11-23T12:00:45Z"}, resourceVersion="9"), False, []),
        (autoscaler(OURS, EDITED, MEASURED), False, [MODEL]),
        (autoscaler(OURS, MEASURED, labels={"viridian.dev/model-deployment": "churn", "a": "b"}), False, [MODEL]),
        (autoscaler(OURS, MEASURED), True, [MODEL]),
    ],
    ids=["measured again", "edited", "labelled", "deleted"],
)
def test_an_autoscaler_wakes_its_owner_by_more_than_its_status(
    stage: Stage, event: dict[str, Any], deleted: bool, woken: list[Key]
) -> None:
    for _ in range(2):  # seen for the first time, then as it was
        stage.woken.clear()
        stage.wakes.child("HorizontalPodAutoscaler", autoscaler(OURS, MEASURED))
    assert stage.woken == []
    stage.wakes.child("HorizontalPodAutoscaler", event, deleted=deleted)
    assert stage.woken == woken


def test_a_child_of_a_kind_that_nobody_reads_wakes_nobody(stage: Stage) -> None:
    stage.woken.clear()
    stage.wakes.child("Job", {"metadata": {"namespace": "ml", "labels": {"viridian.dev/model-deployment": "churn"}}})
    assert (stage.woken, stage.seen) == ([], [])


@pytest.mark.parametrize(
    ("status", "urgency"),
    [
        ({}, Urgency.UNSETTLED),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, Urgency.UNSETTLED),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, Urgency.IDLE),
        ({"conditions": [{"type": "Ready", "status": "True"}], "challenger": {"slot": "green"}}, Urgency.UNSETTLED),
        ({"conditions": [{"type": "Ready", "status": "True"}], "challenger": {"step": {}}}, Urgency.AT_STAKE),
        ({"conditions": [{"type": "Ready", "status": "True", "reason": "Probation"}]}, Urgency.AT_STAKE),
        ({"conditions": "broken", "challenger": 5}, Urgency.UNSETTLED),
    ],
)
def test_after_a_restart_the_status_says_who_is_looked_at_first(status: Any, urgency: Urgency) -> None:
    stage = Stage()
    stage.model({**model(), "status": status})
    assert stage.urgencies[MODEL] is urgency


def test_a_policy_whose_data_turns_bad_or_good_wakes_its_model_and_nothing_else_of_it_does(stage: Stage) -> None:
    def seen(*status: str) -> list[Key]:
        conditions = [{"type": "DataQuality", "status": one, "reason": "x", "message": "y"} for one in status]
        return stage.policy({**policy(), "status": {"conditions": conditions, "activeRun": {"id": "1"}}})

    assert MODEL not in seen()
    assert MODEL in seen("False")
    assert MODEL not in seen("False")
    assert MODEL in seen("True")
    assert list(stage.wakes.policies_of(MODEL)) == [POLICY]
