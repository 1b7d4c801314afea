"""The log of the model server. Values of features never appear: callers give messages of their own only."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from viridian import json_logs

log = logging.getLogger("viridian.serving")


def configure() -> None:
    """JSON lines on stdout."""
    json_logs.configure(log, json_logs.JsonLines())
    # Warnings of libraries may quote what they were given, and come with every prediction.
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)


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
