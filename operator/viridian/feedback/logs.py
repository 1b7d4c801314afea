"""One JSON object a line on stdout, in words of our own: neither values nor the texts of exceptions."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from viridian.api.texts import as_text, cleaned

log = logging.getLogger("viridian.feedback")


class JsonLines(logging.Formatter):
    """time, level, message, then what the caller gave as `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            # Other libraries may put what they were given into their messages.
            "message": cleaned(record.getMessage()) if record.name == log.name else f"{record.name} logged a warning",
            **cleaned(getattr(record, "fields", {})),
        }
        if record.exc_info and record.exc_info[0]:
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
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def note(message: str, **fields: object) -> None:
    """One line at level info."""
    log.info(message, extra={"fields": fields})


def note_failure(message: str, error: BaseException) -> None:
    """One line at level error: the type of what went wrong and where in our code, for its text may quote a row."""
    trace = error.__traceback__
    where = ""
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if name.startswith("viridian."):
            where = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    log.error(message, extra={"fields": {"exception": type(error).__name__, "where": where}})
