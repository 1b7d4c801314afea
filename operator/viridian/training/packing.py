"""The bundle of a fitted estimator, in the first payload with which the server answers as the estimator does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viridian.api.profile import ReferenceProfile
from viridian.api.stage import shortened
from viridian.training import bundle, isolated_call
from viridian.training.boosting_libraries import library_of
from viridian.training.converters import converted, converters
from viridian.training.holdout import Holdout
from viridian.training.not_expressible import NotExpressible
from viridian.training.onnx_estimator import OnnxGraph
from viridian.training.parity import difference
from viridian.training.payload import Payload, as_skops
from viridian.training.payload_check import Examination, answers, examination
from viridian.training.rows import Rows
from viridian.training.scores import Predicted
from viridian.training.served_model import LoadedVersion, NotServed
from viridian.training.stage_exit import CandidateFailed
from viridian.training.time_limits import seconds_for

Profiled = Callable[[Predicted], ReferenceProfile | None]
"""Makes the reference profile from the server's answers to the holdout."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A sealed bundle."""

    directory: Path
    digest: str
    payload: str
    """`onnx` or `skops`."""
    reason: str = ""
    """Why it is not ONNX."""


def pack(
    directory: Path,
    model: Any,
    holdout: Holdout,
    expected: Predicted,
    profiled: Profiled,
    learnt: Rows | None = None,
) -> Packed:
    """ONNX by the first converter whose graph answers as the estimator does, else skops.
    Models of other libraries are ONNX or raise CandidateFailed.

    `expected` is what the estimator itself answers about the holdout, and `learnt` are the rows that it was fitted on.
    """
    asked = examination(model, holdout, expected, learnt)
    facts = {"estimator": f"{type(model).__module__}.{type(model).__qualname__}"}
    doubt = ""
    for name, converter in converters(model).items():
        place = directory / name
        try:
            payload = converted(converter, model, holdout.columns)
            answered = _agreeing(place, payload, asked, {**facts, "parity": "passed"})
        except NotExpressible as error:
            doubt = doubt or shortened(str(error))
            break
        except NotServed as error:
            doubt = doubt or shortened(str(error))
        else:
            return Packed(place, bundle.seal(place, profiled(answered)), payload.format.name.lower())
    reason = f"not as ONNX: {doubt}"
    if isinstance(model, OnnxGraph):
        raise CandidateFailed(f"no server would run the graph as it is: {doubt}")
    library = library_of(model)
    if library is not None:
        raise CandidateFailed(f"a model of {library.title} is served as ONNX alone: {doubt}")
    answered = _as_skops(directory / "skops", model, asked, {**facts, "reason": reason})
    return Packed(directory / "skops", bundle.seal(directory / "skops", profiled(answered)), "skops", reason)


def _agreeing(place: Path, payload: Payload, asked: Examination, facts: dict[str, Any]) -> Predicted:
    """What a server answers to the holdout with this graph; NotServed where it is not the estimator's answer.

    The graph runs in another process: nobody knows yet whether it ends.
    """
    bundle.write(place, payload, asked.holdout, facts)
    try:
        answered, outcome = isolated_call.call(
            answers, place, asked.holdout.rows, asked.probes.rows, seconds=seconds_for(asked.count)
        )
    except NotServed:
        raise
    except isolated_call.NotDone as error:
        raise NotServed(f"asking the graph failed: {error}") from error
    except Exception as error:
        # Such as a lack of memory there: the estimator itself can still be served.
        raise NotServed(f"asking the graph failed: {type(error).__name__}") from error
    verdict = asked.verdict(answered, outcome)
    if verdict.doubt is not None:
        raise NotServed(verdict.doubt)
    if verdict.largest is not None:
        bundle.describe(place, payload, asked.holdout, {**facts, "largest": verdict.largest})
    return answered


def _as_skops(place: Path, model: Any, asked: Examination, facts: dict[str, Any]) -> Predicted:
    """What a server answers with the estimator itself. It needs no probes: it is what they are compared with."""
    bundle.write(place, as_skops(model), asked.holdout, facts)
    try:
        answered = LoadedVersion(place).predict(asked.holdout.rows)
        problem = difference(asked.expected, answered)
    except NotServed as error:
        problem = shortened(str(error))
    if problem is not None:
        raise CandidateFailed(f"no server would run it as it is: {problem}; {facts['reason']}")
    return answered
