"""The review of a model that comes round: whether thresholds, objective and context still fit."""

from __future__ import annotations

import re
from typing import Annotated, Final

from viridian.api.schema import Struct, duration

REVIEW_VALUE: Final = re.compile(r"(\d{4}-\d{2}-\d{2}) (fits|changed): ([^#]{3,500})#([^#]{1,300})")
"""The annotation viridian.dev/review: date, answer, note, and who reviewed. The admission policy asks for the same."""


class PeriodicReview(Struct, frozen=True, kw_only=True):
    """The model is reviewed again and again by people."""

    every: Annotated[
        str, duration("How long after a review, or after the creation, the next one is due.", at_least="1d")
    ]
