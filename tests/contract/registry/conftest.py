"""The two registries that one contract is for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.registry.world import MemoryWorld, MlflowWorld, World
from viridian.ports.mlflow import MlflowRegistry


@pytest.fixture(params=["memory", pytest.param("mlflow", marks=pytest.mark.needs_mlflow)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The registry under test, and what people and trainers do to it."""
    if request.param == "memory":
        yield MemoryWorld()
        return
    url = request.getfixturevalue("mlflow").url
    async with MlflowRegistry(url) as registry:
        yield MlflowWorld(registry, url)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A model's and an experiment's name that no other test uses."""
    return str(request.node.name).replace("[", "-").replace("]", "")
