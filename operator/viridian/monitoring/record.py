"""What the monitors remember, on the record of the champion's revision.

It is the `monitoring` of the status: the verdicts, and what a person was asked. The status is a copy: deleting it loses
no open review and answers none. Once another revision is the champion, the annotation is removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from viridian.api.names import MONITORING_ANNOTATION, MONITORING_MANAGER
from viridian.core.monitor_results import parse_annotation
from viridian.core.plan import Annotate, Event
from viridian.monitoring.input import MonitoringInput


def remembered(inputs: MonitoringInput) -> Mapping[str, Any] | None:
    """What is known of the present champion from earlier passes."""
    champion = inputs.champion
    if champion is None or inputs.spec is None or inputs.spec.monitoring is None:
        return None
    found = parse_annotation(champion.annotation) if champion.record else inputs.status.get("monitoring")
    return found if isinstance(found, Mapping) and found.get("revision") == champion.revision else None


def remember(
    inputs: MonitoringInput,
    stored: Mapping[str, Any] | None,
    status: Mapping[str, Any] | None,
    events: tuple[Event, ...],
) -> Iterator[Annotate]:
    """Write down what is new; the events are recorded once that is done."""
    champion = inputs.champion
    if champion is not None and champion.record and status is not None and status != stored:
        yield _annotate(champion.record, {MONITORING_ANNOTATION: json.dumps(status, ensure_ascii=False)}, events)


def clear(inputs: MonitoringInput) -> Iterator[Annotate]:
    """Remove what other records still remember."""
    for name in inputs.outdated_records:
        yield _annotate(name, {})


def _annotate(record: str, annotations: Mapping[str, str], events: tuple[Event, ...] = ()) -> Annotate:
    return Annotate("apps/v1", "ControllerRevision", record, annotations, tells=events, manager=MONITORING_MANAGER)
