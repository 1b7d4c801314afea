"""Logs of the model server and the collector: one JSON object a line on stdout, without values of features."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from viridian.api.texts import as_text, cleaned


class JsonLines(logging.Formatter):
    """time, level, message, then what the caller gave as `extra={"fields": {...}}`."""

    def __init__(self, only_from: str = "") -> None:
        """`only_from`: the one logger whose messages are shown. Those of libraries may quote what they were given."""
        super().__init__()
        self._only_from = only_from

    def format(self, record: logging.LogRecord) -> str:
        shown = not self._only_from or record.name == self._only_from
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": cleaned(record.getMessage()) if shown else f"{record.name} logged a warning",
            **cleaned(getattr(record, "fields", {})),
        }
        if record.exc_info and record.exc_info[0]:
            # The type alone: the text of an exception may quote the input that caused it.
            entry["exception"] = record.exc_info[0].__name__
        return json.dumps(entry, ensure_ascii=False, default=as_text)


def configure(log: logging.Logger, formatter: logging.Formatter) -> None:
    """Everything that this process logs goes out as JSON lines; libraries from warnings on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.INFO)
    # Its warnings are about what clients send; those responses are counted.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
