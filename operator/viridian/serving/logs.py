"""One JSON object a line on stdout. Values of features never appear: callers give words of their own only."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from viridian.api.texts import as_text, cleaned

log = logging.getLogger("viridian.serving")


class JsonLines(logging.Formatter):
    """time, level, message, then what the caller gave as `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": cleaned(record.getMessage()),
            **cleaned(getattr(record, "fields", {})),
        }
        if record.exc_info and record.exc_info[0]:
            # The type alone: the text of an exception may quote the input that caused it.
            entry["exception"] = record.exc_info[0].__name__
        return json.dumps(entry, ensure_ascii=False, default=as_text)


def configure() -> None:
    """Everything that this process logs goes out as JSON lines; libraries from warnings on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.INFO)
    # Warnings of libraries may quote what they were given, and come with every prediction.
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    # Its warnings are about what clients send; those answers are counted.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def note(message: str, **fields: object) -> None:
    """One line at level info."""
    log.info(message, extra={"fields": fields})


class Seldom:
    """Logs the same warning once a minute, with the number since then: a fault must not flood the log."""

    PAUSE = 60.0

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._silent: dict[str, int] = {}

    def warn(self, kind: str, message: str, fields: Mapping[str, object], level: int = logging.WARNING) -> None:
        """One more of this kind."""
        now = time.monotonic()
        if kind in self._last and now - self._last[kind] < self.PAUSE:
            self._silent[kind] = self._silent.get(kind, 0) + 1
            return
        self._last[kind] = now
        log.log(level, message, extra={"fields": {**fields, "more_since_last": self._silent.pop(kind, 0)}})


class ModelErrors:
    """Logs models that raise."""

    def __init__(self) -> None:
        self._seldom = Seldom()

    def note(self, kind: str, prediction: str) -> None:
        """One more of this type of exception."""
        self._seldom.warn(kind, "the model raised", {"exception": kind, "prediction": prediction}, logging.ERROR)
