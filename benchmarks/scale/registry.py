"""A real MLflow server whose database is filled in one go: by its API that would take longer than the benchmark."""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from tests.support.mlflow_server import MlflowServer

_CALL = re.compile(r"\"([A-Z]{3,6}) /api/2\.0/mlflow/([a-z/-]+)")
"""A line of the server's log about a call of its API."""


def fill(server: MlflowServer, models: Sequence[str], *, alias: str = "candidate") -> None:
    """A registered model of each name with one version, at which the alias points."""
    now = int(time.time() * 1000)
    with sqlite3.connect(server.directory / "mlflow.db", timeout=60) as database:
        database.executemany(
            "INSERT INTO registered_models (name, creation_time, last_updated_time) VALUES (?, ?, ?)",
            [(name, now, now) for name in models],
        )
        database.executemany(
            "INSERT INTO model_versions (name, version, creation_time, last_updated_time, current_stage, source, "
            "status) VALUES (?, 1, ?, ?, 'None', ?, 'READY')",
            [(name, now, now, f"mlflow-artifacts:/0/models/{name}/artifacts") for name in models],
        )
        database.executemany(
            "INSERT INTO registered_model_aliases (name, alias, version) VALUES (?, ?, 1)",
            [(name, alias) for name in models],
        )


_COPIED: Final = {
    "SELECT name, key, value FROM registered_model_tags WHERE name = ?": (
        "INSERT OR REPLACE INTO registered_model_tags (name, key, value) VALUES (?, ?, ?)"
    ),
    "SELECT name, version, key, value FROM model_version_tags WHERE name = ?": (
        "INSERT OR REPLACE INTO model_version_tags (name, version, key, value) VALUES (?, ?, ?, ?)"
    ),
    "SELECT name, alias, version FROM registered_model_aliases WHERE name = ?": (
        "INSERT OR REPLACE INTO registered_model_aliases (name, alias, version) VALUES (?, ?, ?)"
    ),
}
"""What the operator leaves at a registered model, and how it gets to another one."""


def copy(server: MlflowServer, original: str, renamings: Sequence[Callable[[str], str]]) -> None:
    """Give registered models the aliases and tags of another one, each with its own names in place of the other's."""
    with sqlite3.connect(server.directory / "mlflow.db", timeout=60) as database:
        for read, write in _COPIED.items():
            rows = database.execute(read, [original]).fetchall()
            for renamed in renamings:
                database.executemany(write, [[renamed(v) if isinstance(v, str) else v for v in row] for row in rows])


def calls(server: MlflowServer) -> Counter[str]:
    """Calls of the API so far, by the server's own log."""
    return Counter(f"{verb} {path}" for verb, path in _CALL.findall(server.log))
