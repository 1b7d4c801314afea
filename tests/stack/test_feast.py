"""Feast with a real repository and a real `feast serve`: one definition, and the same row offline and online."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from localcluster.ports import free_port
from tests.support.stack.environment import environment
from tests.support.stack.server import served
from tests.support.stack.stage_run import StackRun, StageEnd
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

pytestmark = pytest.mark.needs_programs
SYSTEM = named("feast")
CUSTOMERS = "customer_id,event_timestamp\n1,2026-11-05T00:00:00Z\n1,2026-11-25T00:00:00Z\n2,2026-11-25T00:00:00Z\n"
ORDERS = [(1, "2026-11-01", 1.5, 0), (1, "2026-11-20", 2.5, 1), (2, "2026-11-10", 0.1, 3)]
FILLED_UP_TO = "2026-11-28T00:00:00"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def feast(repository: Path, *arguments: str) -> None:
    subprocess.run([str(environment(SYSTEM) / "feast"), *arguments], cwd=repository, check=True, capture_output=True)


def write_orders(repository: Path, rows: list[tuple[int, str, float, int]]) -> None:
    table = pd.DataFrame(rows, columns=["customer_id", "event_timestamp", "orders_per_month", "complaints"])
    table["event_timestamp"] = pd.to_datetime(table["event_timestamp"], utc=True)
    table.to_parquet(repository / "data" / "orders.parquet")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's repository with rows, applied, and its online store filled up."""
    folder = tmp_path_factory.mktemp("feast") / "repo"
    shutil.copytree(SYSTEM.folder / "repo", folder)
    (folder / "data").mkdir()
    write_orders(folder, ORDERS)
    feast(folder, "apply")
    feast(folder, "materialize-incremental", FILLED_UP_TO)
    return folder


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[str]:
    port = free_port()
    command = [str(environment(SYSTEM) / "feast"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with served(command, repository, f"http://127.0.0.1:{port}") as address:
        yield address


def made(folder: Path, repository: Path, server: str, digest: str) -> tuple[StackRun, StageEnd]:
    """The run and the end of its stage `features` for this digest in the policy."""
    folder.mkdir(exist_ok=True)
    (folder / "customers.csv").write_text(CUSTOMERS)
    run = StackRun(SYSTEM, folder).begin("r1", folder / "customers.csv")
    where = {"FEAST_REPOSITORY": str(repository), "FEAST_SERVER": server}
    return run, run.work(**where, FEATURES_DIGEST=digest)


@pytest.fixture(scope="module")
def digest(repository: Path, server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """As the first run with another one names it."""
    run, ended = made(tmp_path_factory.mktemp("first"), repository, server, "none")
    assert ended.code == ExitCode.BAD_DATA, ended.log
    return str(_DIGEST.findall(run.world.message("DataQuality"))[0])


@pytest.fixture(scope="module")
def finished(
    repository: Path, server: str, digest: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[StackRun, StageEnd]:
    """A run with all in order."""
    run, ended = made(tmp_path_factory.mktemp("second"), repository, server, digest)
    assert ended.code == ExitCode.DONE, ended.log
    return run, ended


def test_training_gets_the_features_of_the_time_of_each_row(finished: tuple[StackRun, StageEnd]) -> None:
    run, _ = finished
    assert run.at_work == "training"
    (file,) = run.folder.rglob("features.csv")
    found = pd.read_csv(file).sort_values(["customer_id", "event_timestamp"])
    assert found["orders_per_month"].tolist() == [1.5, 2.5, 0.1]
    assert found["complaints"].tolist() == [0, 1, 3]


def test_the_same_customer_is_equal_offline_and_online(finished: tuple[StackRun, StageEnd]) -> None:
    _, ended = finished
    assert ended.report.metrics == {"features.rows": 3, "features.compared": 2}


def test_the_digest_outlives_another_apply_and_a_changed_definition_pauses_the_policy(
    repository: Path, server: str, digest: str, tmp_path: Path
) -> None:
    feast(repository, "apply")
    _, again = made(tmp_path / "again", repository, server, digest)
    assert again.code == ExitCode.DONE, again.log
    changed = tmp_path / "changed"
    shutil.copytree(repository, changed)
    # The registry knows the old path of the online store, and `feast apply` would drop what it finds there.
    (changed / "data" / "registry.db").unlink()
    definition = changed / "features.py"
    definition.write_text(definition.read_text().replace("days=365", "days=30"))
    feast(changed, "apply")
    run, ended = made(tmp_path / "after", changed, server, digest)
    assert ended.code == ExitCode.BAD_DATA
    found, pinned = _DIGEST.findall(run.world.message("DataQuality"))
    assert found != pinned == digest


def test_an_online_store_that_was_not_filled_up_pauses_the_policy_which_names_the_feature(
    repository: Path, server: str, digest: str, tmp_path: Path
) -> None:
    ahead = tmp_path / "ahead"
    shutil.copytree(repository, ahead)
    write_orders(ahead, [*ORDERS, (2, "2026-11-26", 7.0, 3)])
    run, ended = made(tmp_path / "run", ahead, server, digest)
    assert ended.code == ExitCode.BAD_DATA
    assert "offline and online features differ: orders_per_month" in run.world.message("DataQuality")


def test_a_server_that_is_away_is_an_error_and_no_verdict(repository: Path, digest: str, tmp_path: Path) -> None:
    _, ended = made(tmp_path, repository, f"http://127.0.0.1:{free_port()}", digest)
    assert ended.code == 1
