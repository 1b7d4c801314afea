"""The adapter of the cluster port: what it asks of the API server, and what it makes of the answers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.support.scripted_api import Answer, HangUp, ScriptedApi, Silence, scripted_api
from viridian import __version__
from viridian.ports import api_client
from viridian.ports.cluster import ClusterConflict, ClusterRefused, ClusterUnavailable, Object, ObjectRef
from viridian.ports.connection import ApiConnection
from viridian.ports.kubernetes import KubernetesCluster
from viridian.ports.kubernetes_event import event_about

POD = ObjectRef("v1", "Pod", "ml", "churn-0")
DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "churn-blue", "namespace": "ml", "uid": "u1", "resourceVersion": "7"},
    "spec": {"replicas": 2},
}
BLUE = ObjectRef("apps/v1", "Deployment", "ml", "churn-blue")
NO_POD = Answer(404, {"kind": "Status", "message": 'pods "churn-0" not found', "details": {"name": "churn-0"}})


@pytest.fixture
async def api() -> AsyncIterator[ScriptedApi]:
    async with scripted_api() as api:
        yield api


@pytest.fixture
async def cluster(api: ScriptedApi) -> AsyncIterator[KubernetesCluster]:
    async with KubernetesCluster(ApiConnection(api.url)) as cluster:
        yield cluster


class TestPaths:
    @pytest.mark.parametrize(
        ("reference", "path"),
        [
            (POD, "/api/v1/namespaces/ml/pods/churn-0"),
            (BLUE, "/apis/apps/v1/namespaces/ml/deployments/churn-blue"),
            (ObjectRef("v1", "Namespace", "", "ml"), "/api/v1/namespaces/ml"),
            (ObjectRef("batch/v1", "Job", "ml", "a"), "/apis/batch/v1/namespaces/ml/jobs/a"),
            (
                ObjectRef("viridian.dev/v1alpha1", "RetrainPolicy", "ml", "a"),
                "/apis/viridian.dev/v1alpha1/namespaces/ml/retrainpolicies/a",
            ),
            (
                ObjectRef("policy/v1", "PodDisruptionBudget", "ml", "a"),
                "/apis/policy/v1/namespaces/ml/poddisruptionbudgets/a",
            ),
        ],
    )
    async def test_of_one_object(
        self, api: ScriptedApi, cluster: KubernetesCluster, reference: ObjectRef, path: str
    ) -> None:
        await cluster.get(reference)
        assert (api.asked[0].method, api.asked[0].path) == ("GET", path)

    async def test_of_a_kind_that_nobody_uses(self, cluster: KubernetesCluster) -> None:
        with pytest.raises(LookupError, match="Secret"):
            await cluster.get(ObjectRef("v1", "Secret", "ml", "a"))

    async def test_of_an_object_without_its_namespace(self, cluster: KubernetesCluster) -> None:
        with pytest.raises(ValueError, match="lacks a namespace"):
            await cluster.apply({**DEPLOYMENT, "metadata": {"name": "a"}}, manager="v")

    async def test_of_lists(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(Answer(200, {"metadata": {}, "items": [{"metadata": {"name": "a"}}]}))
        [found] = await cluster.list("v1", "Pod", "ml", {"b": "2", "a": "1"})
        assert (found["apiVersion"], found["kind"]) == ("v1", "Pod")
        assert await cluster.list("v1", "Pod", None)
        assert [asked.path for asked in api.asked] == ["/api/v1/namespaces/ml/pods", "/api/v1/pods"]
        assert api.asked[0].query == {"limit": "500", "labelSelector": "a=1,b=2"}


class TestWrites:
    async def test_an_apply_is_forced_and_names_its_manager(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(Answer(200, DEPLOYMENT))
        assert await cluster.apply(MappingProxyType(DEPLOYMENT), manager="viridian") == DEPLOYMENT
        [asked] = api.asked
        assert (asked.method, asked.query) == ("PATCH", {"fieldManager": "viridian", "force": "true"})
        assert asked.headers["Content-Type"] == "application/apply-patch+yaml"
        assert asked.headers["User-Agent"] == f"viridian/{__version__}"
        assert asked.body == DEPLOYMENT

    async def test_a_status_goes_to_its_subresource(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(Answer(200, DEPLOYMENT))
        await cluster.apply_status(DEPLOYMENT, manager="viridian-rollout")
        assert api.asked[0].path.endswith("/deployments/churn-blue/status")

    async def test_a_delete_names_the_uid(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        await cluster.delete(BLUE, uid="u1")
        assert api.asked[0].method == "DELETE"
        assert api.asked[0].body["preconditions"] == {"uid": "u1"}
        assert api.asked[0].body["propagationPolicy"] == "Background"

    async def test_deleting_what_is_gone_is_fine(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(NO_POD)
        await cluster.delete(POD, uid="u1")
        assert len(api.asked) == 1

    async def test_deleting_what_was_replaced_is_fine(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(conflict(), Answer(200, {**DEPLOYMENT, "metadata": {"uid": "u2"}}))
        await cluster.delete(BLUE, uid="u1")
        assert [asked.method for asked in api.asked] == ["DELETE", "GET"]

    async def test_any_other_conflict_on_deleting_is_told(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(conflict(), Answer(200, DEPLOYMENT))
        with pytest.raises(ClusterConflict):
            await cluster.delete(BLUE, uid="u1")

    async def test_an_event_is_posted_where_its_object_is(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(Answer(201, {"kind": "Event"}))
        await cluster.record_event(DEPLOYMENT, kind="Warning", reason="Reverted", message="5 % errors")
        [asked] = api.asked
        assert (asked.method, asked.path) == ("POST", "/apis/events.k8s.io/v1/namespaces/ml/events")
        assert (asked.body["type"], asked.body["reason"], asked.body["note"]) == ("Warning", "Reverted", "5 % errors")


class TestPages:
    FIRST = Answer(200, {"metadata": {"continue": "c1"}, "items": [{"metadata": {"name": "a"}}]})
    LAST = Answer(200, {"metadata": {"continue": ""}, "items": [{"metadata": {"name": "b"}}]})
    EXPIRED = Answer(410, {"kind": "Status", "reason": "Expired", "message": "too old"})

    async def test_are_put_together(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(self.FIRST, self.LAST)
        found = await cluster.list("v1", "Pod", "ml", {"a": "1"})
        assert [item["metadata"]["name"] for item in found] == ["a", "b"]
        assert api.asked[1].query == {"limit": "500", "labelSelector": "a=1", "continue": "c1"}

    async def test_one_by_one(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(self.FIRST, self.LAST)
        first = await cluster.page("v1", "Pod", "ml", limit=1)
        last = await cluster.page("v1", "Pod", "ml", limit=1, token=first.next_token)
        assert [item["metadata"]["name"] for item in (*first.items, *last.items)] == ["a", "b"]
        assert [asked.query for asked in api.asked] == [{"limit": "1"}, {"limit": "1", "continue": "c1"}]
        assert (first.next_token, last.next_token) == ("c1", "")

    async def test_one_by_one_go_on_in_a_later_state(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        """The server no longer remembers the state of the first page, and says with which token to go on."""
        later = Answer(410, {"kind": "Status", "reason": "Expired", "metadata": {"continue": "c2"}})
        api.answer(later, self.LAST)
        page = await cluster.page("v1", "Pod", "ml", limit=1, token="c1")
        assert [item["metadata"]["name"] for item in page.items] == ["b"]
        assert api.asked[1].query == {"limit": "1", "continue": "c2"}

    async def test_one_by_one_end_where_the_server_has_no_other_token(
        self, api: ScriptedApi, cluster: KubernetesCluster
    ) -> None:
        api.answer(self.EXPIRED)
        with pytest.raises(ClusterUnavailable, match="cannot be read on"):
            await cluster.page("v1", "Pod", "ml", limit=1, token="c1")

    async def test_a_label_may_have_one_of_several_values(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(self.LAST)
        await cluster.list("v1", "Pod", "ml", {"of": frozenset({"b", "a"})})
        assert api.asked[0].query["labelSelector"] == "of in (a,b)"

    async def test_begin_again_when_the_server_has_forgotten(
        self, api: ScriptedApi, cluster: KubernetesCluster
    ) -> None:
        api.answer(self.FIRST, self.EXPIRED, self.FIRST, self.LAST)
        assert len(await cluster.list("v1", "Pod", "ml")) == 2
        assert "continue" not in api.asked[2].query

    async def test_do_not_begin_again_for_ever(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(self.EXPIRED)
        with pytest.raises(ClusterUnavailable):
            await cluster.list("v1", "Pod", "ml")

    async def test_of_an_empty_list(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(Answer(200, {"metadata": {}, "items": None}))
        assert await cluster.list("v1", "Pod", "ml") == []


class TestNoAnswer:
    async def test_in_time(self, api: ScriptedApi) -> None:
        api.answer(Silence())
        async with KubernetesCluster(ApiConnection(api.url), timeout_seconds=0.05) as cluster:
            with pytest.raises(ClusterUnavailable, match="in time"):
                await cluster.apply(DEPLOYMENT, manager="v")

    async def test_because_the_connection_broke(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(HangUp())
        with pytest.raises(ClusterUnavailable, match="Deployment churn-blue: no answer"):
            await cluster.apply(DEPLOYMENT, manager="v")

    async def test_because_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        async with KubernetesCluster(ApiConnection(f"http://127.0.0.1:{port}")) as cluster:
            with pytest.raises(ClusterUnavailable):
                await cluster.get(POD)

    async def test_that_can_be_understood(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(Answer(200, "<html>a proxy's page</html>"))
        with pytest.raises(ClusterUnavailable):
            await cluster.get(POD)

    async def test_is_not_the_end(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(HangUp(), HangUp(), Answer(200, DEPLOYMENT))
        with pytest.raises(ClusterUnavailable):
            await cluster.apply(DEPLOYMENT, manager="v")
        with pytest.raises(ClusterUnavailable):
            await cluster.apply(DEPLOYMENT, manager="v")
        assert await cluster.apply(DEPLOYMENT, manager="v") == DEPLOYMENT


class TestAbsence:
    async def test_of_an_object(self, api: ScriptedApi, cluster: KubernetesCluster) -> None:
        api.answer(NO_POD)
        assert await cluster.get(POD) is None

    @pytest.mark.parametrize("body", ["404 page not found\n", {"kind": "Status", "details": {}, "message": "?"}])
    async def test_of_a_whole_kind_is_no_absence_of_an_object(
        self, api: ScriptedApi, cluster: KubernetesCluster, body: Any
    ) -> None:
        """A missing CRD must not look as if the user had deleted everything."""
        api.answer(Answer(404, body))
        with pytest.raises(ClusterRefused, match="CRDs installed"):
            await cluster.get(POD)
        with pytest.raises(ClusterRefused, match="CRDs installed"):
            await cluster.list("v1", "Pod", None)


class TestTokens:
    async def test_one_that_was_replaced_is_read_again(self, api: ScriptedApi, tmp_path: Path) -> None:
        path = tmp_path / "token"
        path.write_text("first\n")
        async with KubernetesCluster(ApiConnection(api.url, token_path=path)) as cluster:
            await cluster.get(POD)
            replace(path, "second")
            await cluster.get(POD)
        assert [bearer(asked.headers) for asked in api.asked] == ["Bearer first", "Bearer second"]

    async def test_after_401_the_call_is_made_once_more(self, api: ScriptedApi, tmp_path: Path) -> None:
        path = tmp_path / "token"
        path.write_text("token")
        api.answer(Answer(401, {"message": "Unauthorized"}), Answer(200, DEPLOYMENT))
        async with KubernetesCluster(ApiConnection(api.url, token_path=path)) as cluster:
            assert await cluster.get(BLUE) == DEPLOYMENT
        assert len(api.asked) == 2

    async def test_a_second_401_is_an_outage(self, api: ScriptedApi, tmp_path: Path) -> None:
        """It may be over with the next token, or when the API server knows its keys again."""
        path = tmp_path / "token"
        path.write_text("token")
        api.answer(Answer(401, {"message": "Unauthorized"}))
        async with KubernetesCluster(ApiConnection(api.url, token_path=path)) as cluster:
            with pytest.raises(ClusterUnavailable, match="401"):
                await cluster.get(BLUE)
        assert len(api.asked) == 2

    async def test_a_token_that_cannot_change_is_not_tried_twice(self, api: ScriptedApi) -> None:
        api.answer(Answer(401, {"message": "Unauthorized"}))
        async with KubernetesCluster(ApiConnection(api.url, token="fixed")) as cluster:
            with pytest.raises(ClusterUnavailable):
                await cluster.get(BLUE)
        assert [bearer(asked.headers) for asked in api.asked] == ["Bearer fixed"]

    async def test_a_token_file_that_is_gone_is_an_outage(self, api: ScriptedApi, tmp_path: Path) -> None:
        async with KubernetesCluster(ApiConnection(api.url, token_path=tmp_path / "gone")) as cluster:
            with pytest.raises(ClusterUnavailable):
                await cluster.get(BLUE)


class TestFigures:
    async def test_every_call_is_told(self, api: ScriptedApi) -> None:
        told: list[tuple[str, str, str]] = []
        api.answer(Answer(200, DEPLOYMENT), Answer(503, {}), HangUp())
        connection = ApiConnection(api.url)
        async with KubernetesCluster(connection, on_call=lambda *call: told.append(call[:3])) as cluster:
            await cluster.apply(DEPLOYMENT, manager="v")
            with pytest.raises(ClusterUnavailable):
                await cluster.delete(BLUE, uid="u1")
            with pytest.raises(ClusterUnavailable):
                await cluster.apply_status(DEPLOYMENT, manager="v")
        assert told == [
            ("apply", "deployments", "200"),
            ("delete", "deployments", "503"),
            ("apply", "deployments", "error"),
        ]


class TestEvent:
    NOW = datetime(2026, 1, 5, 12, 0, 0, 250, tzinfo=UTC)

    def event(self, message: str = "5 % errors", regarding: Mapping[str, Any] = DEPLOYMENT) -> Object:
        return event_about(regarding, kind="Warning", reason="Reverted", message=message, now=self.NOW)

    def test_names_its_object(self) -> None:
        metadata = DEPLOYMENT["metadata"]
        assert self.event()["regarding"] == {"apiVersion": "apps/v1", "kind": "Deployment", **metadata}
        assert self.event()["metadata"]["namespace"] == "ml"

    def test_says_when_and_who(self) -> None:
        assert self.event()["eventTime"] == "2026-01-05T12:00:00.000250Z"
        assert self.event()["reportingController"] == "viridian.dev/operator"
        assert self.event()["reportingInstance"]

    def test_the_same_news_begin_with_the_same_name(self) -> None:
        assert self.event()["metadata"] == self.event()["metadata"]
        assert self.event()["metadata"] != self.event("6 % errors")["metadata"]
        long = {**DEPLOYMENT, "metadata": {"name": "x" * 60, "namespace": "ml"}}
        assert len(self.event(regarding=long)["metadata"]["generateName"]) <= 58

    @pytest.mark.parametrize("message", ["x" * 1024, "x" * 5000, "ü" * 600, "€" * 400])
    def test_a_note_has_at_most_1024_bytes(self, message: str) -> None:
        note = self.event(message)["note"]
        assert len(note.encode()) <= 1024
        assert note == message or note.endswith("…")


def conflict() -> Answer:
    return Answer(409, {"kind": "Status", "reason": "Conflict", "message": "the UID in the precondition"})


def replace(path: Path, text: str) -> None:
    """As the kubelet does it: another file takes the name."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


def bearer(headers: Mapping[str, str]) -> str:
    return headers["Authorization"]


async def test_an_answer_without_an_end_is_not_read_to_it(
    api: ScriptedApi, cluster: KubernetesCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_client, "MAX_BYTES", 1000)
    api.answer(Answer(200, {**DEPLOYMENT, "more": "x" * 2000}))
    with pytest.raises(ClusterUnavailable, match="Deployment churn-blue: the API server's answer was not read"):
        await cluster.get(BLUE)
