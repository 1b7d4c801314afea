"""The page on which a person labels the queue: plain HTML, nothing loaded from anywhere, every answer a button.

Logging in takes a token and gives a cookie that stands for it; the session is worth no more than its token, which the
API server is asked about again and again. A form is only believed from the page itself: the cookie goes to no other
site's requests (SameSite), the origin must be ours, and the form carries a word that only the page knows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from viridian.access.caller import Caller
from viridian.feedback.access.authorization import NOBODY, Right
from viridian.feedback.collector_app import CollectorApp
from viridian.feedback.collector_metrics import RowKind, RowResult
from viridian.feedback.endpoints.known_places import require_known
from viridian.feedback.endpoints.middleware import route
from viridian.feedback.identifiers import checked_names, is_id
from viridian.feedback.ingest.outcome_decoding import COLUMNS, NotUnderstood, outcome_of_fields
from viridian.feedback.ingest.outcomes import StoreOutcomes, with_human_source
from viridian.feedback.problems import HttpProblem
from viridian.feedback.review.review_sample import Review, Sample, reviews

REVIEW_PATH: Final = "/review"
LOGIN_PATH: Final = "/review/login"
COOKIE: Final = "viridian-review"
SESSION_SECONDS: Final = 12 * 3600.0
_SESSIONS: Final = 1_000
_SESSIONS_EACH: Final = 20
"""Of one person: repeated logins end that person's own sessions only."""
_SKIPPED: Final = 10_000
_FORM_BYTES: Final = 64 * 1024
"""Most of it is the token."""
_WEEK: Final = 7 * 86_400.0
_TEMPLATES: Final = Path(__file__).with_name("templates")


@dataclass
class _Session:
    token: str = field(repr=False)
    user: str
    until: float
    word: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    skipped: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def skip(self, prediction_id: str) -> None:
        """Not shown again, unless very many others were passed over since."""
        if is_id(prediction_id):
            self.skipped[prediction_id] = None
            while len(self.skipped) > _SKIPPED:
                self.skipped.popitem(last=False)


class _Login(HttpProblem):
    """Nobody is logged in, or not any more."""

    def __init__(self, sentence: str) -> None:
        super().__init__(401, sentence)


def page_routes(collector: CollectorApp) -> list[Route]:
    """The page and its forms."""
    page = _Page(collector)
    table = (
        ("GET", REVIEW_PATH, page.show),
        ("GET", LOGIN_PATH, page.show_login),
        ("POST", LOGIN_PATH, page.log_in),
        ("POST", "/review/logout", page.log_out),
        ("POST", "/review/answer", page.answer),
    )
    return [route(path, method, handler, collector.metrics, page.problem) for method, path, handler in table]


