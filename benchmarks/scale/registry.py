"""A real MLflow server whose database is filled in one go: by its API that would take longer than the benchmark."""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence

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


def copy(server: MlflowServer, original: str, copies: Mapping[str, Mapping[str, str]]) -> None:
    """Give registered models the aliases and tags of another one; in each, some texts stand for others."""
    with sqlite3.connect(server.directory / "mlflow.db", timeout=60) as database:
        for table in ("registered_model_tags", "model_version_tags", "registered_model_aliases"):
            rows = database.execute(f"SELECT * FROM {table} WHERE name = ?", [original]).fetchall()  # noqa: S608
            marks = ", ".join("?" * len(rows[0])) if rows else ""
            database.executemany(
                f"INSERT OR REPLACE INTO {table} VALUES ({marks})",  # noqa: S608
                [[_replaced(value, renamed) for value in row] for renamed in copies.values() for row in rows],
            )


def _replaced(value: object, renamed: Mapping[str, str]) -> object:
    if isinstance(value, str):
        for old, new in renamed.items():
            value = value.replace(old, new)
    return value


def calls(server: MlflowServer) -> Counter[str]:
    """Calls of the API so far, by the server's own log."""
    return Counter(f"{verb} {path}" for verb, path in _CALL.findall(server.log))
