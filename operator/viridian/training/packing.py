"""The bundle of a fitted estimator, in the first payload with which the server answers as the estimator does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viridian.api.profile import Reference
from viridian.api.stage import shortened
from viridian.training import bundle
from viridian.training.holdout import Holdout
from viridian.training.outcome import CandidateFailed
from viridian.training.payload import NotExpressible, Payload, as_onnx, as_skops, difference, numbers
from viridian.training.scores import Prediction
from viridian.training.served import NotServed, Served

Profiled = Callable[[Prediction], Reference | None]
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


def pack(directory: Path, model: Any, holdout: Holdout, expected: Prediction, profiled: Profiled) -> Packed:
    """ONNX with numbers of 32 bits, else of 64, else skops. `expected` is what the estimator itself answers."""

    def tried(name: str, payload: Payload, **facts: str) -> Packed | str:
        """The bundle, or what keeps a server from answering with it as the estimator does."""
        place = directory / name
        bundle.write(place, payload, holdout, {"estimator": estimator, **facts})
        try:
            answered = Served(place).predict(holdout)
        except NotServed as error:
            return shortened(str(error))
        doubt = difference(expected, answered)
        if doubt is not None:
            return doubt
        return Packed(place, bundle.seal(place, profiled(answered)), payload.format.name.lower())

    estimator = f"{type(model).__module__}.{type(model).__qualname__}"
    doubt = ""
    for number in numbers(model):
        try:
            packed = tried(number.__name__, as_onnx(model, holdout.columns, number), parity="passed")
        except NotExpressible as error:
            doubt = doubt or shortened(str(error))
            break
        if isinstance(packed, Packed):
            return packed
        doubt = doubt or packed
    reason = f"not as ONNX: {doubt}"
    packed = tried("skops", as_skops(model), reason=reason)
    if isinstance(packed, Packed):
        return replace(packed, reason=reason)
    raise CandidateFailed(f"no server would run it as it is: {packed}; {reason}")
