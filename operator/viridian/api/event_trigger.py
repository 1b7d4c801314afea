"""The trigger `event`: what was sent to the receiver of events, by the attributes of CloudEvents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Final

from viridian.api.schema import Rule, Struct, doc

MAX_ATTRIBUTE: Final = 160
"""Bytes of an attribute of an event: id, source, type, subject. As many events as one policy may have fit into a
variable of a container, which Linux bounds at 128 KiB."""
MAX_TIME: Final = 40
EVENTS_AUDIENCE: Final = "viridian-events"
"""Tokens that are shown to the receiver must be made for it."""
EVENTS_RESOURCE: Final = "retrainpolicies/events"
"""What RBAC is asked about, with the verb `create`: no request to the API server has this path."""


def _ending_in_any(example: str) -> Rule:
    return Rule(
        rule="self != '' && self.matches('^[^*[:cntrl:]]*[*]?$')",
        message=f"write the attribute as senders report it, such as {example}; * is for any ending, and stands at the "
        "end alone",
    )


class EventTrigger(Struct, frozen=True, kw_only=True):
    """Events that the operator's receiver is sent: those whose attributes are as written here."""

    type: Annotated[
        str,
        doc(
            "Type of the events, such as dev.example.batch.ready; a * at the end stands for any ending.",
            max_length=MAX_ATTRIBUTE,
            rules=(_ending_in_any("dev.example.batch.ready"),),
        ),
    ]
    source: Annotated[
        str,
        doc(
            "Source of the events, such as /pipelines/churn; a * at the end stands for any ending.",
            max_length=MAX_ATTRIBUTE,
            rules=(_ending_in_any("/pipelines/churn"),),
        ),
    ] = "*"
    subject: Annotated[
        str,
        doc(
            "Subject of the events, such as the name of an alert or of a registered model; a * at the end stands for "
            "any ending.",
            max_length=MAX_ATTRIBUTE,
            rules=(_ending_in_any("InputsDrifted"),),
        ),
    ] = "*"

    @property
    def key(self) -> str:
        """What it asks for, as one text."""
        return json.dumps([self.type, self.source, self.subject], ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAttributes:
    """What is known of an event. `source` and `id` together tell it from all others; its data are not kept."""

    id: str
    source: str
    type: str
    subject: str = ""
    # When it happened, as the sender says.
    time: str = ""
    # What a webhook of MLflow reports of a version beside that: its number, an alias that was set on it, and the id of
    # the MLflow run that it was registered from.
    version: str = ""
    alias: str = ""
    run: str = ""


def takes(trigger: EventTrigger, event: EventAttributes) -> bool:
    """Whether the trigger asks for such an event."""
    pairs = ((trigger.type, event.type), (trigger.source, event.source), (trigger.subject, event.subject))
    return all(_fits(wanted, found) for wanted, found in pairs)


def _fits(wanted: str, found: str) -> bool:
    return found.startswith(wanted[:-1]) if wanted.endswith("*") else found == wanted
