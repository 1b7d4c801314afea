"""One loaded model, from bytes of a request to bytes of an answer. No network here, and nothing waits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from viridian.serving import bundle as bundles
from viridian.serving import invocations, protocol_v2, runtime
from viridian.serving.batch import Batch, MatrixReader, Reader, TableReader
from viridian.serving.bundle import Bundle
from viridian.serving.errors import BadInput, ModelFailed, SmokeFailed
from viridian.serving.outputs import Output, finite
from viridian.serving.runtime import Runtime
from viridian.serving.signature import Kind, Signature, Table

WARM_UPS = 5
"""Smoke predictions in a row: the first ones pay for allocations that no user should wait for."""


class Model:
    """Answers requests in both protocols; may be called from several threads at once."""

    def __init__(self, name: str, version: str, runtime_: Runtime, outputs: Sequence[Output]) -> None:
        self.name = name
        self.version = version
        self._runtime = runtime_
        self._reader = reader(runtime_.signature)
        self.metadata = protocol_v2.metadata(name, version, runtime_.platform, runtime_.signature, outputs)

    def infer(self, body: bytes, prediction_id: str) -> bytes:
        """The Open Inference Protocol's answer; BadInput or ModelFailed instead."""
        request = protocol_v2.parse(body)
        outputs = predict(self._runtime, protocol_v2.batch(request, self._reader))
        chosen = protocol_v2.wanted(request, outputs)
        return protocol_v2.answer(self.name, self.version, request.id or prediction_id, chosen)

    def invoke(self, body: bytes, _prediction_id: str) -> bytes:
        """MLflow's answer; BadInput or ModelFailed instead."""
        return invocations.answer(predict(self._runtime, invocations.batch(body, self._reader)))


def load(directory: Path, name: str, version: str, threads: int) -> Model:
    """The model in this directory, after it has answered its own example."""
    bundle = bundles.read(directory)
    loaded = runtime.load(bundle, threads)
    return Model(name, version, loaded, smoke(loaded, bundle))


def smoke(loaded: Runtime, bundle: Bundle) -> Sequence[Output]:
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


def predict(loaded: Runtime, batch: Batch) -> Sequence[Output]:
    """What the model answers to these rows."""
    try:
        return loaded.predict(batch)
    except BadInput:
        raise
    except Exception as error:
        raise ModelFailed(type(error).__name__) from error


def reader(signature: Signature) -> Reader:
    """What checks requests against the signature."""
    return TableReader(signature) if isinstance(signature, Table) else MatrixReader(signature)


def example(signature: Signature) -> bytes:
    """One row of zeros, false and empty strings, as a body for /invocations."""
    if isinstance(signature, Table):
        row = [{Kind.BOOLEAN: False, Kind.STRING: ""}.get(column.kind, 0) for column in signature.columns]
        columns = [column.name for column in signature.columns]
        return msgspec.json.encode({"dataframe_split": {"columns": columns, "data": [row]}})
    return msgspec.json.encode({"inputs": [[0] * (signature.width or 1)]})
