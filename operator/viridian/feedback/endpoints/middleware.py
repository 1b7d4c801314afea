"""Around every request: it is counted, and what goes wrong is answered in words of our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from viridian.feedback.collector_metrics import CollectorMetrics
from viridian.feedback.logs import note_failure
from viridian.feedback.problems import Full, HttpProblem, ServiceUnavailable
from viridian.feedback.storage.database import is_full

Handler = Callable[[Request], Awaitable[Response]]

REFUSED = frozenset({404, 408, 413, 429, 507})
"""What a namespace meets that asks or sends too much."""

# Nothing here is for a cache, and nothing is to be guessed about.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def route(
    path: str,
    method: str,
    handler: Handler,
    metrics: CollectorMetrics,
    problem_response: Callable[[HttpProblem], Response],
) -> Route:
    """Problems become the responses that `problem_response` makes of them."""

    async def answer(request: Request) -> Response:
        response = await _handle(handler, request, problem_response)
        response.headers.update(_HEADERS)
        metrics.answered(f"{method} {path}", response.status_code)
        if response.status_code in REFUSED:
            # Whose request it was; empty for people, and for callers that are not authenticated.
            metrics.refused(getattr(request.state, "namespace", ""), response.status_code)
        return response

    return Route(path, answer, methods=[method])


async def _handle(handler: Handler, request: Request, problem_response: Callable[[HttpProblem], Response]) -> Response:
    try:
        return await handler(request)
    except HttpProblem as problem:
        return problem_response(problem)
    except ClientDisconnect:
        return problem_response(HttpProblem(400, "the request ended before its body"))
    except sa.exc.DataError as error:
        note_failure("the database did not understand a question", error)
        return problem_response(
            HttpProblem(400, "the database cannot hold what was asked: a number is too large, or a text has a NUL")
        )
    except Exception as error:
        return problem_response(_explained(error))


def _explained(error: Exception) -> HttpProblem:
    if is_full(error):
        note_failure("the disk is full", error)
        return Full()
    if isinstance(error, (sa.exc.DBAPIError, sa.exc.TimeoutError)):
        note_failure("the database does not answer", error)
        return ServiceUnavailable("the database")
    note_failure("a request failed", error)
    return HttpProblem(500, "something went wrong here; the log of the collector says where")


def json_answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Any structs as JSON."""
    return Response(msgspec.json.encode(document), status, dict(headers or {}), media_type="application/json")


def json_problem(problem: HttpProblem) -> Response:
    """`{"error": …}`."""
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return json_answer({"error": problem.sentence}, problem.status, headers)
