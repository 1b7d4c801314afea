"""What a test needs beyond its own process, as markers by which `make quick` and `make unit` select.

A need follows from a test's fixtures; where a test starts something by itself, a marker of its module names the need.
Nothing has to be remembered: a test that starts a program without the need for it fails, wherever it is run.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import pytest


class Need(StrEnum):
    PROCESSES = "starts processes of this project where it stands among tests of the pure layers"
    PROGRAMS = "starts other people's programs: kubectl, helm, curl, Go, Java, openssl, scanners"
    CONTROL_PLANE = "a Kubernetes API server, without a node"
    NODE = "the one node of this computer, with the built images"
    MLFLOW = "a real MLflow server, or a process of its environment"
    POSTGRES = "a real PostgreSQL"
    PROMETHEUS = "a real Prometheus, an Alertmanager, or their tools"
    BROWSER = "a real browser"

    @property
    def marker(self) -> str:
        return f"needs_{self.name.lower()}"


OF_FIXTURES = {
    "cluster": Need.NODE,
    "control_plane": Need.CONTROL_PLANE,
    "mlflow": Need.MLFLOW,
    "postgresql": Need.POSTGRES,
    "prometheus_server": Need.PROMETHEUS,
}
"""Fixtures that a need follows from, however indirectly a test asks for them."""

OF_PROGRAMS = {
    "etcd": Need.CONTROL_PLANE,
    "kube-apiserver": Need.CONTROL_PLANE,
    "kube-controller-manager": Need.CONTROL_PLANE,
    "kube-scheduler": Need.CONTROL_PLANE,
    "mlflow": Need.MLFLOW,
    "setpriv": Need.POSTGRES,
    "initdb": Need.POSTGRES,
    "postgres": Need.POSTGRES,
    "pg_isready": Need.POSTGRES,
    "prometheus": Need.PROMETHEUS,
    "promtool": Need.PROMETHEUS,
    "prometheus-alertmanager": Need.PROMETHEUS,
    "amtool": Need.PROMETHEUS,
    "chromium": Need.BROWSER,
    "chromedriver": Need.BROWSER,
}
"""Programs that are started for one need alone."""

EVERYWHERE = ("sh", "sleep")
"""Programs that every computer has. All that are named nowhere here, but Python, are other people's."""

PURE = ("api", "controller", "core", "judgement", "monitoring", "registry_sync", "retraining", "rollout")
"""Folders of tests/unit whose tests are those of `make quick`, unless they need anything."""


def register(config: pytest.Config) -> None:
    for need in Need:
        config.addinivalue_line("markers", f"{need.marker}: {need.value}")
    config.addinivalue_line("markers", "unit: needs nothing but Python (every test that this is true of has it)")
    config.addinivalue_line("markers", "quick: of a pure layer, and needs nothing at all (likewise)")


def mark(item: pytest.Item) -> None:
    """Adds what follows from the test's fixtures, and from its needs the targets that it belongs to."""
    for fixture in getattr(item, "fixturenames", ()):
        if fixture in OF_FIXTURES:
            item.add_marker(OF_FIXTURES[fixture].marker)
    found = needs(item)
    if found <= {Need.PROCESSES}:
        item.add_marker("unit")
    if not found and is_pure(item.path):
        item.add_marker("quick")


def needs(item: pytest.Item) -> frozenset[Need]:
    return frozenset(need for need in Need if item.get_closest_marker(need.marker))


def is_pure(path: Path) -> bool:
    folders = path.parts[path.parts.index("tests") + 1 :] if "tests" in path.parts else ()
    return folders[:1] == ("unit",) and folders[1] in PURE


# ---- the guard


class Undeclared(Exception):
    """A test starts what it has no marker for; the message says which."""


_running: pytest.Item | None = None


@contextmanager
def guarded(item: pytest.Item) -> Iterator[None]:
    """Only what the test needs is started meanwhile."""
    global _running
    _running = item
    try:
        yield
    finally:
        _running = None


def need_of(program: str) -> Need | None:
    """The need that starting this program stands for; None for what every computer has and what a test made itself."""
    found = Path(shutil.which(program) or program)
    if found.name in EVERYWHERE or found.is_relative_to(tempfile.gettempdir()):
        return None
    if "mlflow-venv" in found.parts:
        return Need.MLFLOW
    if found.name.startswith("python"):
        return Need.PROCESSES
    return OF_PROGRAMS.get(found.name, Need.PROGRAMS)


def allows(item: pytest.Item, need: Need | None) -> bool:
    """Only tests of the pure layers name processes as a need, and only those of `make unit` other programs."""
    if item.get_closest_marker("quick"):
        return False
    if need in (None, Need.PROCESSES):
        return True
    declared = needs(item)
    return need in declared or Need.NODE in declared or (need is Need.PROGRAMS and not item.get_closest_marker("unit"))


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event != "subprocess.Popen" or _running is None:
        return
    executable, command = arguments[:2]
    program = executable or (command if isinstance(command, str | bytes | os.PathLike) else next(iter(command)))  # type: ignore[call-overload]
    need = need_of(os.fsdecode(program))  # type: ignore[arg-type]
    if not allows(_running, need):
        marker = (need or Need.PROCESSES).marker
        raise Undeclared(
            f"{program!r} is started without pytest.mark.{marker} on the test, its module or its parameter"
        )


sys.addaudithook(_hear)
