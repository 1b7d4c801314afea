"""The CEL rules of `spec.triggers`, and what they say to the person whose manifest breaks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from viridian.api.cel_monitoring import MONITOR_NAME as MONITOR_NAME
from viridian.api.schema import Rule

SOURCES: Final[Mapping[str, str]] = {
    "schedule": 'schedule: {cron: "0 3 * * 0"}',
    "monitors": "monitors: {names: [inputs]}",
    "labels": "labels: {count: 5000}",
    "query": "query: {expression: 'max(error_rate)', max: 0.2}",
    "event": "event: {type: dev.example.batch.ready}",
    "newData": "newData: {}",
}
"""Each source of triggers as the API names it, with an example of what to write."""

_WRITTEN = ", ".join(f"has(self.{source})" for source in SOURCES)
_ANY_OTHER = "a trigger has one source: write one trigger for each, with a name of its own"
BOUND_OF_QUERY: Final = Rule(
    rule="has(self.min) || has(self.max)",
    message="without a bound the query would never start a run: write max: 0.2, or min",
)
BOUNDS_OF_QUERY_IN_ORDER: Final = Rule(
    rule="!has(self.min) || !has(self.max) || self.min <= self.max",
    message="min is above max, so each value would start a run: swap them, or leave one out",
)
ONE_TRIGGER_SOURCE: Final = Rule(
    rule=f"[{_WRITTEN}].filter(written, written).size() == 1",
    message=f"{_ANY_OTHER}; a source is {' or '.join(SOURCES.values())}",
)
