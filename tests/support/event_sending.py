"""Requests to the receiver of events: what they hold, and how they are signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
KEY = "a-key-of-at-least-24-bytes"


def cloud_event(event_id: str = "1", **attributes: Any) -> dict[str, Any]:
    """A CloudEvent that the trigger of these tests asks for."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/pipelines/churn",
        "type": "dev.example.batch.ready",
        **attributes,
    }


def body_of(document: Any) -> bytes:
    return json.dumps(document).encode()


def signed(
    body: bytes, now: float, *, key: str = KEY, request_id: str = "msg-1", media: str = STRUCTURED
) -> dict[str, str]:
    """The headers of a request that is signed now, computed apart from the code under test."""
    stamp = str(int(now))
    text = f"{request_id}.{stamp}.".encode() + body
    mark = base64.b64encode(hmac.new(key.encode(), text, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": media,
        "webhook-id": request_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{mark}",
    }


def binary(event: Mapping[str, str], **more: str) -> dict[str, str]:
    """The headers of a CloudEvent in binary mode."""
    return {**{f"ce-{name}": value for name, value in event.items()}, "Content-Type": "text/plain", **more}
