"""Small parts: pods of a weight, revisions, records, pods."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.snapshots import NOW, model, outcome, promoted, record, rejected, revision, spec
from viridian.api import reasons
from viridian.api.names import OUTCOME_ANNOTATION, REVISION_LABEL
from viridian.api.rejections import ModelRejection
from viridian.core.pods_waiting import Impediment
from viridian.rollout import records
from viridian.rollout.records import NEWEST_OUTCOMES, RevisionOutcome
from viridian.rollout.render.revision import revision_of
from viridian.rollout.slot_state import parse_pod
from viridian.rollout.traffic.capacity import PodSplit, pods_for, surge_pods


class TestCapacity:
    @pytest.mark.parametrize(
        ("weight", "replicas", "surge", "pods"),
        [
            (50, 1, 0, (1, 1)), (10, 1, 0, (1, 1)), (10, 2, 2, (3, 1)), (25, 3, 1, (3, 1)), (50, 4, 4, (4, 4)),
            (10, 9, 1, (9, 1)), (50, 6, 2, (6, 2)), (50, 6, 6, (6, 6)), (25, 1000, 1000, (1002, 334)),
            (100, 3, 0, (3, 3)), (1, 1, 99, (99, 1)), (0, 3, 2, (3, 1)), (90, 2, 4, (2, 2)),
        ],
    )  # fmt: skip
    def test_pods_that_come_closest_to_a_weight(
        self, weight: int, replicas: int, surge: int, pods: tuple[int, int]
    ) -> None:
        found = pods_for(weight, replicas, surge)
        assert (found.champion, found.challenger) == pods

    @pytest.mark.parametrize(
        ("written", "replicas", "pods"),
        [
            (None, 1, 2), (None, 2, 2), (None, 6, 6), (None, 0, 2), (0, 6, 0), (3, 6, 3), ("0%", 6, 0), ("50%", 6, 3),
            ("50%", 5, 3), ("100%", 1, 1), ("250%", 2, 5), ("1%", 1, 1), ("9999%", 1000, 1000), (None, 1000, 1000),
        ],
    )  # fmt: skip
    def test_how_many_pods_may_be_added(self, written: int | str | None, replicas: int, pods: int) -> None:
        assert surge_pods(written, replicas) == pods

    @given(st.integers(1, 50), st.integers(1, 40))
    def test_by_default_a_weight_up_to_a_half_is_reached(self, weight: int, replicas: int) -> None:
        """As closely as so many pods can: one pod more or less would be farther away."""
        pods = pods_for(weight, replicas, surge_pods(None, replicas))
        one = 100 / (pods.champion + pods.challenger)
        assert abs(pods.weight - weight) <= one or pods.challenger == 1

    @given(st.integers(1, 99), st.integers(1, 12), st.integers(0, 14))
    def test_no_other_numbers_come_closer(self, weight: int, replicas: int, surge: int) -> None:
        spare = max(1, surge)
        every = [
            PodSplit(replicas + extra, challenger)
            for extra in range(spare)
            for challenger in range(1, min(replicas, spare - extra) + 1)
        ]
        closest = min(every, key=lambda pods: (abs(pods.weight - weight), pods.champion + pods.challenger))
        assert pods_for(weight, replicas, surge) == closest

    @given(st.integers(0, 100), st.integers(1, 30), st.integers(0, 30))
    def test_the_champion_keeps_its_size_and_the_surge_is_kept(self, weight: int, replicas: int, surge: int) -> None:
        found = pods_for(weight, replicas, surge)
        assert found.champion >= replicas
        assert found.challenger >= 1
        if 0 < weight < 100:
            assert found.champion + found.challenger <= replicas + max(1, surge)

    @given(st.integers(1, 98), st.integers(1, 20), st.integers(0, 20))
    def test_a_higher_weight_is_never_a_smaller_share(self, weight: int, replicas: int, surge: int) -> None:
        assert pods_for(weight, replicas, surge).weight <= pods_for(weight + 1, replicas, surge).weight


class TestRevision:
    @pytest.mark.parametrize(
        ("server", "same"),
        [
            ({"replicas": 9}, True),
            ({"replicas": 2, "port": 9000}, False),
            ({"replicas": 2, "runtime": "Custom"}, False),
            ({"replicas": 2, "template": {"metadata": {"annotations": {"a": "b"}}}}, False),
        ],
    )
    def test_what_makes_another_revision(self, server: dict[str, Any], same: bool) -> None:
        assert (revision_of(model("1"), spec(server=server).server, "") == revision("1")) is same

    def test_whose_signature_is_asked_for_does(self) -> None:
        def asked(**signature: Any) -> str:
            keys = {"publicKeySecretRef": {"name": "keys"}, **signature}
            return revision("1", spec(model={"registry": {"name": "churn", "alias": "candidate"}, "signature": keys}))

        others = [asked(), asked(required=False), asked(publicKeySecretRef={"name": "keys", "key": "a"})]
        assert len({revision("1"), *others}) == 4
        assert revision("1") == "72965c29", "an upgrade restarts nothing"

    def test_a_version_and_a_restart_do(self) -> None:
        assert len({revision("1"), revision("2"), revision("1", restart="a"), revision("1", restart="b")}) == 4


class TestRecords:
    def test_the_newest_word_counts(self) -> None:
        assert record("1", promoted()).rejected is None
        assert record("1", promoted(), rejected()).rejected == rejected()
        assert record("1", rejected(), outcome(records.RETRIED, 10)).rejected is None
        assert record("1").rejected is None

    def test_a_command_counts_once(self) -> None:
        known = record("1", rejected(by="viridian.dev/reject=x"))
        assert known.answered("viridian.dev/reject=x")
        assert not known.answered("viridian.dev/reject=x#2")

    def test_only_the_newest_outcomes_are_kept(self) -> None:
        many = tuple(outcome(reasons.PROMOTED, 1000 - number) for number in range(NEWEST_OUTCOMES + 5))
        kept = record("1", *many).outcomes
        assert kept == many[-NEWEST_OUTCOMES:]

    @pytest.mark.parametrize("text", ["", "{", "7", "{}", '["x"]', '[{"outcome": 3}]', '[{"at": null}]'])
    def test_outcomes_that_somebody_damaged_are_no_outcomes(self, text: str) -> None:
        whole = dict(record("1").manifest)
        whole["metadata"] = {**whole["metadata"], "annotations": {OUTCOME_ANNOTATION: text}}
        parsed = records.parse(whole)
        assert parsed is not None
        assert parsed.rejected is None
        assert all(isinstance(found, RevisionOutcome) for found in parsed.outcomes)

    @pytest.mark.parametrize(
        "damage",
        [{"data": None}, {"data": {}}, {"data": {"model": {}}}, {"data": {"model": "x", "template": {}}},
         {"metadata": {"uid": "u"}}, {"metadata": {"uid": "u", "labels": {REVISION_LABEL: ""}}}],
    )  # fmt: skip
    def test_what_is_no_record_is_none(self, damage: dict[str, Any]) -> None:
        assert records.parse({**record("1").manifest, **damage}) is None


class TestPods:
    def test_a_leaving_pod_is_not_ready(self) -> None:
        ready = {"conditions": [{"type": "Ready", "status": "True"}], "podIP": "10.0.0.1"}
        pod: dict[str, Any] = {"metadata": {"uid": "u", "name": "n"}, "spec": {}, "status": ready}
        assert parse_pod(pod).ready
        leaving = {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
        assert not parse_pod(leaving).ready

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            ({"state": {"terminated": {"exitCode": 1, "message": "wrong digest\n"}}}, "fetch: wrong digest"),
            ({"state": {"waiting": {"reason": "CrashLoopBackOff"}},
              "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}}, "fetch: Error"),
            ({"state": {"terminated": {"exitCode": 9}}}, "fetch: exit code 9"),
            ({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no image"}}},
             "fetch: ImagePullBackOff: no image"),
            ({"state": {"terminated": {"exitCode": 0}}}, ""),
            ({"state": {"waiting": {"reason": "PodInitializing"}}}, ""),
            ({}, ""),
        ],
    )  # fmt: skip
    def test_what_a_container_complains_of(self, state: dict[str, Any], words: str) -> None:
        status = {"initContainerStatuses": [{"name": "fetch", **state}]}
        found = parse_pod({"metadata": {"uid": "u", "name": "n"}, "spec": {}, "status": status}).impediment
        assert (found.sentence(NOW) if found else "") == words

    def test_a_refusal_is_heard_from_the_steps_that_know_the_model(self) -> None:
        for container, refusal in (
            ("fetch", ModelRejection.TAMPERED),
            ("server", ModelRejection.TAMPERED),
            ("proxy", None),
        ):
            ended = {"terminated": {"exitCode": 1, "message": "ModelTampered: other bytes"}}
            status = {"containerStatuses": [{"name": container, "state": {}, "ready": False, "lastState": ended}]}
            pod = parse_pod({"metadata": {"uid": "u", "name": "n"}, "spec": {}, "status": status})
            assert pod.refusal is refusal
            assert pod.impediment == Impediment(f"{'' if refusal else 'ModelTampered: '}other bytes", container)

    @pytest.mark.parametrize(
        ("metadata", "status", "reachable"),
        [
            ({}, {"phase": "Running"}, True),
            ({}, {"phase": "Running", "podIP": ""}, False),
            ({}, {"phase": "Failed", "reason": "Evicted"}, False),
            ({}, {"phase": "Succeeded"}, False),
            ({}, {"phase": "Pending"}, False),
            ({}, {"phase": "Unknown"}, False),
            ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, {"phase": "Running"}, False),
        ],
    )
    def test_whose_address_is_its_own(self, metadata: dict[str, Any], status: dict[str, Any], reachable: bool) -> None:
        """An evicted pod keeps its address in its status for as long as it is there; another one may have it by now."""
        pod = {"metadata": {"uid": "u", "name": "n", **metadata}, "spec": {}, "status": {"podIP": "10.0.0.1", **status}}
        assert parse_pod(pod).reachable is reachable

    def test_another_start_of_the_container_is_another_process(self) -> None:
        def pod(**state: Any) -> Any:
            status = {"containerStatuses": [{"name": "proxy"}, {"name": "server", "state": state}]}
            return parse_pod({"metadata": {"uid": "u", "name": "n"}, "spec": {}, "status": status})

        assert pod(running={"startedAt": "2026-01-01T00:00:00Z"}).process == "2026-01-01T00:00:00Z"
        assert pod(waiting={"reason": "CrashLoopBackOff"}).process == ""

    def test_the_management_port_of_a_runtime_of_the_users_own(self) -> None:
        ports = [{"name": "management", "containerPort": 9999}]
        pod = {"metadata": {"uid": "u", "name": "n"}, "spec": {"containers": [{"name": "server", "ports": ports}]}}
        assert parse_pod(pod).management_port == 9999
