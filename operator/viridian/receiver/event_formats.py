"""Which events a request holds: CloudEvents in all modes, Alertmanager's webhook, MLflow's registry webhook."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote

from viridian.api.event_trigger import MAX_ATTRIBUTE, MAX_TIME, EventAttributes
from viridian.core.times import parse_time
from viridian.http_problem import HttpProblem
from viridian.receiver.strict_json import UnclearJson, parse_json

MAX_EVENTS: Final = 100
"""In one request."""
STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
JSON: Final = "application/json"
ALERT_FIRING: Final = "alertmanager.firing"
ALERT_RESOLVED: Final = "alertmanager.resolved"
_ALERTMANAGER_VERSION: Final = "4"
_OWN_TAGS: Final = "viridian."
"""The operator sets these on every candidate: a run that such a tag started would set the next one."""
_ATTRIBUTES: Final = ("id", "source", "type", "subject", "time")
_MEDIA: Final = (
    f"send {STRUCTURED}, {BATCH}, CloudEvents in binary mode (headers ce-…), or as {JSON} the webhook of Alertmanager "
    "(version 4) or of MLflow"
)


def events_in(headers: Mapping[str, str], body: bytes, signed_id: str = "") -> tuple[EventAttributes, ...]:
    """All events of a request, or a problem for the whole of it. `signed_id` is the id that a signature covers."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if "ce-specversion" in headers:
        if signed_id:
            raise HttpProblem(
                400, f"a signature does not cover headers: send the CloudEvent as {STRUCTURED}, or show a token"
            )
        return (_cloud_event({name: _header(headers, name) for name in ("specversion", *_ATTRIBUTES)}, "the headers"),)
    if media not in (STRUCTURED, BATCH, JSON):
        raise HttpProblem(415, _MEDIA)
    try:
        document = parse_json(body)
    except UnclearJson as error:
        raise HttpProblem(400, str(error)) from None
    if media == STRUCTURED:
        return (_cloud_event(document, "the body"),)
    if media == BATCH:
        return _batch(document)
    return _webhook(document, signed_id)


def _header(headers: Mapping[str, str], name: str) -> str:
    """CloudEvents' HTTP binding percent-encodes what a header cannot hold."""
    return unquote(headers.get(f"ce-{name}", ""), errors="replace")


def _batch(document: Any) -> tuple[EventAttributes, ...]:
    if not isinstance(document, list) or not 0 < len(document) <= MAX_EVENTS:
        raise HttpProblem(400, f"a batch is a list of 1 to {MAX_EVENTS} CloudEvents")
    return tuple(_cloud_event(event, f"event {number}") for number, event in enumerate(document, 1))


def _cloud_event(document: Any, where: str) -> EventAttributes:
    if not isinstance(document, dict):
        raise HttpProblem(400, f"{where}: a CloudEvent is a JSON object")
    if document.get("specversion") != "1.0":
        raise HttpProblem(400, f'{where}: specversion must be "1.0"')
    return _attributes({name: document.get(name) for name in _ATTRIBUTES}, where)


def _webhook(document: Any, signed_id: str) -> tuple[EventAttributes, ...]:
    if isinstance(document, dict):
        for marks, read in _WEBHOOKS:
            if marks <= document.keys():
                return read(document, signed_id)
    raise HttpProblem(415, _MEDIA)


def _alerts(document: dict[str, Any], _: str) -> tuple[EventAttributes, ...]:
    """An event for each alert. It is the same event for as long as the alert goes on: Alertmanager repeats itself."""
    alerts = document["alerts"]
    if document.get("version") != _ALERTMANAGER_VERSION:
        raise HttpProblem(400, f'version of the webhook of Alertmanager must be "{_ALERTMANAGER_VERSION}"')
    if not isinstance(alerts, list) or not 0 < len(alerts) <= MAX_EVENTS:
        raise HttpProblem(400, f"alerts is a list of 1 to {MAX_EVENTS} alerts: set max_alerts in Alertmanager")
    return tuple(_alert(alert, document, f"alert {number}") for number, alert in enumerate(alerts, 1))


def _alert(alert: Any, document: dict[str, Any], where: str) -> EventAttributes:
    if not isinstance(alert, dict) or alert.get("status") not in ("firing", "resolved"):
        raise HttpProblem(400, f"{where}: status must be firing or resolved")
    labels = alert.get("labels")
    fired = alert["status"] == "firing"
    parts = (alert.get("fingerprint"), alert.get("startsAt"))
    if not all(isinstance(part, str) and part for part in parts):
        raise HttpProblem(400, f"{where}: fingerprint and startsAt must be texts")
    alert_id = "@".join(map(str, parts))
    found = {
        "id": alert_id if fired else f"{alert_id} resolved",
        "source": f"alertmanager/{document.get('receiver')}",
        "type": ALERT_FIRING if fired else ALERT_RESOLVED,
        "subject": labels.get("alertname") if isinstance(labels, dict) else None,
        "time": parts[1] if fired else alert.get("endsAt"),
    }
    return _attributes(found, where)


def _registry(document: dict[str, Any], signed_id: str) -> tuple[EventAttributes, ...]:
    """MLflow names a delivery in a header, which its signature covers. A tag of the operator is no event."""
    if not signed_id:
        raise HttpProblem(400, "a webhook of MLflow must be signed: give it a secret when it is registered")
    data = document["data"]
    if isinstance(data, dict) and str(data.get("key")).startswith(_OWN_TAGS):
        return ()
    found = {
        "id": signed_id,
        "source": "mlflow",
        "type": f"mlflow.{document['entity']}.{document['action']}",
        "subject": data.get("name") if isinstance(data, dict) else None,
        "time": document.get("timestamp"),
    }
    event = _attributes(found, "the body")
    return (replace(event, **_of_a_version(data)) if isinstance(data, dict) else event,)


def _of_a_version(data: Mapping[str, Any]) -> dict[str, str]:
    """What is reported of a version, as far as it is short and printable: by that a run is known that made it."""
    found = {name: data.get(field) for name, field in (("version", "version"), ("alias", "alias"), ("run", "run_id"))}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, str) and value.isprintable() and _size(value) <= MAX_ATTRIBUTE
    }


_WEBHOOKS: Final[tuple[tuple[frozenset[str], Callable[[dict[str, Any], str], tuple[EventAttributes, ...]]], ...]] = (
    (frozenset({"alerts", "version"}), _alerts),
    (frozenset({"entity", "action", "data"}), _registry),
)


def _attributes(found: Mapping[str, Any], where: str) -> EventAttributes:
    """The attributes, each a printable text of bounded length."""
    for name in _ATTRIBUTES:
        value, most = found.get(name), MAX_TIME if name == "time" else MAX_ATTRIBUTE
        if value in (None, "") and name in ("subject", "time"):
            continue
        if not isinstance(value, str) or not value.isprintable() or not 0 < _size(value) <= most:
            raise HttpProblem(400, f"{where}: {name} must be a printable text of 1 to {most} bytes")
    if found.get("time") and parse_time(found["time"]) is None:
        raise HttpProblem(400, f"{where}: time must be a timestamp such as 2026-11-20T12:00:00Z")
    return EventAttributes(**{name: value for name in _ATTRIBUTES if (value := found.get(name))})


def _size(value: str) -> int:
    """Bytes as JSON has it: quotes and backslashes count twice."""
    return len(json.dumps(value, ensure_ascii=False).encode()) - 2
