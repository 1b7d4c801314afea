"""One loaded model, from bytes of a request to bytes of an answer. No network here, and nothing waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import msgspec

from viridian.serving.bundle import contents as bundles
from viridian.serving.bundle.contents import Bundle
from viridian.serving.bundle.signature import ColumnKind, Signature, Table
from viridian.serving.data.batch import Batch, MatrixReader, Reader, TableReader, join_batches
from viridian.serving.data.outputs import Output, finite, split
from viridian.serving.errors import BadInput, ModelFailed, Rejection, SmokeFailed
from viridian.serving.json_sizes import Room
from viridian.serving.protocols import csv_rows, invocations, protocol_v2
from viridian.serving.protocols.prediction_request import CSV, Dialect, Request
from viridian.serving.runtimes import loader
from viridian.serving.runtimes.loader import ModelRuntime
from viridian.serving.server_settings import DEFAULT_ROW_LIMIT

WARM_UPS: Final = 5
"""Smoke predictions in a row: the first ones pay for allocations that no user should wait for."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What requests may hold."""

    rows: int = DEFAULT_ROW_LIMIT
    extra: tuple[str, ...] = ()
    """Columns that may come with the rows though the model does not take them."""


class ModelOutput(msgspec.Struct):
    """What the client gets, and what it was made of."""

    body: bytes
    json_length: int | None
    """Where tensors as bytes follow: how much of the body is JSON."""
    batch: Batch
    outputs: Sequence[Output]


