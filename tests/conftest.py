"""What tests of several folders share."""

from __future__ import annotations

import gc
import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

# Before anything loads these libraries: both would report to their makers.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
# Small models are fitted by one thread: a pool of them that waits actively takes the cores from everything else.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A conversion that other tests keep from its core is no slow one.
os.environ.setdefault("VIRIDIAN_CONVERSION_SECONDS", "600")

import pytest
from hypothesis import HealthCheck, settings

from tests.support import needs, precedence, schedule
from tests.support.control_plane import audit_log, control_plane, kube, kubectl, namespace
from tests.support.mlflow_server import MlflowServer, mlflow_server

# The same examples on each run, so that a run differs from the last one by the change alone.
# `HYPOTHESIS_PROFILE=long` searches further, elsewhere each time, and prints how to repeat what it finds.
settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)
settings.register_profile("long", settings.get_profile("ci"), derandomize=False, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# One control plane for a whole process of tests, started when the first one asks for it.
__all__ = ["audit_log", "control_plane", "kube", "kubectl", "mlflow", "namespace"]


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real MLflow server for a whole process of tests; they keep apart by the names of models and experiments."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-durations", action="store_true", help="write what this run took to tests/durations.json")
    parser.addoption("--record-tutorial", action="store_true", help="write docs/tutorial.md with what was printed")


def pytest_configure(config: pytest.Config) -> None:
    needs.register(config)


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    needs.mark(item)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        order = schedule.longest_first([item.nodeid for item in items], schedule.recorded())
        items[:] = [items[number] for number in order]


def pytest_collection_finish(session: pytest.Session) -> None:
    """What has been imported stays: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> schedule.Pieces:
    return schedule.Pieces(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    precedence.give_way(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with needs.guarded(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with needs.guarded(item):
        yield


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """For everyone who reads the end of a test run: what the tests have told of themselves, each figure by its name."""
    if terminalreporter.config.option.record_durations:
        schedule.record(
            found for kept in terminalreporter.stats.values() for found in kept if hasattr(found, "duration")
        )
    told: dict[str, list[str]] = defaultdict(list)
    for report in terminalreporter.stats.get("passed", []):
        for figure, value in report.user_properties:
            told[str(figure)].append(str(value))
    for figure, lines in told.items():
        terminalreporter.section(figure)
        for line in sorted(lines):
            terminalreporter.line(line)
