"""The real processes, shared by all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.background import in_background
from tests.support.clients.targets import Target, collecting, serving


@pytest.fixture(scope="package")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, Target]]:
    """Inference and management."""
    with in_background(serving(tmp_path_factory.mktemp("server"))) as targets:
        yield targets


@pytest.fixture(scope="package")
def server(ports: tuple[Target, Target]) -> Target:
    return ports[0]


@pytest.fixture(scope="package")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with in_background(collecting(tmp_path_factory.mktemp("collector"))) as target:
        yield target


@pytest.fixture(params=["server", "management", "collector"])
def target(request: pytest.FixtureRequest) -> Target:
    """Each in turn."""
    if request.param == "collector":
        found: Target = request.getfixturevalue("collector")
        return found
    ports: tuple[Target, Target] = request.getfixturevalue("ports")
    return ports[request.param == "management"]
