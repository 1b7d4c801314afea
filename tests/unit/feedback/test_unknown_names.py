"""A name that nobody has announced is answered with 404 and the name: a typo does not look like "no work left"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.routing import Route

from tests.support.collecting import START, Stand, batch, collecting, outcome, prediction, served
from tests.unit.feedback.test_reviews import logged_in
from viridian.api.feedback import RetentionRules
from viridian.feedback.endpoints.application import application

SPAN = "start=0&end=3600&seconds=3600"
READ: dict[str, tuple[str, str, Any]] = {
    "windows": ("GET", f"/v1/windows/ml/churm?{SPAN}", None),
    "freeze": ("PUT", "/v1/snapshots/ml/churm/run-1", None),
    "download": ("GET", "/v1/snapshots/ml/churm/run-1.parquet", None),
    "next review": ("GET", "/v1/reviews/next?namespace=ml&deployment=churm", None),
    "all reviews": ("GET", "/v1/reviews.jsonl?namespace=ml&deployment=churm", None),
    "splits": ("PUT", "/v1/splits/ml/churm", []),
    "predictions": ("POST", "/v1/predictions", batch([prediction(1)], served(deployment="churm"))),
}
OF_A_NAMESPACE: dict[str, tuple[str, str, Any]] = {
    "outcomes": ("POST", "/v1/outcomes?namespace=mi", [outcome(1, "leaves")]),
    "answers": ("POST", "/v1/reviews?namespace=mi", [outcome(1, "leaves")]),
    "erasure": ("DELETE", "/v1/subjects/user-5?namespace=mi", None),
}


async def asked(stand: Stand, method: str, path: str, body: Any, who: str = "admin") -> tuple[int, str]:
    content = None if body is None else msgspec.json.encode(body)
    headers = {"Authorization": f"Bearer {who}", "Content-Type": "application/json"}
    answer = await stand.http.request(method, path, content=content, headers=headers)
    return answer.status_code, answer.text


@pytest.mark.parametrize("route", READ)
async def test_a_deployment_that_nobody_has_announced_is_named(stand: Stand, route: str) -> None:
    status, text = await asked(stand, *READ[route])
    assert (status, "ModelDeployment ml/churm is not known here" in text) == (404, True), text
    assert "kubectl get modeldeployments" in text


@pytest.mark.parametrize("route", OF_A_NAMESPACE)
async def test_a_namespace_that_nobody_has_announced_is_named(stand: Stand, route: str) -> None:
    """An erasure with a typo has erased nothing, and must not look as if there had been nothing to erase."""
    for right in ("create", "update", "delete"):
        stand.gate.rights.add(("admin", right, "mi"))
    status, text = await asked(stand, *OF_A_NAMESPACE[route])
    assert (status, "namespace mi is not known here" in text) == (404, True), text


@pytest.mark.parametrize("route", [*READ, *OF_A_NAMESPACE])
async def test_a_caller_without_the_right_does_not_learn_whether_a_name_is_known(stand: Stand, route: str) -> None:
    method, path, body = {**READ, **OF_A_NAMESPACE}[route]
    status, text = await asked(stand, method, path, body, "stranger")
    assert (status, "known" in text) == (403, False)


async def test_the_page_of_reviews_names_it_too(stand: Stand) -> None:
    http = await logged_in(stand)
    answer = await http.get("/review", params={"namespace": "ml", "deployment": "churm"})
    assert (answer.status_code, "ModelDeployment ml/churm is not known here" in answer.text) == (404, True)


def test_each_route_about_a_place_has_its_case(stand: Stand) -> None:
    """Rules are what announces a deployment, and may be closed twice."""
    about = {
        route.path
        for route in application(stand.collector).routes
        if isinstance(route, Route) and route.path.startswith("/v1/") and not route.path.startswith("/v1/rules/")
    }
    for _, path, _ in (*READ.values(), *OF_A_NAMESPACE.values()):
        parts = path.partition("?")[0].split("/")
        about = {one for one in about if not _fits(one.split("/"), parts)}
    assert about == {"/v1/profiles"}, "tests/unit/feedback/test_quotas.py"


def _fits(pattern: list[str], parts: list[str]) -> bool:
    ends = [one.rpartition("}")[2] if "{" in one else one for one in pattern]
    return len(pattern) == len(parts) and all(
        part.endswith(end) if "{" in one else part == one for one, end, part in zip(pattern, ends, parts, strict=True)
    )


async def test_a_known_deployment_without_rows_is_an_empty_list(stand: Stand) -> None:
    assert await stand.admin.ok("GET", "/v1/reviews/next?namespace=ml&deployment=churn") == []
    assert await stand.admin.windows(START, START + 3600, 3600) == []
    status, text = await asked(stand, "PUT", "/v1/snapshots/ml/churn/run-1", None)
    assert (status, "no row has been received of ModelDeployment ml/churn yet" in text) == (404, True)


async def test_the_rows_of_a_deployment_that_is_gone_can_be_read_as_long_as_they_are_kept(stand: Stand) -> None:
    await stand.admin.ok("PUT", "/v1/rules/ml/gone", content=msgspec.json.encode(RetentionRules()))
    await stand.server.predict(batch([prediction(1)], served(deployment="gone")))
    await stand.admin.ok("DELETE", "/v1/rules/ml/gone")
    stand.clock.now = START + 1000
    found = await stand.admin.ok("GET", "/v1/reviews/next?namespace=ml&deployment=gone&rate=1")
    assert len(found) == 1


async def test_a_deployment_is_known_after_a_restart(tmp_path: Path) -> None:
    async with collecting(tmp_path) as stand:
        await stand.admin.ok("PUT", "/v1/rules/ml/new", content=msgspec.json.encode(RetentionRules()))
    async with collecting(tmp_path) as stand:
        assert await stand.admin.ok("GET", "/v1/reviews/next?namespace=ml&deployment=new") == []
