"""A database of an earlier version is brought to this one, with all that was in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from tests.support.collecting import START, collecting, profile, profile_window, served
from viridian.feedback.storage import database
from viridian.feedback.storage.database import MIGRATIONS, immediate, open_database
from viridian.feedback.storage.tables import metadata

WINDOWS = 450


def as_version_1(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database with windows as they were stored then."""
    with monkeypatch.context() as patched:
        patched.setattr(database, "_migrate", _to_version_1)
        old = open_database(url, folder)
    with immediate(old.writing.connect()) as connection, connection.begin():
        tables = sa.MetaData()
        tables.reflect(connection)
        known = served()
        connection.execute(tables.tables["spaces"].insert(), {"namespace": "ml"})
        row = {"space": 1, "deployment": "churn", "revision": known.revision, "version": known.version}
        document = msgspec.json.encode(known, order="deterministic")
        digest = hashlib.sha256(document).hexdigest()
        connection.execute(tables.tables["served"].insert(), {**row, "document": document, "identity": digest})
        content = msgspec.json.encode(profile((3, 1), (2, 2)))
        rows = [
            {
                "space": 1,
                "served": 1,
                "pod": "a",
                "sequence": number,
                "start": START + number,
                "end": START + number + 1,
            }
            for number in range(WINDOWS)
        ]
        connection.execute(tables.tables["profiles"].insert(), [{**row, "profile": content} for row in rows])
    old.dispose()


def _to_version_1(engine: sa.Engine, _: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with immediate(engine.connect()) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")


async def test_profiles_of_version_1_are_converted(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_version_1(database_url, tmp_path, monkeypatch)
    async with collecting(tmp_path, database_url) as stand:
        (window,) = await stand.admin.windows(START, START + WINDOWS, WINDOWS)
        assert window.profile is not None
        assert (window.profile.rows, window.profile.features["age"].counts) == (4 * WINDOWS, (3 * WINDOWS, WINDOWS))
        again = msgspec.json.encode(profile_window(WINDOWS - 1, profile((3, 1), (2, 2)), pod="a"))
        assert (await stand.server.ok("POST", "/v1/profiles", content=again))["duplicates"] == 1
        new = msgspec.json.encode(profile_window(WINDOWS, profile((3, 1), (2, 2)), pod="a"))
        assert (await stand.server.ok("POST", "/v1/profiles", content=new))["stored"] == 1
        with stand.collector.engine.connect() as connection:
            shapes = connection.scalar(sa.select(sa.func.count()).select_from(metadata.tables["shapes"]))
        assert shapes == 1, "what is stored now has the shape of what was converted"
