"""Feast with a real repository and a real `feast serve`: one definition, in training, on the version and in servers."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from localcluster.ports import free_port
from tests.support import models
from tests.support.churn import Churn
from tests.support.memory_pods import Behaviour
from tests.support.operator_world import OperatorWorld
from tests.support.server_process import KEY, running
from tests.support.stack.environment import environment
from tests.support.stack.server import served
from tests.support.stack.stage_run import StackRun, StageEnd
from tests.support.stack.systems import named
from tests.unit.retraining.world import now_of
from viridian.api import reasons
from viridian.api.registry import TAG_FEATURES
from viridian.api.stage import ExitCode
from viridian.ports.pod_http import pod_http
from viridian.ports.pods import HttpPods

pytestmark = pytest.mark.needs_programs
SYSTEM = named("feast")
CUSTOMERS = "customer_id,event_timestamp\n1,2026-11-05T00:00:00Z\n1,2026-11-25T00:00:00Z\n2,2026-11-25T00:00:00Z\n"
ORDERS = [(1, "2026-11-01", 1.5, 0), (1, "2026-11-20", 2.5, 1), (2, "2026-11-10", 0.1, 3)]
FILLED_UP_TO = "2026-11-28T00:00:00"
DEPLOYMENT: Any = yaml.safe_load((SYSTEM.folder / "deployment.yaml").read_text())
DIGEST: str = DEPLOYMENT["spec"]["model"]["features"]["digest"]
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def feast(repository: Path, *arguments: str) -> None:
    subprocess.run([str(environment(SYSTEM) / "feast"), *arguments], cwd=repository, check=True, capture_output=True)


def digest_in(repository: Path) -> str:
    """As the example's own command prints it."""
    command = [str(environment(SYSTEM) / "python"), str(SYSTEM.folder / "definition.py"), str(repository), "churn"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


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


def made(folder: Path, repository: Path, server: str) -> tuple[StackRun, StageEnd]:
    """A run for the example's ModelDeployment, and the end of its stage `features`."""
    folder.mkdir(exist_ok=True)
    (folder / "customers.csv").write_text(CUSTOMERS)
    run = StackRun(SYSTEM, folder)
    run.world.deployment = {**DEPLOYMENT, "status": {}}
    run.begin("r1", folder / "customers.csv")
    return run, run.work(FEAST_REPOSITORY=str(repository), FEAST_SERVER=server)


@pytest.fixture(scope="module")
def changed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same repository with another definition, applied."""
    folder = tmp_path_factory.mktemp("changed") / "repo"
    shutil.copytree(repository, folder)
    # The registry knows the old path of the online store, and `feast apply` would drop what it finds there.
    (folder / "data" / "registry.db").unlink()
    definition = folder / "features.py"
    definition.write_text(definition.read_text().replace("days=365", "days=30"))
    feast(folder, "apply")
    return folder


@pytest.fixture(scope="module")
def other(changed: Path) -> str:
    """The digest of that one."""
    return digest_in(changed)


@pytest.fixture(scope="module")
def finished(repository: Path, server: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[StackRun, StageEnd]:
    """A run with all in order."""
    run, ended = made(tmp_path_factory.mktemp("first"), repository, server)
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
    assert ended.report.features == DIGEST


def test_the_digest_outlives_another_apply_and_a_changed_definition_pauses_the_policy(
    repository: Path, server: str, changed: Path, other: str, tmp_path: Path
) -> None:
    feast(repository, "apply")
    assert digest_in(repository) == DIGEST
    run, ended = made(tmp_path, changed, server)
    assert ended.code == ExitCode.BAD_DATA
    assert _DIGEST.findall(run.world.message("DataQuality")) == [other, DIGEST]


def test_a_server_with_another_definition_gets_no_traffic(
    finished: tuple[StackRun, StageEnd], other: str, tmp_path: Path
) -> None:
    """The digest that the stage reported is on the version. Real servers show theirs to the operator's own port."""
    run, _ = finished
    run.world.train(auc=0.9).settle()
    version = now_of(run.world.registry.version("churn", run.world.last_run["version"]))
    assert version is not None
    assert version.tags[TAG_FEATURES] == DIGEST
    fitting, skewed = (asyncio.run(shown_by_a_server(tmp_path, digest)) for digest in (DIGEST, other))
    assert rollout_of(version.tags, fitting) == ("1", "")
    champion, problem = rollout_of(version.tags, skewed)
    assert champion is None
    assert f"made with the feature definition {DIGEST}, and its servers have {other}" in problem


async def shown_by_a_server(folder: Path, digest: str) -> str:
    """A model server that is started with this definition, asked as the operator asks."""
    model = models.write_onnx_mlflow(folder / digest.replace(":", "-"))
    async with running(model, folder, features_digest=digest) as server, pod_http(KEY) as http:
        (shown,) = (await HttpPods(http).served_features([server.target])).values()
        return shown


def rollout_of(tags: Mapping[str, str], shown: str) -> tuple[str | None, str]:
    """The version that serves users where servers show this definition, and why it is no other one."""
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        churn.point(world.registry.add_version("churn", tags))
        world.pods.behaviours["1"] = Behaviour(features=shown)
        churn.apply(model=DEPLOYMENT["spec"]["model"])
        world.run(60)
        return churn.champion, churn.condition(reasons.FEATURES_MATCH).get("message", "")


def test_an_online_store_that_was_not_filled_up_pauses_the_policy_which_names_the_feature(
    repository: Path, server: str, tmp_path: Path
) -> None:
    ahead = tmp_path / "ahead"
    shutil.copytree(repository, ahead)
    write_orders(ahead, [*ORDERS, (2, "2026-11-26", 7.0, 3)])
    run, ended = made(tmp_path / "run", ahead, server)
    assert ended.code == ExitCode.BAD_DATA
    assert "offline and online features differ: orders_per_month" in run.world.message("DataQuality")


def test_a_server_that_is_away_is_an_error_and_no_verdict(repository: Path, tmp_path: Path) -> None:
    _, ended = made(tmp_path, repository, f"http://127.0.0.1:{free_port()}")
    assert ended.code == 1
