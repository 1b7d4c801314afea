"""Asking about many rows of which some may not be answered: all at once, and in halves where that fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viridian.serving.errors import BadInput, Rejection
from viridian.training.scores import Predicted

Ask = Callable[[NDArray[np.int64]], Predicted]
"""The answers to the rows of these numbers; it raises when one of them is not answered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was answered, row by row."""

    prediction: Predicted | None
    """Of the rows that were answered, in order; None where none was."""
    answered: NDArray[np.bool_]
    too_large: NDArray[np.bool_]
    """Rows that were refused because a number is too large: nobody is misled by that."""
    failed: NDArray[np.bool_]
    """Rows for which the model itself raised."""

    def of(self, rows: NDArray[np.bool_]) -> Predicted:
        """The answers to these rows, each of which was answered."""
        chosen = rows[self.answered]
        if self.prediction is None:
            raise ValueError("no row was answered")
        odds = self.prediction.probabilities
        return Predicted(self.prediction.values[chosen], None if odds is None else odds[chosen])


def asked(ask: Ask, count: int) -> Asked:
    """Each row is answered, or known not to be."""
    answered, too_large, failed = (np.zeros(count, np.bool_) for _ in range(3))
    found: list[Predicted] = []
    waiting = [np.arange(count)] if count else []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Such rows make estimators warn of overflows and of what they do not know.
        warnings.simplefilter("ignore")
        while waiting:
            rows = waiting.pop()
            try:
                found.append(ask(rows))
                answered[rows] = True
            except Exception as error:
                # Whatever an estimator raises: it does not answer.
                if len(rows) > 1:
                    waiting += [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
                elif isinstance(error, BadInput):
                    too_large[rows] = error.reason is Rejection.OUT_OF_RANGE
                else:
                    failed[rows] = True
    return Asked(_joined(found), answered, too_large, failed)


def _joined(found: list[Predicted]) -> Predicted | None:
    if not found:
        return None
    odds = [one.probabilities for one in found if one.probabilities is not None]
    values = np.concatenate([one.values for one in found])
    return Predicted(values, np.concatenate(odds) if len(odds) == len(found) else None)
