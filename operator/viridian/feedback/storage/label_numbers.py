"""Classes and values as numbers: the position among the model's classes, or the value itself."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final

from viridian.api.feedback import Served
from viridian.api.performance import MAX_CLASSES
from viridian.api.privacy import plain
from viridian.api.profile import Task
from viridian.feedback.number_texts import number

OutcomeValue = float | int | str | bool

_WHOLE: Final = re.compile(r"([+-]?[0-9]+)\.0*")


class InvalidRow(Exception):
    """The value is none that this model could predict; the message says what would be."""


@dataclass(frozen=True)
class Labels:
    """Translates for one model."""

    task: Task
    classes: tuple[str, ...]
    _positions: dict[str, int] = field(init=False, repr=False)

    @classmethod
    def of(cls, served: Served) -> Labels:
        """Unfit when nothing could ever be counted for this model."""
        if served.task is not Task.REGRESSION and not 2 <= len(served.classes) <= MAX_CLASSES:
            raise InvalidRow(f"served.classes must name the 2 to {MAX_CLASSES} classes of a {served.task} model")
        return cls(served.task, served.classes)

    def __post_init__(self) -> None:
        positions = {name: position for position, name in enumerate(self.classes)}
        # Outcomes come from other systems than the model: True, true and 1 are the positive class all the same.
        for position, name in enumerate(self.classes):
            positions.setdefault(_spelt(name.strip()), position)
        if self.task is Task.BINARY:
            for name, position in (("false", 0), ("0", 0), ("true", 1), ("1", 1)):
                positions.setdefault(name, position)
        object.__setattr__(self, "_positions", positions)

    def number(self, value: OutcomeValue) -> float:
        """Raises InvalidRow, without repeating the value."""
        if self.task is Task.REGRESSION:
            return _value(value)
        text = plain(value)
        # The model's own spelling first: its classes may differ in case alone, or in blanks around them.
        for spelling in (text, text.strip(), _spelt(text.strip())):
            if (position := self._positions.get(spelling)) is not None:
                return float(position)
        raise InvalidRow("it is none of the model's classes")

    def text(self, number: float) -> str | float:
        """What `number` was made of."""
        return number if self.task is Task.REGRESSION else self.classes[int(number)]


def _spelt(text: str) -> str:
    """One spelling for several: tables write the class 1 as 1.0 as soon as one of its cells is empty."""
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text.casefold()


def _value(value: OutcomeValue) -> float:
    try:
        found = number(value.strip()) if isinstance(value, str) else float(value)
    except OverflowError:
        found = None
    if found is None or isinstance(value, bool) or not math.isfinite(found):
        raise InvalidRow("the model predicts numbers, and it is none")
    return found
