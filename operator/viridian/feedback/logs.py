"""The log of the collector: neither values of rows nor the texts of exceptions."""

from __future__ import annotations

import logging

from viridian import json_logs

log = logging.getLogger("viridian.feedback")


def configure() -> None:
    """JSON lines on stdout; messages of other loggers may quote rows and are not shown."""
    json_logs.configure(log, json_logs.JsonLines(only_from=log.name))


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