class LoadedModel:
    """Answers requests in both protocols; may be called from several threads at once."""

    def __init__(
        self,
        name: str,
        version: str,
        runtime_: ModelRuntime,
        outputs: Sequence[Output],
        limits: RequestLimits | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.signature = runtime_.signature
        self.outputs = outputs
        """What it answered to its example."""
        self._runtime = runtime_
        self._limits = limits or RequestLimits()
        self._reader = reader(runtime_.signature, self._limits.extra)
        self._room = Room(self._limits.rows, self._reader.columns)
        self.metadata = protocol_v2.metadata(name, version, runtime_.platform, runtime_.signature, outputs)

    def answer(self, requests: Sequence[Request]) -> list[ModelOutput | Exception]:
        """For each request its answer, or what is to be raised instead: BadInput or ModelFailed."""
        if len(requests) == 1:
            return [_attempt(self._answer_one, requests[0])]
        parsed = [_attempt(self._read, request) for request in requests]
        good = [one for one in parsed if not isinstance(one, Exception)]
        answers = iter(self._predict_batched(good))
        return [one if isinstance(one, Exception) else next(answers) for one in parsed]

    def infer(self, body: bytes, prediction: str) -> bytes:
        """The Open Inference Protocol's answer to JSON, without a server; BadInput or ModelFailed instead."""
        return self._answer_one(Request(Dialect.INFERENCE, body, prediction)).body

    def invoke(self, body: bytes, prediction: str) -> bytes:
        """MLflow's answer to JSON, without a server; BadInput or ModelFailed instead."""
        return self._answer_one(Request(Dialect.INVOCATION, body, prediction)).body

    def _answer_one(self, request: Request) -> ModelOutput:
        parsed = self._read(request)
        return self._encode(parsed, predict(self._runtime, parsed.batch))

    def _predict_batched(self, parsed: Sequence[_ParsedRequest]) -> Sequence[ModelOutput | Exception]:
        """In one call of the model. Where that fails, each for itself: nobody fails for the sake of another."""
        sizes = [one.batch.rows for one in parsed]
        try:
            outputs = self._runtime.predict(join_batches([one.batch for one in parsed]))
        except Exception:
            outputs = ()
        if not outputs or any(output.values.shape[:1] != (sum(sizes),) for output in outputs):
            return [_attempt(lambda one: self._encode(one, predict(self._runtime, one.batch)), one) for one in parsed]
        return [_attempt(self._encode, one, part) for one, part in zip(parsed, split(outputs, sizes), strict=True)]

    def _read(self, request: Request) -> _ParsedRequest:
        if request.dialect is Dialect.INFERENCE:
            inference = protocol_v2.parse(request.body, request.json_length, self._room)
            if inference.id is None:
                inference.id = request.prediction
            self._check_rows(protocol_v2.rows(inference))
            parsed = _ParsedRequest(protocol_v2.batch(inference, self._reader, self._limits.rows), inference)
        elif request.media == CSV:
            parsed = _ParsedRequest(csv_rows.batch(request.body, self._reader, self._limits.rows), None)
        else:
            parsed = _ParsedRequest(invocations.batch(request.body, self._reader, self._limits.rows), None)
        self._check_rows(parsed.batch.rows)
        return parsed

    def _check_rows(self, rows: int) -> None:
        if rows > self._limits.rows:
            raise BadInput(Rejection.TOO_MANY_ROWS, "", f"a request has {self._limits.rows} rows at most, not {rows}")

    def _encode(self, parsed: _ParsedRequest, outputs: Sequence[Output]) -> ModelOutput:
        if parsed.inference is None:
            return ModelOutput(invocations.answer(outputs), None, parsed.batch, outputs)
        chosen = protocol_v2.wanted(parsed.inference, outputs)
        body, length = protocol_v2.answer(self.name, self.version, parsed.inference, chosen)
        return ModelOutput(body, length, parsed.batch, outputs)


class _ParsedRequest(msgspec.Struct):
    """Rows, and how the answer is to look: an inference request, or None for MLflow's form."""

    batch: Batch
    inference: protocol_v2.InferRequest | None


def _attempt(call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | Exception:
    try:
        return call(*arguments, **named)
    except Exception as error:
        return error


def load(directory: Path, name: str, version: str, threads: int, limits: RequestLimits | None = None) -> LoadedModel:
    """The model in this directory, after it has answered its own example."""
    bundle = bundles.read(directory)
    loaded = loader.load(bundle, threads)
    return LoadedModel(name, version, loaded, smoke(loaded, bundle), limits)


def smoke(loaded: ModelRuntime, bundle: Bundle) -> Sequence[Output]:
    """What the model answers to its author's example, or to a row made up from its signature; SmokeFailed instead."""
    source = "its own input example" if bundle.example is not None else "a row made up from its signature"
    try:
        body = bundle.example if bundle.example is not None else example(loaded.signature)
        batch = invocations.batch(body, reader(loaded.signature))
        for _ in range(WARM_UPS):
            outputs = predict(loaded, batch)
    except BadInput as error:
        raise SmokeFailed(f"smoke prediction failed: {source} does not fit the signature: {error.message}") from error
    except ModelFailed as error:
        raise SmokeFailed(
            f"smoke prediction failed: the model raised {type(error.__cause__).__name__} on {source}"
        ) from error
    if not finite(outputs):
        raise SmokeFailed(f"smoke prediction failed: the model answered {source} with NaN or an infinite number")
    return outputs


def predict(loaded: ModelRuntime, batch: Batch) -> Sequence[Output]:
    """What the model answers to these rows."""
    try:
        return loaded.predict(batch)
    except BadInput:
        raise
    except Exception as error:
        raise ModelFailed(type(error).__name__) from error


def reader(signature: Signature, extra: Iterable[str] = ()) -> Reader:
    """What checks requests against the signature; tables may come with these extra columns."""
    return TableReader(signature, extra) if isinstance(signature, Table) else MatrixReader(signature)


def example(signature: Signature) -> bytes:
    """One row of zeros, false and empty strings, as a body for /invocations."""
    if isinstance(signature, Table):
        row = [{ColumnKind.BOOLEAN: False, ColumnKind.STRING: ""}.get(column.kind, 0) for column in signature.columns]
        columns = [column.name for column in signature.columns]
        return msgspec.json.encode({"dataframe_split": {"columns": columns, "data": [row]}})
    return msgspec.json.encode({"inputs": [[0] * (signature.width or 1)]})
