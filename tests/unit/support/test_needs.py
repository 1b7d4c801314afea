"""Needs follow from fixtures, `unit` and `quick` from needs, and nobody starts what he has no need for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needs import PURE, Need, Undeclared, allows, guarded, need_of, needs

ROOT = Path(__file__).parents[3]
pytest_plugins = ("pytester",)

CONFTEST = """
import pytest
from tests.support import needs

def pytest_configure(config):
    needs.register(config)

def pytest_itemcollected(item):
    needs.mark(item)

@pytest.fixture
def control_plane():
    pass

@pytest.fixture
def kube(control_plane):
    pass

@pytest.fixture(params=["memory", pytest.param("mlflow", marks=pytest.mark.needs_mlflow)])
def registry(request):
    pass
"""
TESTS = """
import pytest

def test_pure(): pass
def test_by_a_fixture_of_a_fixture(kube): pass
def test_by_a_parameter(registry): pass

@pytest.mark.needs_processes
def test_by_a_marker(): pass
"""
PURE_TESTS = "tests/unit/rollout/test_it.py"
OTHER_TESTS = "tests/unit/serving/test_it.py"


@pytest.fixture
def items(pytester: pytest.Pytester) -> dict[str, pytest.Item]:
    """The same tests in a folder of a pure layer and in another one, by folder and name."""
    pytester.makeconftest(CONFTEST)
    for path in (PURE_TESTS, OTHER_TESTS):
        place = pytester.path / path
        place.parent.mkdir(parents=True)
        place.write_text(TESTS)
    found, _ = pytester.inline_genitems(
        "--import-mode=importlib", "-o", "asyncio_default_fixture_loop_scope=function", "tests"
    )
    return {f"{item.path.parent.name}: {item.name.removeprefix('test_')}": item for item in found}


def having(items: dict[str, pytest.Item], marker: str) -> set[str]:
    return {name for name, item in items.items() if item.get_closest_marker(marker)}


def test_needs_follow_from_fixtures_parameters_and_markers(items: dict[str, pytest.Item]) -> None:
    assert needs(items["rollout: pure"]) == set()
    assert needs(items["rollout: by_a_fixture_of_a_fixture"]) == {Need.CONTROL_PLANE}
    assert needs(items["rollout: by_a_parameter[memory]"]) == set()
    assert needs(items["rollout: by_a_parameter[mlflow]"]) == {Need.MLFLOW}
    assert needs(items["rollout: by_a_marker"]) == {Need.PROCESSES}


def test_unit_and_quick_follow_from_needs(items: dict[str, pytest.Item]) -> None:
    quick = {"rollout: pure", "rollout: by_a_parameter[memory]"}
    assert having(items, "quick") == quick
    others = {"serving: pure", "serving: by_a_parameter[memory]", "serving: by_a_marker"}
    assert having(items, "unit") == quick | others | {"rollout: by_a_marker"}


@pytest.mark.parametrize(
    ("test", "program", "allowed"),
    [
        ("rollout: pure", sys.executable, False),
        ("rollout: pure", "sh", False),
        ("rollout: by_a_marker", sys.executable, True),
        ("rollout: by_a_marker", "kubectl", False),
        ("serving: pure", sys.executable, True),
        ("serving: pure", "sh", True),
        ("serving: pure", "kubectl", False),
        ("serving: pure", "/opt/etcd", False),
        ("serving: pure", "/cache/mlflow-venv/bin/python", False),
        ("serving: by_a_parameter[mlflow]", "/cache/mlflow-venv/bin/mlflow", True),
        ("serving: by_a_parameter[mlflow]", "curl", True),
        ("serving: by_a_parameter[mlflow]", "chromium", False),
    ],
)
def test_what_may_be_started(items: dict[str, pytest.Item], test: str, program: str, *, allowed: bool) -> None:
    assert allows(items[test], need_of(program)) is allowed


def test_what_a_test_made_itself_may_be_started(items: dict[str, pytest.Item], tmp_path: Path) -> None:
    assert allows(items["serving: pure"], need_of(str(tmp_path / "docker")))


def test_what_may_not_be_is_not_started(items: dict[str, pytest.Item]) -> None:
    command = [sys.executable, "--version"]
    with guarded(items["rollout: pure"]), pytest.raises(Undeclared, match="needs_processes"):
        subprocess.run(command, check=True)
    with guarded(items["rollout: by_a_marker"]):
        subprocess.run(command, check=True, capture_output=True)


def test_make_quick_names_the_same_folders() -> None:
    named = re.search(r"^PURE := (.*)$", (ROOT / "Makefile").read_text(), flags=re.M)
    assert named
    assert tuple(named[1].split()) == PURE
