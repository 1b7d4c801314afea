"""Which bin of the reference profile a prediction falls into, read from the outputs of an answer."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from viridian.api.profile import PROFILE_PATH, Numbers, ReferenceProfile, Task
from viridian.api.shadow import LAST_BIN, MISSING_BIN, OTHER_BIN
from viridian.serving.data import predicted_values
from viridian.serving.data.outputs import LABEL, PREDICTION, Output

ANONYMOUS: Final = "predictions"
"""The only output of an answer in MLflow's form: a classifier's labels or a regressor's numbers."""


class Bins(Protocol):
    """Where predictions are counted."""

    @property
    def names(self) -> Sequence[str]:
        """Every bin that there is."""

    def of(self, outputs: Sequence[Output]) -> Iterator[str]:
        """One for each row; nothing where the answer does not hold what is binned, such as a score."""


class NoBins:
    """Of a model without a reference profile."""

    names: Sequence[str] = ()

    def of(self, outputs: Sequence[Output]) -> Iterator[str]:  # noqa: ARG002 - nothing is looked at
        """Nothing."""
        return iter(())


class ProfileBins:
    """Numbers by the upper edge of their bin, categories by name."""

    def __init__(self, reference: ReferenceProfile) -> None:
        self._task = reference.task
        sketch = reference.profile.prediction
        if isinstance(sketch, Numbers):
            self._edges = sketch.edges
            uppers = [*map(repr, sketch.edges), LAST_BIN]
            self.names: Sequence[str] = [*uppers, MISSING_BIN]
            self._name: Callable[[Any], str] = lambda value: (
                MISSING_BIN if math.isnan(value) else uppers[bisect_left(self._edges, value)]
            )
        else:
            known = frozenset(sketch.names)
            self.names = [*sketch.names, OTHER_BIN]
            self._name = lambda value: value if value in known else OTHER_BIN

    def of(self, outputs: Sequence[Output]) -> Iterator[str]:
        """The bins of the rows."""
        return map(self._name, self._values(outputs))

    def _values(self, outputs: Sequence[Output]) -> Sequence[Any]:
        alone = PREDICTION if self._task is Task.REGRESSION else LABEL
        named = [Output(alone if output.name == ANONYMOUS else output.name, output.values) for output in outputs]
        if self._task is Task.MULTICLASS:
            return predicted_values.labels(named) or ()
        values = predicted_values.scores(named) if self._task is Task.BINARY else predicted_values.numbers(named)
        return () if values is None else values.tolist()


def bins(directory: Path) -> Bins:
    """For the model in this directory; a profile that cannot be read is reported when the model is loaded."""
    path = directory / PROFILE_PATH
    if not path.is_file():
        return NoBins()
    try:
        return ProfileBins(msgspec.json.decode(path.read_bytes(), type=ReferenceProfile))
    except msgspec.MsgspecError:
        return NoBins()