class _Page:
    def __init__(self, collector: CollectorApp) -> None:
        self._collector = collector
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._style = (_TEMPLATES / "style.css").read_text()
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self._headers = {
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'",
            "Referrer-Policy": "same-origin",
        }

    async def show(self, request: Request) -> Response:
        """The next row, or the form that asks for which deployment."""
        session, identity = await self._session(request)
        query = request.query_params
        if not query.get("deployment"):
            return self._html("choose.html", session=session, namespace=identity.namespace)
        namespace, deployment = await self._place(identity, query)
        review = await self._next(session, identity, namespace, deployment)
        return self._html(
            "review.html",
            session=session,
            review=review,
            namespace=namespace,
            deployment=deployment,
            done=query.get("done", "") in ("stored", "skipped") and query["done"],
        )

    async def show_login(self, _: Request) -> Response:
        """The form for the token."""
        return self._html("login.html", problem="")

    async def log_in(self, request: Request) -> Response:
        """A session for a token that the API server knows."""
        _from_this_page(request)
        token = (await self._fields(request, NOBODY)).get("token", "").strip()
        if not token:
            raise _Login("the token is missing")
        identity = await self._collector.access.identify(token, request.client.host if request.client else "")
        name = secrets.token_urlsafe(32)
        self._sessions[name] = _Session(token, identity.user, self._collector.clock() + SESSION_SECONDS)
        self._forget_the_oldest(identity.user)
        response = RedirectResponse(REVIEW_PATH, 303)
        response.set_cookie(
            COOKIE, name, path=REVIEW_PATH, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
        return response

    def _forget_the_oldest(self, user: str) -> None:
        """Of this person first."""
        theirs = [name for name, session in self._sessions.items() if session.user == user]
        for name in theirs[:-_SESSIONS_EACH]:
            del self._sessions[name]
        while len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)

    async def log_out(self, request: Request) -> Response:
        """The session is over."""
        session, _ = await self._session(request)
        await self._form(request, session, session.user)
        self._sessions.pop(request.cookies[COOKIE], None)
        response = RedirectResponse(LOGIN_PATH, 303)
        response.delete_cookie(COOKIE, path=REVIEW_PATH)
        return response

    async def answer(self, request: Request) -> Response:
        """Store what the person says, or pass over the row; then the next one."""
        session, identity = await self._session(request)
        form = await self._form(request, session, identity.tenant)
        namespace, deployment = await self._place(identity, form)
        if "skip" in form:
            session.skip(form.get("prediction_id", ""))
            done = "skipped"
        else:
            await self._store(namespace, deployment, form)
            done = "stored"
        there = urlencode({"namespace": namespace, "deployment": deployment, "done": done})
        return RedirectResponse(f"{REVIEW_PATH}?{there}", 303)

    def problem(self, problem: HttpProblem) -> Response:
        """What went wrong, on a page; a person who is not logged in gets the login form."""
        template = "login.html" if problem.status == 401 else "problem.html"
        return self._html(template, problem.status, problem=problem.sentence)

    async def _store(self, namespace: str, deployment: str, form: Mapping[str, str]) -> None:
        try:
            outcome = outcome_of_fields({name: form.get(name) for name in COLUMNS[:2]}, self._collector.clock())
        except NotUnderstood as problem:
            raise HttpProblem(400, f"the answer was not understood: {problem}") from None
        # The person may label here, which says nothing about the other deployments of the namespace.
        answer = StoreOutcomes(namespace, [with_human_source(outcome)], deployment=deployment)
        stored = await self._collector.writer.write(answer, namespace)
        if stored.refused:
            raise HttpProblem(400, f"the answer was not understood: {stored.refused[0]['problem']}")
        self._collector.metrics.rows(RowKind.OUTCOME, RowResult.STORED, stored.stored)
        self._collector.metrics.rows(RowKind.OUTCOME, RowResult.DUPLICATE, stored.duplicates)

    async def _next(self, session: _Session, identity: Caller, namespace: str, deployment: str) -> Review | None:
        collector = self._collector
        now = collector.clock()
        sample = Sample(namespace, deployment, now - _WEEK, now, collector.settings.review_rate)

        def wanted(prediction: str) -> bool:
            return prediction not in session.skipped and collector.leases.take(namespace, prediction, identity.user)

        found = await collector.readers.ask(namespace, reviews, collector.engine, sample, wanted, 1)
        return found[0] if found else None

    async def _place(self, identity: Caller, fields: Mapping[str, str]) -> tuple[str, str]:
        """Namespace and deployment, if the person may both see and label there."""
        namespace, deployment = checked_names(fields.get("namespace", ""), fields.get("deployment", ""))
        for right in (Right.ROWS, Right.LABEL):
            await self._collector.access.require(identity, right, namespace, deployment)
        await require_known(self._collector, namespace, deployment)
        return namespace, deployment

    async def _session(self, request: Request) -> tuple[_Session, Caller]:
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        if session is None or session.until < self._collector.clock():
            # On a first visit the form is enough.
            raise _Login("your session is over; please log in again" if COOKIE in request.cookies else "")
        return session, await self._collector.access.identify(session.token)

    async def _form(self, request: Request, session: _Session, tenant: str) -> dict[str, str]:
        _from_this_page(request)
        form = await self._fields(request, tenant)
        if not hmac.compare_digest(form.get("word", "").encode(), session.word.encode()):
            raise HttpProblem(403, "the form is not from this page; load the page again")
        return form

    async def _fields(self, request: Request, tenant: str) -> dict[str, str]:
        async with self._collector.bodies.of(request, tenant, _FORM_BYTES) as body:
            try:
                return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
            except ValueError:
                raise HttpProblem(400, "the body is no form") from None

    def _html(self, template: str, status: int = 200, **values: Any) -> Response:
        text = self._environment.get_template(template).render(style=self._style, **values)
        return HTMLResponse(text, status, headers=self._headers)


def _from_this_page(request: Request) -> None:
    """403 for a form of another site."""
    origin = request.headers.get("origin")
    ours = origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
    if not ours or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HttpProblem(403, "the form is from another site")
