"""Endpoints that read: windows, training rows of a run, predictions to label."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from viridian.access.caller import Caller
from viridian.api.feedback import (
    SNAPSHOTS_PATH,
    FrozenRows,
)
from viridian.feedback.access.authorization import Right
from viridian.feedback.collector_app import CollectorApp
from viridian.feedback.endpoints import parameters
from viridian.feedback.endpoints.known_places import require_known
from viridian.feedback.endpoints.middleware import json_answer
from viridian.feedback.endpoints.parameters import authenticated
from viridian.feedback.figures.spans import Spans
from viridian.feedback.figures.training_snapshots import Choice, Frozen
from viridian.feedback.figures.windows import encoded
from viridian.feedback.identifiers import checked_id, checked_names
from viridian.feedback.problems import HttpProblem
from viridian.feedback.review.review_sample import Sample, reviews

MAX_REVIEWS: Final = 1_000
REVIEW_DAYS: Final = 7
_DAY: Final = 86_400.0


class ReadingEndpoints:
    """One method for each route."""

    def __init__(self, collector: CollectorApp) -> None:
        self._collector = collector

    async def windows(self, request: Request) -> Response:
        """GET list of Window."""
        identity = await authenticated(self._collector, request)
        namespace, deployment = parameters.place(request)
        await self._collector.access.require(identity, Right.FIGURES, namespace, deployment)
        await require_known(self._collector, namespace, deployment)
        start, end, seconds = (parameters.number(request, name) for name in ("start", "end", "seconds"))
        spans = Spans.checked(start, end, seconds)
        revision, profiles = request.query_params.get("revision", ""), parameters.truth(request, "profile", True)
        label = parameters.label_definition(request)
        found = self._collector.windows.of(namespace, deployment, spans, revision, profiles, label)
        answer = await self._collector.readers.ask(namespace, encoded, found)
        return Response(answer, media_type="application/json")

    async def freeze(self, request: Request) -> Response:
        """PUT: Snapshot."""
        identity = await authenticated(self._collector, request)
        namespace, deployment = parameters.place(request)
        await self._collector.access.require(identity, Right.KEEP, namespace, deployment)
        await require_known(self._collector, namespace, deployment)
        run = checked_id("run id", request.path_params["run"])
        query = request.query_params
        choice = Choice(
            start=parameters.number(request, "start") if "start" in query else None,
            end=parameters.number(request, "end") if "end" in query else None,
            labelled_only=parameters.truth(request, "labelled", False),
        )
        frozen = await self._collector.snapshots.of_run(
            namespace, deployment, run, choice, self._collector.quotas.check_room
        )
        uri = f"{str(request.base_url).rstrip('/')}{SNAPSHOTS_PATH}/{namespace}/{deployment}/{run}.parquet"
        return json_answer(FrozenRows(uri=uri, digest=frozen.digest, rows=frozen.rows, labelled=frozen.labelled))

    async def download(self, request: Request) -> Response:
        """GET the Parquet file, as long as it is what was promised."""
        identity = await authenticated(self._collector, request)
        namespace, deployment = parameters.place(request)
        await self._collector.access.require(identity, Right.ROWS, namespace, deployment)
        run = checked_id("run id", request.path_params["run"])
        frozen = await asyncio.to_thread(self._collector.snapshots.find, namespace, deployment, run)
        if frozen is None:
            await require_known(self._collector, namespace, deployment)
            raise HttpProblem(
                404, f"this run has no snapshot of ModelDeployment {namespace}/{deployment}; PUT makes one"
            )
        path = await self._collector.readers.ask(namespace, self._collector.snapshots.checked, frozen)
        return FileResponse(path, media_type="application/vnd.apache.parquet", headers=_digest_headers(frozen))

    async def next_reviews(self, request: Request) -> Response:
        """GET the next rows to label; for some minutes they are nobody else's."""
        identity, sample = await self._sample(request)
        leases = self._collector.leases
        count = int(parameters.number(request, "count", 1))
        found = await self._collector.readers.ask(
            sample.namespace,
            reviews,
            self._collector.engine,
            sample,
            lambda prediction: leases.take(sample.namespace, prediction, identity.user),
            max(1, min(MAX_REVIEWS, count)),
        )
        return json_answer(found)

    async def export_reviews(self, request: Request) -> Response:
        """GET the queue as JSON lines, for a labelling tool."""
        _, sample = await self._sample(request)
        limit = max(1, min(MAX_REVIEWS, int(parameters.number(request, "limit", MAX_REVIEWS))))
        engine, readers = self._collector.engine, self._collector.readers
        found = await readers.ask(sample.namespace, reviews, engine, sample, lambda _: True, limit)
        return Response(msgspec.json.Encoder().encode_lines(found), media_type="application/x-ndjson")

    async def _sample(self, request: Request) -> tuple[Caller, Sample]:
        identity = await authenticated(self._collector, request)
        query = request.query_params
        namespace, deployment = checked_names(parameters.namespace(request, identity), query.get("deployment", ""))
        await self._collector.access.require(identity, Right.ROWS, namespace, deployment)
        await require_known(self._collector, namespace, deployment)
        now = self._collector.clock()
        rate = parameters.number(request, "rate", self._collector.settings.review_rate)
        if not 0 < rate <= 1:
            raise HttpProblem(400, "rate is a share: above 0 and at most 1")
        start, end = (
            parameters.number(request, "start", now - REVIEW_DAYS * _DAY),
            parameters.number(request, "end", now),
        )
        return identity, Sample(namespace, deployment, start, end, rate)


def _digest_headers(frozen: Frozen) -> dict[str, str]:
    return {"ETag": f'"{frozen.digest}"', "X-Viridian-Digest": frozen.digest}
