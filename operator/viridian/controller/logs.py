"""Logs: one JSON object a line, with the key of the object that it is about; or plain text for people."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from viridian.api.texts import as_text, cleaned

# The attributes that every record has; what else stands on one was given by `extra`.
_STANDARD = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})

# Libraries that log too much. Kopf logs each event of each object.
_NOISY = ("kopf", "aiohttp.access", "asyncio")


def set_up(*, level: str, style: str, stream: TextIO | None = None) -> None:
    """Everything goes to standard error, in the style `json` or `text`."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


class JsonFormatter(logging.Formatter):
    """`{"time": …, "level": …, "logger": …, "message": …, "key": …}`, all on one line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": cleaned(record.getMessage()),
            **_extra(record),
        }
        if record.exc_info:
            entry["exception"] = "\n".join(map(cleaned, self.formatException(record.exc_info).splitlines()))
        return json.dumps(entry, default=as_text, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """`12:00:01.250 info  ModelDeployment ml/churn: promoted`."""

    def format(self, record: logging.LogRecord) -> str:
        extra = _extra(record)
        about = f"{key}: " if (key := extra.pop("key", None)) else ""
        more = "".join(f" {name}={value}" for name, value in extra.items() if value not in (None, [], ""))
        line = f"{_time(record)[11:23]} {record.levelname.lower():7} {about}{record.getMessage()}{more}"
        return "\n".join([cleaned(line), *self._trace(record)])

    def _trace(self, record: logging.LogRecord) -> Iterator[str]:
        """Each of its lines is indented, so that none passes for a line of the log."""
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        yield from (f"  {cleaned(line)}" for line in trace.splitlines())


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {
        name: cleaned(value)
        for name, value in vars(record).items()
        if name not in _STANDARD and not name.startswith(("_", "k8s_", "settings"))
    }
