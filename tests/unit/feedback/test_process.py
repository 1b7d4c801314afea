"""The collector as a process: killed at any moment, told to leave, started wrongly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from benchmarks.feedback import kills
from benchmarks.feedback.traffic import HEADERS, OWNERS, batch
from tests.support.collecting import settings
from tests.support.collector_process import launched, reviewing
from viridian.feedback.collector_app import OWN_KEY
from viridian.feedback.collector_settings import parse
from viridian.feedback.rules_file import RulesUnusable, read_rules
from viridian.feedback.storage.database import DatabaseUnusable, open_database
from viridian.feedback.storage.tables import metadata


async def test_killed_under_load_nothing_that_was_acknowledged_is_missing_or_double(
    tmp_path: Path, database_url: str
) -> None:
    assert await kills.measure(tmp_path, database_url, kills=2)


async def test_told_to_leave_it_finishes_and_ends_with_success(tmp_path: Path, database_url: str) -> None:
    import random

    import msgspec

    async with reviewing(OWNERS) as api, launched(api, tmp_path, database_url) as collector:
        async with httpx.AsyncClient(base_url=collector.url, headers=HEADERS) as http:
            sent = msgspec.json.encode(batch(random.Random(1), 1000))
            assert (await http.post("/v1/predictions", content=sent)).json()["stored"] == 1000
            # The client keeps its connection open: nobody waits for it.
            collector.terminate()
            await collector.logged("end")
        assert await collector.process.wait() == 0


async def test_a_key_beside_the_data_is_warned_of_and_one_of_its_own_is_not(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    for settings_, warned in (({}, True), ({"hash_key_file": str(key)}, False)):
        async with reviewing(OWNERS) as api, launched(api, tmp_path / "data", "", **settings_) as collector:
            collector.terminate()
            await collector.logged("end")
            assert (OWN_KEY in collector.said) is warned


def test_the_tables_are_those_that_the_migrations_make(tmp_path: Path, database_url: str) -> None:
    database = open_database(database_url, tmp_path)
    with database.reading.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.dispose()
    open_database(database_url, tmp_path).dispose()


@pytest.mark.parametrize("url", ["mysql://root:secret@host/x", "postgresql://u:secret@127.0.0.1:1/x", "secret"])
def test_a_database_that_cannot_be_used_is_named_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(DatabaseUnusable) as problem:
        open_database(url, tmp_path)
    assert "secret" not in str(problem.value)
    assert "postgresql://" in str(problem.value)


def test_the_help_names_every_setting_and_no_secret() -> None:
    environment = {**os.environ, "VIRIDIAN_DATABASE_URL": "postgresql://u:secret@host/x", "COLUMNS": "200"}
    command = [sys.executable, "-m", "viridian.feedback.main", "--help"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "secret" not in told
    for name in parse([], {}).__slots__:
        assert f"--{name.replace('_', '-')} " in told
        assert f"VIRIDIAN_{name.upper()}" in told


@pytest.mark.parametrize(
    "arguments",
    [["--port", "70000"], ["--retention", "soon"], ["--queue-rows", "0"], ["--review-rate", "2"], ["--unknown"]],
    ids=" ".join,
)
def test_settings_that_make_no_sense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments, {})
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_service_of_kubernetes_is_no_setting(tmp_path: Path) -> None:
    assert parse([], {"VIRIDIAN_PORT": "tcp://10.0.0.1:8090"}).port == 8090
    assert "secret" not in repr(settings(tmp_path, "postgresql://u:secret@host/x"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("everywhere: {denied: [email]}", "denied"),
        ("deployments: {churn: {deny: [email]}}", "namespace/name"),
        ("everywhere: {retention: soon}", "is not a duration"),
        ("[", "cannot be used"),
    ],
)
def test_a_rules_file_that_makes_no_sense(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(RulesUnusable, match=said):
        read_rules(path)
