"""The flags of the receiver of events."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from viridian.controller.flag_group import FlagGroup
from viridian.controller.flag_values import between, namespaced, switch

EVENTS_RATE: Final = 50
"""Requests a second of one sender; ten times as many may come at once."""


def event_flags(group: FlagGroup) -> None:
    """Whether events are received, from whom, and how many."""
    group.add(
        "--events-port",
        "port of the receiver of events, or the word none: then there is no receiver",
        default="none",
        metavar="PORT|none",
        type=_port_or_none,
    )
    group.repeated(
        "--events-keys",
        "folder of the keys by which requests for this namespace may be signed, one a file, whose name is that of the "
        "sender; may be given several times [VIRIDIAN_EVENTS_KEYS]",
        metavar="NAMESPACE=FOLDER",
        type=namespaced,
        dest="events_keys",
    )
    group.add(
        "--events-tokens",
        "on or off: accept service account tokens of audience viridian-events from those who may create "
        "retrainpolicies/events",
        default="on",
        metavar="on|off",
        type=switch,
    )
    group.add(
        "--events-rate",
        "requests a second that one sender may make; ten times as many may come at once",
        default=EVENTS_RATE,
        metavar="N",
        type=between(1, 10_000),
    )
    group.add(
        "--events-tls",
        "folder with tls.crt and tls.key, by which the receiver speaks TLS; both are read again when they change",
        metavar="FOLDER",
        type=Path,
    )


def _port_or_none(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} must be a port from 0 to 65535, or the word none")
    return int(text)
