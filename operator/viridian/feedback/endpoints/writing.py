"""Endpoints that store or delete: predictions, profiles, outcomes, retention rules, erasure."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from viridian.access.caller import Caller
from viridian.api.feedback import (
    MAX_SPLITS,
    PredictionBatch,
    ProfileWindow,
    RetentionRules,
    Served,
    Stored,
    TrafficSplit,
)
from viridian.api.performance import MAX_CLASSES
from viridian.feedback.access.authorization import Right
from viridian.feedback.collector_app import CollectorApp
from viridian.feedback.collector_metrics import RowKind, RowResult
from viridian.feedback.endpoints import parameters
from viridian.feedback.endpoints.known_places import require_known, require_known_namespace, unknown
from viridian.feedback.endpoints.middleware import json_answer
from viridian.feedback.endpoints.parameters import authenticated
from viridian.feedback.identifiers import MAX_TEXT, checked_names, is_text
from viridian.feedback.ingest.json_amounts import check_values
from viridian.feedback.ingest.outcome_decoding import needs_label_right, outcomes
from viridian.feedback.ingest.outcomes import StoreOutcomes, with_human_source
from viridian.feedback.ingest.plausible_times import TIMES, is_plausible_time
from viridian.feedback.ingest.predictions import StorePredictions, check_amount
from viridian.feedback.ingest.profiles import StoreProfile, check_profile
from viridian.feedback.problems import HttpProblem, misunderstood
from viridian.feedback.storage.erasure import EraseSubject
from viridian.feedback.storage.keep_rules import CloseRules, GiveRules
from viridian.feedback.storage.label_numbers import InvalidRow, Labels
from viridian.feedback.storage.splits import LogSplits

_INT64: Final = 1 << 63
_HASHED: Final = (
    "no row has this subject. Model servers name subjects by a keyed hash alone: "
    "send what `python -m viridian.api.privacy` makes of the id in a server's pod"
)
_PREDICTIONS = msgspec.json.Decoder(PredictionBatch)
_PROFILES = msgspec.json.Decoder(ProfileWindow)
_RETENTION_RULES = msgspec.json.Decoder(RetentionRules)
_SPLITS = msgspec.json.Decoder(list[TrafficSplit])
_Document = TypeVar("_Document")


class WritingEndpoints:
    """One method for each route."""

    def __init__(self, collector: CollectorApp) -> None:
        self._collector = collector

    async def predictions(self, request: Request) -> Response:
        """POST PredictionBatch."""
        identity = await authenticated(self._collector, request)
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
        identity = await authenticated(self._collector, request)
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
        identity = await authenticated(self._collector, request)
        namespace = parameters.namespace(request, identity)
        await self._collector.access.require(identity, Right.WRITE, namespace)
        return await self._store_outcomes(request, identity, namespace, reviewed=False)

    async def answers(self, request: Request) -> Response:
        """POST outcomes that people gave to what they were shown."""
        identity = await authenticated(self._collector, request)
        namespace = parameters.namespace(request, identity)
        return await self._store_outcomes(request, identity, namespace, reviewed=True)

    async def _store_outcomes(self, request: Request, identity: Caller, namespace: str, reviewed: bool) -> Response:
        collector = self._collector
        if reviewed:
            await collector.access.require(identity, Right.LABEL, namespace)
        if not collector.privacy.knows_namespace(namespace):
            raise unknown(namespace)
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
        identity = await authenticated(self._collector, request)
        namespace = parameters.namespace(request, identity)
        await self._collector.access.require(identity, Right.ERASE, namespace)
        subject = request.path_params["subject"]
        if not 0 < len(subject) <= MAX_TEXT:
            raise HttpProblem(400, f"a subject has 1 to {MAX_TEXT} characters")
        # No subject is erased by a request with a wrong name, and the caller must not believe that one was.
        await require_known_namespace(self._collector, namespace)
        writer, stored_as = self._collector.writer, self._collector.privacy.subject(subject)
        erased = await writer.write(EraseSubject(namespace, stored_as), namespace)
        # Where a long question keeps the log of SQLite from being cut, the next sweep does it.
        await writer.scrub()
        return json_answer({"erased": erased} if erased or stored_as == subject else {"erased": 0, "hint": _HASHED})

    async def rules(self, request: Request) -> Response:
        """PUT Keeping."""
        identity = await authenticated(self._collector, request)
        namespace, deployment = parameters.place(request)
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
        identity = await authenticated(self._collector, request)
        namespace, deployment = parameters.place(request)
        await self._collector.access.require(identity, Right.KEEP, namespace, deployment)
        await self._collector.writer.write(CloseRules(namespace, deployment), namespace)
        self._collector.privacy.close(namespace, deployment)
        self._collector.metrics.forget(namespace, deployment)
        return Response(status_code=204)

    async def splits(self, request: Request) -> Response:
        """PUT list of TrafficSplit."""
        identity = await authenticated(self._collector, request)
        namespace, deployment = parameters.place(request)
        await self._collector.access.require(identity, Right.KEEP, namespace, deployment)
        await require_known(self._collector, namespace, deployment)
        async with self._read(request, identity, _SPLITS, "a list of splits: time, champion, challenger, share") as (
            splits,
            _,
        ):
            if len(splits) > MAX_SPLITS:
                raise HttpProblem(400, f"a request has at most {MAX_SPLITS} splits; send them in parts")
            now = self._collector.clock()
            if not all(0 <= one.share <= 1 and is_plausible_time(one.time, now) for one in splits):
                raise HttpProblem(400, f"a share is from 0 to 1, and {TIMES}")
            if not all(is_text(name) for one in splits for name in (one.champion, one.challenger)):
                raise HttpProblem(400, f"names of revisions have at most {MAX_TEXT} characters, none is NUL")
            await self._collector.writer.write(LogSplits(namespace, deployment, splits), namespace)
        return Response(status_code=204)

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
            raise unknown(served.namespace, served.deployment)
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
