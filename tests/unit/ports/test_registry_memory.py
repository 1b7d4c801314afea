"""The failures that the registry in memory can be asked for."""

from __future__ import annotations

import pytest

from tests.support.memory_registry import MemoryRegistry
from viridian.api.registry import RunStatus
from viridian.ports.registry import Registry, RegistryRefused, RegistryUnavailable


class KilledError(BaseException):
    """Ends the process that would have gone on."""


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


async def test_it_is_a_registry(registry: MemoryRegistry) -> None:
    port: Registry = registry
    assert await port.model("churn") is None


async def test_unavailable_nothing_is_read_or_written(registry: MemoryRegistry) -> None:
    registry.unavailable = True
    with pytest.raises(RegistryUnavailable):
        await registry.register("churn", "", "s3://x", {})
    with pytest.raises(RegistryUnavailable):
        await registry.model("churn")
    registry.unavailable = False
    assert await registry.model("churn") is None


async def test_a_refusal_carries_its_message(registry: MemoryRegistry) -> None:
    registry.refusal = "no entry"
    with pytest.raises(RegistryRefused, match="no entry"):
        await registry.model("churn")


async def test_a_lost_answer_leaves_the_effect(registry: MemoryRegistry) -> None:
    run = await registry.create_run("churn", "r1", {})
    registry.lose_answer_of("finish_run")
    with pytest.raises(RegistryUnavailable, match="lost"):
        await registry.finish_run(run.run_id, RunStatus.FINISHED)
    assert [run.status for run in registry.runs()] == [RunStatus.FINISHED]
    await registry.finish_run(run.run_id, RunStatus.FINISHED)


@pytest.mark.parametrize("killed_after", range(4))
async def test_registering_survives_a_death_after_any_write(registry: MemoryRegistry, killed_after: int) -> None:
    left = [killed_after]

    def kill(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KilledError

    registry.after_write = kill
    for _ in range(2):
        try:
            run = await registry.create_run("churn", "r1", {})
            version = await registry.register("churn", run.run_id, "models:/m-1", {})
        except KilledError:
            continue
    assert version == "1"
    assert len(registry.runs()) == 1
    assert list(registry.versions("churn")) == ["1"]


async def test_a_person_can_move_aliases_and_delete(registry: MemoryRegistry) -> None:
    registry.add_version("churn", {"viridian.digest": "sha256:1"})
    registry.move_alias("churn", "candidate", registry.add_version("churn"))
    model = await registry.model("churn")
    assert model is not None
    assert dict(model.aliases) == {"candidate": "2"}
    registry.delete_version("churn", "2")
    model = await registry.model("churn")
    assert model is not None
    assert dict(model.aliases) == {}
    registry.delete_model("churn")
    assert await registry.model("churn") is None
