"""One row of the review queue as a person is asked about it: the columns, and the answers to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from viridian.api.feedback import AskedRow, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelView:
    """The row; what the model answered is not among it."""

    prediction_id: str
    values: Sequence[tuple[str, str]]
    """Name and value of each column, by name; an empty value is missing."""
    choices: Sequence[str]
    """Empty where the answer is a number."""


def label_view(asked: AskedRow) -> LabelView:
    """The columns in the order of their names."""
    return LabelView(
        prediction_id=asked.prediction_id,
        values=[(name, _shown(value)) for name, value in sorted(asked.features.items())],
        choices=asked.classes,
    )


def _shown(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
