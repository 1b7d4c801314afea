"""The HTTP interface for programs (viridian.api.feedback has the contract); each caller shows a token."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final, TypeVar

import msgspec
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from viridian.api.feedback import (
    OUTCOMES_PATH,
    PREDICTIONS_PATH,
    PROFILES_PATH,
    REVIEWS_PATH,
    RULES_PATH,
    SNAPSHOTS_PATH,
    SUBJECTS_PATH,
    WINDOWS_PATH,
    FrozenRows,
    PredictionBatch,
    ProfileWindow,
    RetentionRules,
    Served,
    Stored,
)
from viridian.api.performance import MAX_CLASSES
from viridian.feedback import collector_metrics as figures
from viridian.feedback.access.authorization import Caller, Right
from viridian.feedback.collector_app import CollectorApp
from viridian.feedback.collector_metrics import RowKind, RowResult
from viridian.feedback.endpoints.middleware import json_answer, json_problem, route
from viridian.feedback.endpoints.review_page import page_routes
from viridian.feedback.figures.spans import Spans
from viridian.feedback.figures.training_snapshots import Choice, Frozen
from viridian.feedback.figures.windows import encoded
from viridian.feedback.identifiers import MAX_TEXT, checked_id, checked_names, is_text
from viridian.feedback.ingest.json_amounts import check_values
from viridian.feedback.ingest.outcome_decoding import needs_label_right, outcomes
from viridian.feedback.ingest.outcomes import StoreOutcomes, with_human_source
from viridian.feedback.ingest.plausible_times import TIMES, is_plausible_time
from viridian.feedback.ingest.predictions import StorePredictions, check_amount
from viridian.feedback.ingest.profiles import StoreProfile, check_profile
from viridian.feedback.number_texts import number
from viridian.feedback.problems import HttpProblem, ServiceUnavailable, Unknown, misunderstood
from viridian.feedback.review.review_sample import Sample, reviews
from viridian.feedback.storage.erasure import EraseSubject
from viridian.feedback.storage.keep_rules import CloseRules, GiveRules
from viridian.feedback.storage.label_numbers import InvalidRow, Labels

MAX_REVIEWS: Final = 1_000
REVIEW_DAYS: Final = 7
_DAY: Final = 86_400.0
_INT64: Final = 1 << 63
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}
_HASHED: Final = (
    "no row has this subject. Model servers name subjects by a keyed hash alone: "
    "send what `python -m viridian.api.privacy` makes of the id in a server's pod"
)
_PREDICTIONS = msgspec.json.Decoder(PredictionBatch)
_PROFILES = msgspec.json.Decoder(ProfileWindow)
_RETENTION_RULES = msgspec.json.Decoder(RetentionRules)
_Document = TypeVar("_Document")


def application(collector: CollectorApp) -> Starlette:
    """All routes."""
    programs = _Api(collector)
    place = "/{namespace}/{deployment}"
    table = (
        ("POST", PREDICTIONS_PATH, programs.predictions),
        ("POST", PROFILES_PATH, programs.profiles),
        ("POST", OUTCOMES_PATH, programs.outcomes),
        ("GET", WINDOWS_PATH + place, programs.windows),
        ("PUT", SNAPSHOTS_PATH + place + "/{run}", programs.freeze),
        ("GET", SNAPSHOTS_PATH + place + "/{run}.parquet", programs.download),
        ("GET", REVIEWS_PATH + "/next", programs.next_reviews),
        ("GET", REVIEWS_PATH + ".jsonl", programs.export_reviews),
        ("POST", REVIEWS_PATH, programs.answers),
        ("DELETE", SUBJECTS_PATH + "/{subject}", programs.erase),
        ("PUT", RULES_PATH + place, programs.rules),
        ("DELETE", RULES_PATH + place, programs.close_rules),
        ("GET", "/healthz", programs.healthy),
        ("GET", "/readyz", programs.ready),
        ("GET", "/metrics", programs.metrics),
    )
    routes = [route(path, method, handler, collector.metrics, json_problem) for method, path, handler in table]
    return Starlette(routes=[*routes, *page_routes(collector)])


class _Api:
    """One method for each route."""

    def __init__(self, collector: CollectorApp) -> None:
        self._collector = collector

    # ---- what comes in ----

    async def predictions(self, request: Request) -> Response:
        """POST PredictionBatch."""
        identity = await self._caller(request)
        async with self._read(request, identity, _PREDICTIONS, "a PredictionBatch") as (batch, size):
            served = await self._served(identity, batch.served)
            if not all(block.complete for block in batch.blocks):
                raise HttpProblem(400, "the lists of a block are of one length")
            check_amount(batch)
            collector = self._collector
            store = StorePredictions(batch, collector.privacy.of(served.namespace, served.deployment))
            collector.quotas.admit(served.namespace, store.rows, size)
            received = await collector.writer.write(store, served.namespace)
        metrics = self._collector.metrics
        self._count(RowKind.PREDICTION, received.stored)
        for row in received.stored.refused:
            metrics.unstored(row["reason"])
        metrics.rows(RowKind.PREDICTION, RowResult.ERASED, received.erased)
        metrics.rows(RowKind.OUTCOME, RowResult.REFUSED, received.unfit)
        # A batch of which everything is here already was sent before, and its loss was counted then.
        if batch.dropped > 0 and (received.stored.stored or not received.stored.duplicates):
            metrics.dropped(served.namespace, served.deployment, batch.dropped)
        return json_answer(received.stored)

    async def profiles(self, request: Request) -> Response:
        """POST ProfileWindow."""
        identity = await self._caller(request)
        async with self._read(request, identity, _PROFILES, "a ProfileWindow") as (window, size):
            await self._served(identity, window.served)
            self._check(window)
            check_profile(window.profile)
            self._collector.quotas.admit(window.served.namespace, 1, size)
            stored = await self._collector.writer.write(StoreProfile(window), window.served.namespace)
        self._count(RowKind.PROFILE, stored)
        return json_answer(stored)

    async def outcomes(self, request: Request) -> Response:
        """POST outcomes in any form."""
        identity = await self._caller(request)
        namespace = _namespace(request, identity)
        await self._collector.access.require(identity, Right.WRITE, namespace)
        return await self._store_outcomes(request, identity, namespace, reviewed=False)

    async def answers(self, request: Request) -> Response:
        """POST outcomes that people gave to what they were shown."""
        identity = await self._caller(request)
        namespace = _namespace(request, identity)
        return await self._store_outcomes(request, identity, namespace, reviewed=True)

    async def _store_outcomes(self, request: Request, identity: Caller, namespace: str, reviewed: bool) -> Response:
        collector = self._collector
        if reviewed:
            await collector.access.require(identity, Right.LABEL, namespace)
        if not collector.privacy.knows_namespace(namespace):
            raise Unknown("the namespace")
        collector.quotas.check_rate(namespace)
        async with collector.bodies.of(request, identity.tenant) as body:
            kind = request.headers.get("content-type", "")
            decoded, refused = await collector.decoders.ask(identity.tenant, outcomes, kind, body, collector.clock())
            if reviewed:
                decoded = [with_human_source(one) for one in decoded]
            elif needs_label_right(decoded):
                await collector.access.require(identity, Right.LABEL, namespace)
            collector.quotas.admit(namespace, len(decoded), len(body))
            stored = await collector.writer.write(StoreOutcomes(namespace, decoded, tuple(refused)), namespace)
        self._count(RowKind.OUTCOME, stored)
        return json_answer(stored)

    async def erase(self, request: Request) -> Response:
        """DELETE a subject."""
        identity = await self._caller(request)
        namespace = _namespace(request, identity)
        await self._collector.access.require(identity, Right.ERASE, namespace)
        subject = request.path_params["subject"]
        if not 0 < len(subject) <= MAX_TEXT:
            raise HttpProblem(400, f"a subject has 1 to {MAX_TEXT} characters")
        writer, stored_as = self._collector.writer, self._collector.privacy.subject(subject)
        erased = await writer.write(EraseSubject(namespace, stored_as), namespace)
        # Where a long question keeps the log of SQLite from being cut, the next sweep does it.
        await writer.scrub()
        return json_answer({"erased": erased} if erased or stored_as == subject else {"erased": 0, "hint": _HASHED})

    async def rules(self, request: Request) -> Response:
        """PUT Keeping."""
        identity = await self._caller(request)
        namespace, deployment = _place(request)
        await self._collector.access.require(identity, Right.KEEP, namespace, deployment)
        async with self._read(request, identity, _RETENTION_RULES, "rules: deny, hash, allow, retention_seconds") as (
            rules,
            _,
        ):
            if rules.retention_seconds is not None and not rules.retention_seconds > 0:
                raise HttpProblem(400, "retention_seconds is above 0")
            await self._collector.writer.write(GiveRules(namespace, deployment, rules), namespace)
        self._collector.privacy.give(namespace, deployment, rules)
        return Response(status_code=204)

    async def close_rules(self, request: Request) -> Response:
        """DELETE: the deployment is gone, and nothing more of it is taken."""
        identity = await self._caller(request)
        namespace, deployment = _place(request)
        await self._collector.access.require(identity, Right.KEEP, namespace, deployment)
        await self._collector.writer.write(CloseRules(namespace, deployment), namespace)
        self._collector.privacy.close(namespace, deployment)
        self._collector.metrics.forget(namespace, deployment)
        return Response(status_code=204)

    # ---- what goes out ----

    async def windows(self, request: Request) -> Response:
        """GET list of Window."""
        identity = await self._caller(request)
        namespace, deployment = _place(request)
        await self._collector.access.require(identity, Right.FIGURES, namespace, deployment)
        start, end, seconds = (_number(request, name) for name in ("start", "end", "seconds"))
        spans = Spans.checked(start, end, seconds)
        revision, profiles = request.query_params.get("revision", ""), _truth(request, "profile", True)
        found = self._collector.windows.of(namespace, deployment, spans, revision, profiles)
        answer = await self._collector.readers.ask(namespace, encoded, found)
        return Response(answer, media_type="application/json")

    async def freeze(self, request: Request) -> Response:
        """PUT: Snapshot."""
        identity = await self._caller(request)
        namespace, deployment = _place(request)
        await self._collector.access.require(identity, Right.KEEP, namespace, deployment)
        run = checked_id("run id", request.path_params["run"])
        query = request.query_params
        choice = Choice(
            start=_number(request, "start") if "start" in query else None,
            end=_number(request, "end") if "end" in query else None,
            labelled_only=_truth(request, "labelled", False),
        )
        frozen = await self._collector.snapshots.of_run(
            namespace, deployment, run, choice, self._collector.quotas.check_room
        )
        uri = f"{str(request.base_url).rstrip('/')}{SNAPSHOTS_PATH}/{namespace}/{deployment}/{run}.parquet"
        return json_answer(FrozenRows(uri=uri, digest=frozen.digest, rows=frozen.rows, labelled=frozen.labelled))

    async def download(self, request: Request) -> Response:
        """GET the Parquet file, as long as it is what was promised."""
        identity = await self._caller(request)
        namespace, deployment = _place(request)
        await self._collector.access.require(identity, Right.ROWS, namespace, deployment)
        run = checked_id("run id", request.path_params["run"])
        frozen = await asyncio.to_thread(self._collector.snapshots.find, namespace, deployment, run)
        if frozen is None:
            raise HttpProblem(404, "this run has no snapshot; PUT makes one")
        path = await self._collector.readers.ask(namespace, self._collector.snapshots.checked, frozen)
        return FileResponse(path, media_type="application/vnd.apache.parquet", headers=_digest_headers(frozen))

    async def next_reviews(self, request: Request) -> Response:
        """GET the next rows to label; for some minutes they are nobody else's."""
        identity, sample = await self._sample(request)
        leases = self._collector.leases
        count = int(_number(request, "count", 1))
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
        limit = max(1, min(MAX_REVIEWS, int(_number(request, "limit", MAX_REVIEWS))))
        engine, readers = self._collector.engine, self._collector.readers
        found = await readers.ask(sample.namespace, reviews, engine, sample, lambda _: True, limit)
        return Response(msgspec.json.Encoder().encode_lines(found), media_type="application/x-ndjson")

    async def _sample(self, request: Request) -> tuple[Caller, Sample]:
        identity = await self._caller(request)
        query = request.query_params
        namespace, deployment = checked_names(_namespace(request, identity), query.get("deployment", ""))
        await self._collector.access.require(identity, Right.ROWS, namespace, deployment)
        now = self._collector.clock()
        rate = _number(request, "rate", self._collector.settings.review_rate)
        if not 0 < rate <= 1:
            raise HttpProblem(400, "rate is a share: above 0 and at most 1")
        start, end = _number(request, "start", now - REVIEW_DAYS * _DAY), _number(request, "end", now)
        return identity, Sample(namespace, deployment, start, end, rate)

    # ---- about itself ----

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

    # ---- what several need ----

    async def _caller(self, request: Request) -> Caller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise HttpProblem(401, "show a service-account token for the audience viridian-collector: Bearer …")
        address = request.client.host if request.client else ""
        identity = await self._collector.access.identify(token.strip(), address)
        request.state.namespace = identity.namespace
        return identity

    @contextlib.asynccontextmanager
    async def _read(
        self, request: Request, identity: Caller, decoder: msgspec.json.Decoder[_Document], what: str
    ) -> AsyncIterator[tuple[_Document, int]]:
        """What the body says, and its length; it counts as being in memory until the end of the block."""
        self._collector.quotas.check_rate(identity.tenant)
        async with self._collector.bodies.of(request, identity.tenant) as body:
            check_values(body)
            try:
                document = decoder.decode(body)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise misunderstood(error, what) from None
            yield document, len(body)

    def _check(self, window: ProfileWindow) -> None:
        """Raises a problem where the time or the pod of the window is not plausible."""
        if not window.pod or not is_text(window.pod):
            raise HttpProblem(400, f"pod has 1 to {MAX_TEXT} characters, none of them NUL")
        if not 0 <= window.sequence < _INT64:
            raise HttpProblem(400, "sequence counts the windows of a pod, from 0")
        now = self._collector.clock()
        if not window.start < window.end or not all(
            is_plausible_time(time, now) for time in (window.start, window.end)
        ):
            raise HttpProblem(400, f"start is before end, and {TIMES}")

    async def _served(self, identity: Caller, served: Served) -> Served:
        """Who answered, if this caller may speak for it."""
        checked_names(served.namespace, served.deployment)
        await self._collector.access.require(identity, Right.WRITE, served.namespace, served.deployment)
        if not self._collector.privacy.knows(served.namespace, served.deployment):
            raise Unknown("the deployment")
        texts = (served.model, served.version, served.revision, served.slot, *served.classes)
        if len(served.classes) > MAX_CLASSES:
            raise HttpProblem(400, f"a model has at most {MAX_CLASSES} classes")
        if not all(map(is_text, texts)):
            raise HttpProblem(
                400, f"names of models, versions, revisions and classes have at most {MAX_TEXT} characters, none is NUL"
            )
        try:
            Labels.of(served)
        except InvalidRow as problem:
            raise HttpProblem(400, str(problem)) from None
        return served

    def _count(self, kind: RowKind, stored: Stored) -> None:
        metrics = self._collector.metrics
        metrics.rows(kind, RowResult.STORED, stored.stored)
        metrics.rows(kind, RowResult.DUPLICATE, stored.duplicates)
        metrics.rows(kind, RowResult.WAITING, stored.waiting)
        metrics.rows(kind, RowResult.REFUSED, len(stored.refused))


def _namespace(request: Request, identity: Caller) -> str:
    """The one that is named, or else the caller's own."""
    namespace = request.query_params.get("namespace", identity.namespace)
    if not namespace:
        raise HttpProblem(400, "say which namespace: ?namespace=…")
    return checked_names(namespace, "any")[0]


def _place(request: Request) -> tuple[str, str]:
    return checked_names(request.path_params["namespace"], request.path_params["deployment"])


def _number(request: Request, name: str, default: float | None = None) -> float:
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    found = number(text or "")
    if found is None:
        raise HttpProblem(400, f"say {name} as a number: ?{name}=…")
    return found


def _truth(request: Request, name: str, default: bool) -> bool:
    text = request.query_params.get(name, str(default)).lower()
    if text not in _TRUTHS:
        raise HttpProblem(400, f"say {name} as true or false: ?{name}=…")
    return _TRUTHS[text]


def _digest_headers(frozen: Frozen) -> dict[str, str]:
    return {"ETag": f'"{frozen.digest}"', "X-Viridian-Digest": frozen.digest}
