"""What runs a payload. Each runtime is loaded only when its payload is there: scikit-learn takes seconds to import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from viridian.serving.bundle.contents import Bundle, Format
from viridian.serving.bundle.signature import Signature
from viridian.serving.data.batch import Batch
from viridian.serving.data.outputs import Output


class ModelRuntime(Protocol):
    """A loaded model. `predict` may be called from several threads at once."""

    @property
    def platform(self) -> str:
        """What the model's metadata says about the payload."""

    @property
    def signature(self) -> Signature:
        """What the payload takes: the bundle's signature, or what the payload itself declares."""

    def predict(self, batch: Batch) -> Sequence[Output]:
        """One row in each output for each row of the batch; raises whatever the model raises."""


def load(bundle: Bundle, threads: int) -> ModelRuntime:
    """The bundle's model in the runtime of its format; `threads` is the number of CPUs that it may use."""
    if bundle.format is Format.ONNX:
        from viridian.serving.runtimes.onnx_runtime import OnnxModel

        return OnnxModel(bundle, threads)
    from viridian.serving.runtimes.sklearn_runtime import SklearnModel

    return SklearnModel(bundle)
