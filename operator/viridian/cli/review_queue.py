"""The collector's queue of predictions that people are asked about, as a person reaches it over HTTP."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from viridian.api.feedback import AskedRow, Stored
from viridian.cli.cluster_client import ClusterProblem
from viridian.cli.collector_way import CollectorWay
from viridian.people.review_requests import (
    MAX_ANSWER_BYTES,
    MEDIA_TYPE,
    NO_COLLECTOR,
    NO_ROWS,
    ReviewRequest,
    first_unskipped,
    outcome_to_store,
    refusal,
    reported,
    rows_to_label,
)

_T = TypeVar("_T")
_TIMEOUT_SECONDS: Final = 30
_NEXT: Final[Mapping[int, str]] = {
    401: "see --service-account",
    404: NO_ROWS,
}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    body: bytes


Send = Callable[[ReviewRequest], HttpAnswer]


def sender(way: CollectorWay, token: str) -> Send:
    """Speaks with the collector; ClusterProblem where it does not answer."""
    place = urlsplit(way.url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise ClusterProblem(f"{way.url!r} is no address of a collector: write one such as http://localhost:8090")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": MEDIA_TYPE}

    def send(request: ReviewRequest) -> HttpAnswer:
        try:
            with closing(_connection(place, way)) as connection:
                path = f"{place.path.rstrip('/')}{request.path}"
                connection.request(request.method, path, request.body or None, headers)
                answer = connection.getresponse()
                return HttpAnswer(answer.status, answer.read(MAX_ANSWER_BYTES))
        except (OSError, http.client.HTTPException) as error:
            raise ClusterProblem(f"the collector at {place.hostname} does not answer: {error}") from error

    return send


def _connection(place: SplitResult, way: CollectorWay) -> http.client.HTTPConnection:
    """A connection; its certificate is that of the address, whatever the way."""
    host, port = str(place.hostname), place.port
    context = ssl.create_default_context() if place.scheme == "https" else None
    connection = (
        http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)
        if context is not None
        else http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    )
    if way.dial is not None:
        plain = way.dial()
        plain.settimeout(_TIMEOUT_SECONDS)
        connection.sock = plain if context is None else context.wrap_socket(plain, server_hostname=host)
    return connection


@dataclass
class ReviewQueue:
    """What waits for a person about one model."""

    send: Send
    namespace: str
    model: str
    skipped: set[str] = field(default_factory=set)

    def next(self) -> AskedRow | None:
        """The first that this person has not passed over, which nobody else is shown meanwhile; None for none."""
        found = self._decoded(rows_to_label(self.namespace, self.model, self.skipped), list[AskedRow])
        return first_unskipped(found, self.skipped)

    def skip(self, asked: AskedRow) -> None:
        self.skipped.add(asked.prediction_id)

    def answer(self, asked: AskedRow, outcome: str | float) -> None:
        """What is right, as this person says."""
        stored = self._decoded(outcome_to_store(self.namespace, asked.prediction_id, outcome), Stored)
        if problem := refusal(stored):
            raise ClusterProblem(problem)

    def _decoded(self, request: ReviewRequest, kind: type[_T]) -> _T:
        answer = self.send(request)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise ClusterProblem(_sentence(answer))
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.MsgspecError as error:
            raise ClusterProblem(f"{NO_COLLECTOR}: {error}") from error


def _sentence(answer: HttpAnswer) -> str:
    """What the collector reports, with what to do about it."""
    sentence = reported(answer.status, answer.body)
    return f"{sentence} ({_NEXT[answer.status]})" if answer.status in _NEXT else sentence
