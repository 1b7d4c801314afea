"""The collector's queue of predictions that people are asked about, as a person reaches it over HTTP."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import SplitResult, urlencode, urlsplit

import msgspec

from viridian.api.feedback import REVIEWS_PATH, AskedRow, Stored
from viridian.cli.cluster_client import ClusterProblem
from viridian.cli.collector_way import CollectorWay

_T = TypeVar("_T")
_TIMEOUT_SECONDS: Final = 30
_MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
_NEXT: Final[Mapping[int, str]] = {
    401: "see --service-account",
    404: "the model needs `feedback: {}` in its spec, and predictions",
}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    body: bytes


Send = Callable[[str, str, bytes], HttpAnswer]
"""Method, path with query, body."""


def sender(way: CollectorWay, token: str) -> Send:
    """Speaks with the collector; ClusterProblem where it does not answer."""
    place = urlsplit(way.url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise ClusterProblem(f"{way.url!r} is no address of a collector: write one such as http://localhost:8090")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}

    def send(method: str, path: str, body: bytes) -> HttpAnswer:
        try:
            with closing(_connection(place, way)) as connection:
                connection.request(method, f"{place.path.rstrip('/')}{path}", body or None, headers)
                answer = connection.getresponse()
                return HttpAnswer(answer.status, answer.read(_MAX_ANSWER_BYTES))
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
        query = {"namespace": self.namespace, "deployment": self.model, "count": str(len(self.skipped) + 1)}
        found = self._decoded("GET", f"{REVIEWS_PATH}/next?{urlencode(query)}", b"", list[AskedRow])
        return next((one for one in found if one.prediction_id not in self.skipped), None)

    def skip(self, asked: AskedRow) -> None:
        self.skipped.add(asked.prediction_id)

    def answer(self, asked: AskedRow, outcome: str | float) -> None:
        """What is right, as this person says."""
        line = msgspec.json.encode({"prediction_id": asked.prediction_id, "outcome": outcome})
        stored = self._decoded("POST", f"{REVIEWS_PATH}?{urlencode({'namespace': self.namespace})}", line, Stored)
        if stored.refused:
            raise ClusterProblem(f"the collector did not take the answer: {stored.refused[0].get('problem', '')}")

    def _decoded(self, method: str, path: str, body: bytes, kind: type[_T]) -> _T:
        answer = self.send(method, path, body)
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise ClusterProblem(_sentence(answer))
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.MsgspecError as error:
            raise ClusterProblem(f"what answers is no collector of this release: {error}") from error


def _sentence(answer: HttpAnswer) -> str:
    """What the collector reports, with what to do about it."""
    try:
        reported = str(json.loads(answer.body)["error"])
    except (ValueError, KeyError, TypeError):
        reported = f"the collector answered {answer.status}"
    return f"{reported} ({_NEXT[answer.status]})" if answer.status in _NEXT else reported
