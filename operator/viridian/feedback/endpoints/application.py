"""The HTTP interface for programs (viridian.api.feedback has the contract); each caller shows a token."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from viridian.api.feedback import (
    OUTCOMES_PATH,
    PREDICTIONS_PATH,
    PROFILES_PATH,
    REVIEWS_PATH,
    RULES_PATH,
    SNAPSHOTS_PATH,
    SPLITS_PATH,
    SUBJECTS_PATH,
    WINDOWS_PATH,
)
from viridian.feedback import collector_metrics as figures
from viridian.feedback.collector_app import CollectorApp
from viridian.feedback.endpoints.middleware import json_answer, json_problem, route
from viridian.feedback.endpoints.reading import ReadingEndpoints
from viridian.feedback.endpoints.review_page import page_routes
from viridian.feedback.endpoints.writing import WritingEndpoints
from viridian.feedback.problems import ServiceUnavailable


def application(collector: CollectorApp) -> Starlette:
    """All routes."""
    writing, reading, process = WritingEndpoints(collector), ReadingEndpoints(collector), _ProcessEndpoints(collector)
    place = "/{namespace}/{deployment}"
    table = (
        ("POST", PREDICTIONS_PATH, writing.predictions),
        ("POST", PROFILES_PATH, writing.profiles),
        ("POST", OUTCOMES_PATH, writing.outcomes),
        ("GET", WINDOWS_PATH + place, reading.windows),
        ("PUT", SNAPSHOTS_PATH + place + "/{run}", reading.freeze),
        ("GET", SNAPSHOTS_PATH + place + "/{run}.parquet", reading.download),
        ("GET", REVIEWS_PATH + "/next", reading.next_reviews),
        ("GET", REVIEWS_PATH + ".jsonl", reading.export_reviews),
        ("POST", REVIEWS_PATH, writing.answers),
        ("DELETE", SUBJECTS_PATH + "/{subject}", writing.erase),
        ("PUT", RULES_PATH + place, writing.rules),
        ("DELETE", RULES_PATH + place, writing.close_rules),
        ("PUT", SPLITS_PATH + place, writing.splits),
        ("GET", "/healthz", process.healthy),
        ("GET", "/readyz", process.ready),
        ("GET", "/metrics", process.metrics),
    )
    routes = [route(path, method, handler, collector.metrics, json_problem) for method, path, handler in table]
    return Starlette(routes=[*routes, *page_routes(collector)])


class _ProcessEndpoints:
    """Health and metrics of the process itself."""

    def __init__(self, collector: CollectorApp) -> None:
        self._collector = collector

    async def healthy(self, _: Request) -> Response:
        """Whether the process still works; a restart helps where it does not."""
        if not self._collector.writer.alive:
            raise ServiceUnavailable("the writer")
        return json_answer({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Whether what is sent now would be stored."""
        if not self._collector.writer.alive:
            raise ServiceUnavailable("the writer")

        def ask() -> None:
            with self._collector.database.writing.connect() as connection:
                connection.execute(sa.select(1))

        await asyncio.to_thread(ask)
        return json_answer({"status": "ok"})

    async def metrics(self, _: Request) -> Response:
        """Prometheus text."""
        return Response(self._collector.metrics.render(), headers={"Content-Type": figures.CONTENT_TYPE})
