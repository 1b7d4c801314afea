"""What a person's client asks the collector's queue of predictions that people label, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import msgspec

from viridian.api.feedback import REVIEWS_PATH, AskedRow, Stored

MEDIA_TYPE: Final = "application/x-ndjson"
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
NO_ROWS: Final = "the model needs `feedback: {}` in its spec, and predictions"
"""What to do where the collector knows of no rows of a model."""
NO_COLLECTOR: Final = "what answers is no collector of this release"


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """One request, without the person's token."""

    method: str
    path: str
    """With its query."""
    body: bytes = b""


def rows_to_label(namespace: str, model: str, skipped: Collection[str]) -> ReviewRequest:
    """Enough rows that one is among them which the person has not passed over; `skipped` are ids of predictions."""
    query = urlencode({"namespace": namespace, "deployment": model, "count": len(skipped) + 1})
    return ReviewRequest("GET", f"{REVIEWS_PATH}/next?{query}")


def first_unskipped(found: Iterable[AskedRow], skipped: Collection[str]) -> AskedRow | None:
    """The row to show."""
    return next((row for row in found if row.prediction_id not in skipped), None)


def outcome_to_store(namespace: str, prediction_id: str, outcome: str | float) -> ReviewRequest:
    """What is right, as the person says."""
    line = msgspec.json.encode({"prediction_id": prediction_id, "outcome": outcome})
    return ReviewRequest("POST", f"{REVIEWS_PATH}?{urlencode({'namespace': namespace})}", line)


def refusal(stored: Stored) -> str:
    """Why the collector did not take the outcome; empty where it took it."""
    return f"the collector did not take the answer: {stored.refused[0].get('problem', '')}" if stored.refused else ""


def reported(status: int, content: bytes) -> str:
    """What an answer that is an error says, in the collector's words where it has any."""
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the collector answered {status}"
