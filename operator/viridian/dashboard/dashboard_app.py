"""The pages and the forms: from a request to what the API server shows and lets this person do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from viridian.api.feedback import TOKEN_AUDIENCE, AskedRow
from viridian.api.names import RETRAIN_POLICY_LABEL
from viridian.api.resources import OWN, ApiResource
from viridian.core.lookup import text
from viridian.dashboard import signed_in
from viridian.dashboard.form_fields import fields_of, form_of, labelled_outcome, local_path, passed_over
from viridian.dashboard.label_queue import LabelQueue
from viridian.dashboard.pages import SECURE_HEADERS, Pages
from viridian.dashboard.person_cluster import PersonCluster
from viridian.dashboard.place import checked, is_name
from viridian.dashboard.views.digest_view import DigestQuery, digest_view
from viridian.dashboard.views.drift_view import drift_view
from viridian.dashboard.views.label_view import label_view
from viridian.dashboard.views.model_view import ModelView, model_view
from viridian.dashboard.views.offered_orders import order_of
from viridian.dashboard.views.policy_view import policy_view
from viridian.dashboard.views.portfolio import PortfolioQuery, portfolio
from viridian.dashboard.views.review_view import review_view
from viridian.dashboard.views.share_curve import share_curve
from viridian.dashboard.visible_models import VisibleModels
from viridian.http_problem import HttpProblem
from viridian.people.blueprint import blueprint
from viridian.people.model_summary import summary
from viridian.people.person_orders import NothingToOrder
from viridian.ports.cluster import Object
from viridian.rollout.traffic.service import record_of

log: Final = logging.getLogger("viridian.dashboard")

MODELS, POLICIES = OWN
RECORDS: Final = ApiResource("apps/v1", "ControllerRevision", "controllerrevisions")
SERVICES: Final = ApiResource("v1", "Service", "services")
MAX_FORM_BYTES: Final = 64 * 1024
"""Most of it is a token."""
_NO_MORE_RIGHTS: Final = (403, 404)
_DONE: Final[Mapping[str, str]] = {"stored": "Your answer is stored.", "skipped": "Skipped."}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _utc() -> datetime:
    return datetime.now(UTC)


class DashboardApp:
    """All routes."""

    def __init__(
        self,
        cluster: PersonCluster,
        *,
        namespaces: Sequence[str] = (),
        token_header: str = "",
        labels: LabelQueue | None = None,
        clock: Callable[[], datetime] = _utc,
    ) -> None:
        """`namespaces`: tried for people who may not list the models of all. `labels`: None without a collector."""
        self._cluster = cluster
        self._listed = VisibleModels(cluster, cluster.models, namespaces)
        self._whole = VisibleModels(
            cluster, lambda token, place, labels: cluster.objects(token, MODELS, place, labels), namespaces
        )
        self._signed_in = signed_in.SignedIn(token_header)
        self._labels = labels
        self._pages = Pages()
        self._clock = clock

    def application(self) -> web.Application:
        """What aiohttp serves."""
        application = web.Application(client_max_size=MAX_FORM_BYTES, middlewares=[self._answer])
        application.router.add_get("/", self.show_portfolio)
        application.router.add_get("/models/{namespace}/{name}", self.show_model)
        application.router.add_get("/models/{namespace}/{name}/rollout", self.show_rollout)
        application.router.add_get("/models/{namespace}/{name}/drift", self.show_drift)
        application.router.add_get("/models/{namespace}/{name}/review", self.show_review)
        application.router.add_get("/models/{namespace}/{name}/blueprint", self.show_blueprint)
        application.router.add_get("/digest", self.show_digest)
        if self._labels is not None:
            application.router.add_get("/models/{namespace}/{name}/labels", self.show_labels)
            application.router.add_post("/models/{namespace}/{name}/labels", self.take_label)
        application.router.add_post("/models/{namespace}/{name}/orders", self.take_order)
        application.router.add_get("/policies/{namespace}/{name}", self.show_policy)
        application.router.add_get("/sign-in", self.show_sign_in)
        application.router.add_post("/sign-in", self.sign_in)
        application.router.add_post("/sign-out", self.sign_out)
        application.router.add_get("/assets/{name}", self.asset)
        application.router.add_get("/healthz", self.healthy)
        return application

    async def show_portfolio(self, request: web.Request) -> web.Response:
        """All models that the person may list, the worst first."""
        query = PortfolioQuery.of(request.query)
        if query.namespace and not is_name(query.namespace):
            raise HttpProblem(400, f"{query.namespace!r} is no name of a namespace")
        token = self._token(request)
        visible = await self._listed.of(token, query.namespace, query.labels, signed_in.namespaces_of(request))
        found = portfolio(visible.models, query)
        response = await self._page(request, "portfolio.html", portfolio=found, visible=visible)
        signed_in.remember_namespaces(response, visible.remembered)
        return response

    async def show_model(self, request: web.Request) -> web.Response:
        """One model."""
        view, done = await self._model(request), request.query.get("done", "")
        return await self._page(request, "model.html", view=view, done=done if done.isalpha() else "")

    async def show_rollout(self, request: web.Request) -> web.Response:
        """The rollout of one model, as it goes on."""
        view = await self._model(request)
        live = await self._live_service(request) if view.compared_revision else None
        traffic = record_of(live)
        curve = share_curve(traffic.splits, view.compared_revision, self._clock()) if traffic is not None else None
        return await self._page(request, "rollout.html", view=view, curve=curve)

    async def show_drift(self, request: web.Request) -> web.Response:
        """What the monitors of one model have found."""
        view = await self._model(request)
        return await self._page(request, "drift.html", view=view, drift=drift_view(view.model.status))

    async def show_review(self, request: web.Request) -> web.Response:
        """What a person looks at who reviews the model."""
        manifest, policies = await self._objects(request)
        view = self._view(manifest, policies)
        review = review_view(manifest, policies, self._clock())
        return await self._page(request, "review.html", view=view, review=review)

    async def show_blueprint(self, request: web.Request) -> web.Response:
        """What is declared for one model."""
        manifest, policies = await self._objects(request)
        view = self._view(manifest, policies)
        own = [one for one in policies if text(one, "spec", "modelDeployment") == view.model.name]
        try:
            sections = blueprint(manifest, own)
        except msgspec.ValidationError as problem:
            raise _other_release(view.model.name, problem) from None
        return await self._page(request, "blueprint.html", view=view, sections=sections)

    async def show_digest(self, request: web.Request) -> web.Response:
        """What has changed and what is open, over all models that the person may list."""
        try:
            query = DigestQuery.of(request.query)
        except ValueError as problem:
            raise HttpProblem(400, f"since: {problem}") from None
        if query.namespace and not is_name(query.namespace):
            raise HttpProblem(400, f"{query.namespace!r} is no name of a namespace")
        token = self._token(request)
        visible = await self._whole.of(token, query.namespace, "", signed_in.namespaces_of(request))
        places = [""] if visible.everywhere else visible.namespaces
        lists = await asyncio.gather(*(self._if_allowed(token, POLICIES, place) for place in places))
        policies = [one for found in lists for one in found]
        shown = digest_view(visible.models, policies, query, self._clock())
        response = await self._page(request, "digest.html", digest=shown, query=query)
        signed_in.remember_namespaces(response, visible.remembered)
        return response

    async def show_labels(self, request: web.Request) -> web.Response:
        """The next row for this person to label; before they have named a service account, the form for that."""
        view, query = await self._model(request), request.query
        account, skipped = query.get("account", ""), passed_over(query.getall("skipped", []))
        row = await self._next_row(request, account, skipped) if account else None
        return await self._page(
            request,
            "labels.html",
            view=view,
            account=account,
            row=label_view(row) if row is not None else None,
            skipped=skipped,
            done=_DONE.get(query.get("done", ""), ""),
        )

    async def take_label(self, request: web.Request) -> web.Response:
        """Store what this person says, or pass over the row; then the next one."""
        namespace, name = _place(request)
        token, fields = self._token(request), await fields_of(request)
        form = dict(fields)
        signed_in.check_form(request, token, form.get(signed_in.PROOF_FIELD, ""))
        account, row = form.get("account", ""), form.get("prediction_id", "")
        skipped = passed_over([value for field, value in fields if field == "skipped"])
        if "skip" in form:
            done, skipped = "skipped", passed_over([*skipped, row])
        else:
            done = "stored"
            await self._queue.answer(
                await self._account_token(request, account), namespace, row, labelled_outcome(form)
            )
        onward = urlencode([("account", account), ("done", done), *(("skipped", one) for one in skipped)])
        raise web.HTTPSeeOther(f"/models/{namespace}/{name}/labels?{onward}")

    async def show_policy(self, request: web.Request) -> web.Response:
        """One RetrainPolicy with its runs and their evidence."""
        namespace, name = _place(request)
        token = self._token(request)
        manifest = await self._cluster.get(token, POLICIES, namespace, name)
        records = await self._if_allowed(token, RECORDS, namespace, f"{RETRAIN_POLICY_LABEL}={name}")
        return await self._page(request, "policy.html", policy=policy_view(manifest, records))

    async def take_order(self, request: web.Request) -> web.Response:
        """An order of this person, as `kubectl viridian` would write it."""
        namespace, name = _place(request)
        token = self._token(request)
        form = await form_of(request)
        signed_in.check_form(request, token, form.get(signed_in.PROOF_FIELD, ""))
        user = await self._cluster.user(token)
        manifest = await self._cluster.get(token, MODELS, namespace, name)
        try:
            order = order_of(form.get("verb", ""), form.get("about", ""), summary(manifest), user)
        except NothingToOrder as why:
            raise HttpProblem(409, str(why)) from None
        await self._cluster.patch(token, MODELS, manifest, order.patch)
        log.info("order", extra={"fields": {"verb": form["verb"], "model": f"{namespace}/{name}", "user": user}})
        done = urlencode({"done": form["verb"]})
        raise web.HTTPSeeOther(f"/models/{namespace}/{name}?{done}")

    async def show_sign_in(self, request: web.Request) -> web.Response:
        """The form for a token."""
        return self._sign_in_page(200, "", request.query.get("next", "/"))

    async def sign_in(self, request: web.Request) -> web.Response:
        """Keep a token that the API server knows in the browser."""
        signed_in.check_origin(request)
        form = await form_of(request)
        token, onward = form.get("token", "").strip(), local_path(form.get("next", "/"))
        if not token.isascii() or not token.isprintable() or not token:
            return self._sign_in_page(400, "this is no token: copy it whole, on one line", onward)
        if len(token) > signed_in.MAX_COOKIE:
            why = f"a token of more than {signed_in.MAX_COOKIE} characters fits into no cookie: use a shorter-lived one"
            return self._sign_in_page(400, why, onward)
        try:
            await self._cluster.user(token)
        except HttpProblem as problem:
            return self._sign_in_page(problem.status, problem.sentence, onward)
        response = web.Response(status=303, headers={"Location": onward})
        signed_in.keep(response, token)
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """The browser forgets the token."""
        form = await form_of(request)
        signed_in.check_form(request, self._token(request), form.get(signed_in.PROOF_FIELD, ""))
        response = web.Response(status=303, headers={"Location": "/sign-in"})
        signed_in.drop(response)
        return response

    async def asset(self, request: web.Request) -> web.Response:
        """A style, a script or a picture of ours."""
        return self._pages.asset(request.match_info["name"])

    async def healthy(self, _: web.Request) -> web.Response:
        """The process answers; whether the API server does is its own matter."""
        return web.json_response({"status": "ok"})

    @property
    def _queue(self) -> LabelQueue:
        if self._labels is None:
            raise HttpProblem(404, _KNOWN[404])
        return self._labels

    async def _next_row(self, request: web.Request, account: str, skipped: Sequence[str]) -> AskedRow | None:
        return await self._queue.next(await self._account_token(request, account), *_place(request), skipped)

    async def _account_token(self, request: web.Request, account: str) -> str:
        """The API server decides whether this person may label as that account."""
        if not is_name(account):
            raise HttpProblem(400, f"{account!r} is no name of a service account")
        namespace, _ = _place(request)
        return await self._cluster.account_token(self._token(request), namespace, account, TOKEN_AUDIENCE)

    async def _model(self, request: web.Request) -> ModelView:
        return self._view(*await self._objects(request))

    async def _objects(self, request: web.Request) -> tuple[Object, list[Object]]:
        """The model, and the policies of its namespace."""
        namespace, name = _place(request)
        token = self._token(request)
        manifest = await self._cluster.get(token, MODELS, namespace, name)
        return manifest, await self._if_allowed(token, POLICIES, namespace)

    def _view(self, manifest: Object, policies: Sequence[Object]) -> ModelView:
        return model_view(manifest, policies, self._clock())

    async def _live_service(self, request: web.Request) -> Object | None:
        """The Service of the model, which holds the log of the shares; None where the person may not get it."""
        try:
            return await self._cluster.get(self._token(request), SERVICES, *_place(request))
        except HttpProblem as problem:
            if problem.status in _NO_MORE_RIGHTS:
                return None
            raise

    async def _if_allowed(self, token: str, resource: ApiResource, namespace: str, labels: str = "") -> list[Object]:
        """What the page can do without: nothing where the person may not list it."""
        try:
            return await self._cluster.objects(token, resource, namespace, labels)
        except HttpProblem as problem:
            if problem.status in _NO_MORE_RIGHTS:
                return []
            raise

    async def _page(self, request: web.Request, template: str, **values: Any) -> web.Response:
        token = self._token(request)
        user = await self._cluster.user(token)
        return self._pages.page(
            template,
            self._clock(),
            user=user,
            proof=signed_in.proof(token),
            may_sign_out=self._signed_in.by_cookie(request),
            has_labels=self._labels is not None,
            **values,
        )

    def _sign_in_page(self, status: int, problem: str, onward: str) -> web.Response:
        return self._pages.page(
            "sign_in.html",
            self._clock(),
            status,
            problem=problem,
            onward=local_path(onward),
            user="",
            may_sign_out=False,
        )

    def _token(self, request: web.Request) -> str:
        token = self._signed_in.token(request)
        if not token:
            raise HttpProblem(401, "")
        return token

    @web.middleware
    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Every problem becomes a page; every page gets the headers that keep a browser from running anything else."""
        try:
            response = await handler(request)
        except web.HTTPException as known:
            if known.status in (404, 405, 413):
                response = self._problem(request, HttpProblem(known.status, _KNOWN[known.status]))
            else:
                response = web.Response(status=known.status, headers=known.headers)
        except HttpProblem as problem:
            response = self._problem(request, problem)
        except Exception as error:
            # Its text may quote the request.
            log.error(f"a request failed: {type(error).__name__}")
            response = self._problem(request, HttpProblem(500, "something went wrong here; the log has its kind"))
        for name, value in SECURE_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _problem(self, request: web.Request, problem: HttpProblem) -> web.Response:
        if problem.status == 401:
            onward = request.path_qs if request.method == "GET" else "/"
            response = self._sign_in_page(401, problem.sentence, onward)
            if not self._signed_in.by_proxy(request) and signed_in.COOKIE in request.cookies:
                signed_in.drop(response)
            return response
        response = self._pages.page(
            "problem.html", self._clock(), problem.status, problem=problem.sentence, user="", may_sign_out=False
        )
        if problem.retry_after is not None:
            response.headers["Retry-After"] = str(problem.retry_after)
        return response


_KNOWN: Final[Mapping[int, str]] = {
    404: "there is no such page",
    405: "this address takes no such request",
    413: f"a form has {MAX_FORM_BYTES // 1024} KiB at most",
}


def _place(request: web.Request) -> tuple[str, str]:
    return checked(request.match_info["namespace"]), checked(request.match_info["name"])


def _other_release(name: str, problem: Exception) -> HttpProblem:
    return HttpProblem(502, f"{name} is of another release than this dashboard: {problem}")
