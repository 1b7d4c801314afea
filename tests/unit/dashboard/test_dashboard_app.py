"""The pages over HTTP: who sees what, which forms are believed, and what a browser is allowed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from tests.support.dashboard_models import (
    NOW,
    MemoryLabelQueue,
    MemoryPersonCluster,
    condition,
    experimenting,
    live_service,
    model,
    on_trial,
    policy,
    run_record,
)
from tests.support.dashboard_routes import FORMS, about_an_object, status_of
from viridian.dashboard.dashboard_app import DashboardApp
from viridian.dashboard.dashboard_settings import parse
from viridian.dashboard.signed_in import COOKIE, MAX_COOKIE, proof

Client = TestClient[web.Request, web.Application]
PEOPLE = {
    "all": ("ada", frozenset("*")),
    "one": ("system:serviceaccount:ml:ben", frozenset({"ml"})),
    "few": ("eve", frozenset({"ml", "shop"})),
}
HOSTILE = "</td><script>alert(1)</script>"


@pytest.fixture
def cluster() -> MemoryPersonCluster:
    of_churn = policy()
    hostile = model("hostile", conditions=[condition("Ready", "False", "Broken", HOSTILE)])
    return MemoryPersonCluster(PEOPLE, [on_trial(), hostile, model("pricing", "shop"), of_churn, run_record(of_churn)])


@pytest.fixture
async def client(cluster: MemoryPersonCluster) -> AsyncIterator[Client]:
    app = DashboardApp(cluster, token_header="X-Forwarded-Access-Token", clock=lambda: NOW)
    async with TestClient(TestServer(app.application()), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


def as_(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def page(client: Client, path: str, who: str = "all", status: int = 200) -> str:
    async with client.get(path, headers=as_(who)) as response:
        assert response.status == status
        return await response.text()


def models(text: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="(/models/[^"]+)"', text)


async def test_a_person_sees_what_their_token_allows(client: Client) -> None:
    assert models(await page(client, "/")) == ["/models/ml/hostile", "/models/ml/churn", "/models/shop/pricing"]
    assert models(await page(client, "/", "one")) == ["/models/ml/hostile", "/models/ml/churn"]
    assert "those that you may see" in await page(client, "/", "one")


async def test_another_namespace_is_neither_listed_nor_opened(client: Client) -> None:
    text = await page(client, "/?namespace=shop", "one")
    assert models(text) == []
    assert "may not list the models of the namespace <strong>shop</strong>" in text
    assert "pricing" not in await page(client, "/models/shop/pricing", "one", 403)


async def test_no_route_about_an_object_opens_for_people_of_other_namespaces(cluster: MemoryPersonCluster) -> None:
    before, queue = list(cluster.stored), MemoryLabelQueue()
    app = DashboardApp(cluster, labels=queue, clock=lambda: NOW).application()
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        for method, path in about_an_object(app):
            name = policy()["metadata"]["name"] if path.startswith("/policies") else "churn"
            own, foreign = path.format(namespace="ml", name=name), path.format(namespace="shop", name="pricing")
            form = {**FORMS.get(path, {}), "proof": proof("one")}
            if method == "GET":
                assert await status_of(client, method, own, as_("one"), {}) == 200, own
            assert await status_of(client, method, foreign, as_("one"), form) == 403, foreign
            assert await status_of(client, method, own, as_("made-up"), {**form, "proof": proof("made-up")}) == 401, own
    assert (list(cluster.stored), cluster.patched, queue.answers) == (before, [], {})


async def test_a_namespace_is_named_once_and_the_browser_remembers_it(client: Client) -> None:
    assert "You may not list the models of all namespaces" in await page(client, "/", "few")
    async with client.get("/?namespace=shop", headers=as_("few")) as response:
        remembered = response.cookies["viridian-namespaces"]
    assert (remembered["httponly"], remembered["secure"], remembered["samesite"]) == (True, True, "Strict")
    again = {**as_("few"), "Cookie": f"viridian-namespaces={remembered.value}"}
    async with client.get("/", headers=again) as response:
        assert models(await response.text()) == ["/models/shop/pricing"]


async def test_namespaces_of_the_settings_are_tried(cluster: MemoryPersonCluster) -> None:
    app = DashboardApp(cluster, namespaces=["ml", "shop", "not-yours"], clock=lambda: NOW)
    async with TestClient(TestServer(app.application())) as client:
        assert len(models(await page(client, "/", "few"))) == 3


@pytest.mark.parametrize("path", ["", "/rollout", "/drift", "/review"])
async def test_a_model_has_its_pages(client: Client, path: str) -> None:
    assert "churn" in await page(client, f"/models/ml/churn{path}", "one")


async def test_a_rollout_shows_its_experiment_and_the_shares_over_time(
    client: Client, cluster: MemoryPersonCluster
) -> None:
    cluster.stored = [experimenting(), live_service()]
    text = await page(client, "/models/ml/offers/rollout", "one")
    assert "Experiment ab" in text
    assert "0.0092 (-0.0031 to 0.0215)" in text
    assert "5 shares of revision 9a1b02ee" in text


async def test_without_the_service_a_rollout_has_no_shares_over_time(
    client: Client, cluster: MemoryPersonCluster
) -> None:
    cluster.stored = [experimenting()]
    text = await page(client, "/models/ml/offers/rollout", "one")
    assert "Experiment ab" in text
    assert "Share over time" not in text


async def test_a_policy_has_a_page_with_its_evidence(client: Client) -> None:
    text = await page(client, "/policies/ml/churn-weekly", "one")
    assert "Evidence on 4000 rows" in text
    assert "auc, region = north" in text


async def test_a_blueprint_shows_the_model_and_its_policies(client: Client) -> None:
    text = await page(client, "/models/ml/churn/blueprint", "one")
    for heading in ("Model", "How a version becomes the champion", "Retraining by churn-weekly"):
        assert f">{heading}</h2>" in text


async def test_a_digest_has_what_a_person_may_list(client: Client) -> None:
    text = await page(client, "/digest?since=5d")
    assert "ml/churn: version 6 Promoted" in text
    assert "ml/churn-weekly: run 9d290bcc HandedOver" in text
    assert re.search(r"<code>kubectl viridian approve churn -n ml[^<]*</code>", text)
    assert "shop" not in await page(client, "/digest?since=5d", "one")
    assert "Nothing has changed, and nothing waits" in await page(client, "/digest?since=5d&namespace=shop", "few")
    assert "without a ticket" in await page(client, "/digest?since=5d&by=ticket")
    for wrong in ("since=yesterday", "since=-5d", "namespace=..%2Fx"):
        await page(client, f"/digest?{wrong}", status=400)


async def test_a_status_of_another_release_takes_nothing_from_a_digest(
    client: Client, cluster: MemoryPersonCluster
) -> None:
    cluster.stored = [*cluster.stored, model("newer", history="later")]
    text = await page(client, "/digest?since=5d")
    assert "of another release" not in text
    assert "ml/churn: version 6 Promoted" in text


@pytest.mark.parametrize(
    "path",
    [
        "/models/ml/nothing",
        "/models/ML/churn",
        "/models/..%2f..%2fapi/x",
        "/models/ml/%2e%2e",
        "/policies/ml/a%00b",
        "/x",
    ],
)
async def test_what_is_not_there_is_no_page(client: Client, path: str) -> None:
    assert "That did not work" in await page(client, path, status=404)


async def test_text_of_objects_is_text(client: Client) -> None:
    for path in ("/", "/models/ml/hostile", "/?q=%3Cscript%3E", "/?namespace=ml&labels=%22%3E%3Cscript%3E"):
        assert "<script>" not in await page(client, path)


async def test_no_page_runs_or_loads_anything_of_others(client: Client) -> None:
    for path, token in (("/", "all"), ("/nothing", "all"), ("/models/ml/churn", "unknown"), ("/sign-in", "")):
        async with client.get(path, headers=as_(token)) as response:
            policy_ = response.headers["Content-Security-Policy"]
            text = await response.text()
        assert policy_.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        assert response.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<style|<script>| style=| on[a-z]+=", text)
        assert not re.search(r'(?:src|href|action)="(?!/|#)', text)


async def test_no_page_shows_the_token(client: Client) -> None:
    async with client.get("/models/ml/churn", headers={"Cookie": f"{COOKIE}=all"}) as response:
        assert 'value="all"' not in await response.text()


async def test_assets_are_kept_by_browsers(client: Client) -> None:
    (address,) = re.findall(r'href="(/assets/style\.css\?[0-9a-f]+)"', await page(client, "/"))
    async with client.get(address) as response:
        assert (response.status, response.content_type) == (200, "text/css")
        assert "immutable" in response.headers["Cache-Control"]
    assert await page(client, "/assets/..%2fpages.py", status=404)


# ---- signing in


async def signed_in(client: Client, token: str, onward: str = "/", **headers: str) -> aiohttp.ClientResponse:
    fields = {"token": token, "next": onward}
    async with client.post("/sign-in", data=fields, headers=headers, allow_redirects=False) as response:
        await response.read()
        return response


async def test_a_token_is_kept_by_the_browser_alone(client: Client) -> None:
    response = await signed_in(client, " all\n", "/models/ml/churn")
    assert (response.status, response.headers["Location"]) == (303, "/models/ml/churn")
    kept = response.cookies[COOKIE]
    assert (kept.value, kept["httponly"], kept["secure"], kept["samesite"]) == ("all", True, True, "Strict")
    async with client.get("/", headers={"Cookie": f"{COOKIE}=all"}) as response:
        assert "Sign out" in await response.text()


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("made-up", "does not know this token"),
        ("", "this is no token"),
        ("two\nlines", "this is no token"),
        ("tökén", "this is no token"),
        ("x" * (MAX_COOKIE + 1), "fits into no cookie"),
    ],
)
async def test_what_is_no_token_is_not_kept(client: Client, token: str, why: str) -> None:
    async with client.post("/sign-in", data={"token": token}) as response:
        assert response.status in (400, 401)
        assert why in await response.text()
        assert COOKIE not in response.cookies


@pytest.mark.parametrize("onward", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\nb"])
async def test_signing_in_leads_nowhere_else(client: Client, onward: str) -> None:
    assert (await signed_in(client, "all", onward)).headers["Location"] == "/"


async def test_nobody_is_signed_in_by_another_site(client: Client) -> None:
    assert (await signed_in(client, "all", **{"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (await signed_in(client, "all", Origin="https://evil.example")).status == 403


async def test_who_is_not_signed_in_gets_the_form_and_comes_back(client: Client) -> None:
    async with client.get("/models/ml/churn?x=1") as response:
        assert response.status == 401
        assert 'name="next" value="/models/ml/churn?x=1"' in await response.text()


async def test_a_token_that_has_expired_is_dropped(client: Client) -> None:
    async with client.get("/", headers={"Cookie": f"{COOKIE}=old"}) as response:
        assert response.status == 401
        assert response.cookies[COOKIE]["max-age"] == "0"


async def test_a_proxy_brings_the_token_in_its_header(client: Client) -> None:
    for headers in ({"X-Forwarded-Access-Token": "one"}, {"X-Forwarded-Access-Token": "Bearer one"}):
        async with client.get("/", headers=headers) as response:
            text = await response.text()
            assert "system:serviceaccount:ml:ben" in text
            assert "Sign out" not in text
    other = {"X-Other-Token": "one", "Authorization": "Basic b25l"}
    async with client.get("/", headers=other) as response:
        assert response.status == 401


# ---- orders


def fields_of(text: str, verb: str) -> dict[str, str]:
    """What the form of this order sends."""
    for form in re.findall(r"<form.*?</form>", text, flags=re.DOTALL):
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        if fields.get("verb") == verb:
            return fields
    raise AssertionError(f"no form for {verb}")


async def ordered(client: Client, token: str, fields: dict[str, str], **headers: str) -> tuple[int, str]:
    path = "/models/ml/churn/orders"
    async with client.post(path, data=fields, headers={**as_(token), **headers}, allow_redirects=False) as response:
        return response.status, response.headers.get("Location") or await response.text()


async def test_an_order_is_written_as_the_person(client: Client, cluster: MemoryPersonCluster) -> None:
    fields = fields_of(await page(client, "/models/ml/churn"), "approve")
    assert await ordered(client, "all", fields) == (303, "/models/ml/churn?done=approve")
    assert cluster.patched == [{"metadata": {"annotations": {"viridian.dev/approve": "9a1b02ee#ada"}}}]
    assert "order to approve is written" in await page(client, "/models/ml/churn?done=approve")


@pytest.mark.parametrize(
    ("changed", "headers", "status"),
    [
        ({"proof": ""}, {}, 403),
        ({"proof": "0" * 64}, {}, 403),
        ({"proof": "ünicode"}, {}, 403),
        ({}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({}, {"Sec-Fetch-Site": "same-site"}, 403),
        ({}, {"Sec-Fetch-Site": "none"}, 403),
        ({}, {"Origin": "null"}, 403),
        ({"about": "an older revision"}, {}, 409),
        ({"verb": "explode"}, {}, 409),
    ],
)
async def test_a_form_that_is_not_from_the_page_as_it_is_now_writes_nothing(
    client: Client,
    cluster: MemoryPersonCluster,
    changed: dict[str, str],
    headers: dict[str, str],
    status: int,
) -> None:
    fields = fields_of(await page(client, "/models/ml/churn"), "approve")
    assert (await ordered(client, "all", {**fields, **changed}, **headers))[0] == status
    assert cluster.patched == []


async def test_the_proof_of_one_person_is_not_that_of_another(client: Client, cluster: MemoryPersonCluster) -> None:
    fields = fields_of(await page(client, "/models/ml/churn", "one"), "approve")
    assert (await ordered(client, "few", fields))[0] == 403
    assert cluster.patched == []


async def test_bodies_that_are_no_forms_are_refused(client: Client) -> None:
    async with client.post("/models/ml/churn/orders", json={"verb": "approve"}, headers=as_("all")) as response:
        assert response.status == 415
    async with client.post("/sign-in", data={"token": "x" * 100_000}) as response:
        assert response.status == 413
    async with client.delete("/models/ml/churn", headers=as_("all")) as response:
        assert response.status == 405


async def test_signing_out_takes_the_proof(client: Client) -> None:
    cookie = {"Cookie": f"{COOKIE}=all"}
    async with client.post("/sign-out", data={"proof": "x"}, headers=cookie) as response:
        assert response.status == 403
    async with client.get("/", headers=cookie) as response:
        proof = re.findall(r'name="proof" value="([0-9a-f]+)"', await response.text())[0]
    async with client.post("/sign-out", data={"proof": proof}, headers=cookie, allow_redirects=False) as response:
        assert (response.status, response.cookies[COOKIE]["max-age"]) == (303, "0")


async def test_a_status_of_another_release_costs_its_unknown_parts_alone(
    client: Client, cluster: MemoryPersonCluster
) -> None:
    cluster.stored = [model("strange", champion={"slot": "purple"})]
    assert "strange" in await page(client, "/models/ml/strange")


class FailingCluster(MemoryPersonCluster):
    async def user(self, token: str) -> str:
        raise RuntimeError("secret")


async def test_a_failure_shows_nothing_of_its_cause() -> None:
    app = DashboardApp(FailingCluster(PEOPLE), clock=lambda: NOW)
    async with TestClient(TestServer(app.application())) as client:
        assert "secret" not in await page(client, "/", status=500)


# ---- settings


def settings(tmp_path: Path, *arguments: str, **environment: str) -> Any:
    authority = tmp_path / "ca.crt"
    authority.touch()
    return parse(["--api-ca-file", str(authority), *arguments], environment)


def test_a_pod_finds_its_api_server(tmp_path: Path) -> None:
    found = settings(tmp_path, KUBERNETES_SERVICE_HOST="fd00::1", KUBERNETES_SERVICE_PORT="6443")
    assert found.connection().server == "https://[fd00::1]:6443"
    assert found.connection().read_token() is None, "it has no token of its own"
    assert found.certificate() is None


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--api-server", "http://10.0.0.1"],
        ["--api-server", "https://10.0.0.1", "--port", "http"],
        ["--api-server", "https://10.0.0.1", "--port", "70000"],
        ["--api-server", "https://10.0.0.1", "--namespaces", "ml,../x"],
        ["--api-server", "https://10.0.0.1", "--tls-cert-file", "tls.crt"],
        ["--api-server", "https://10.0.0.1", "--api-ca-file", "/nothing"],
        ["--api-server", "https://10.0.0.1", "--collector", "viridian-collector:8090"],
        ["--api-server", "https://10.0.0.1", "--collector-ca-file", "/nothing"],
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        settings(tmp_path, *arguments)
