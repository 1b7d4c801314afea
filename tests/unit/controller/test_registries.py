"""A namespace with an identity of its own in MLflow: all that is read and written on its behalf goes by it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.loop_at_work import at_work
from tests.support.memory_registry import MemoryRegistry
from tests.support.virtual_time import run_virtually
from viridian.api import reasons
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY


def test_everything_goes_by_the_own_identity() -> None:
    async def main() -> None:
        own = MemoryRegistry()
        async with at_work(own_registries={"default": own}) as world:
            shared, world.registry = world.registry, own
            world.deploy()
            world.policy()
            world.ask("one")
            await world.until(lambda: champion(world) == "1", most=300)
            await asyncio.sleep(120)
            assert own.aliases("churn") == {"candidate": "1", "champion": "1"}
            assert not shared.calls, "the operator's own identity is not used"

    run_virtually(main())


def test_another_namespace_goes_by_the_shared_one() -> None:
    async def main() -> None:
        own = MemoryRegistry()
        async with at_work(own_registries={"sec-b": own}) as world:
            world.registry.add_version("churn")
            world.registry.move_alias("churn", "candidate", "1")
            world.deploy()
            await world.until(lambda: champion(world) == "1", most=120)
            assert not own.calls

    run_virtually(main())


@pytest.mark.parametrize("kind", [MODEL_DEPLOYMENT, RETRAIN_POLICY])
def test_where_the_own_identity_is_refused_the_shared_one_does_not_stand_in(kind: str) -> None:
    async def main() -> None:
        own = MemoryRegistry()
        own.refusal = "the MLflow credentials of the namespace default are missing"
        async with at_work(own_registries={"default": own}) as world:
            world.registry.add_version("churn")
            world.registry.move_alias("churn", "candidate", "1")
            world.deploy()
            world.policy()
            world.ask("one")
            await world.until(
                lambda: world.condition(kind, "Stalled").get("reason") == reasons.REGISTRY_REFUSED, most=60
            )
            assert not world.registry.calls

    run_virtually(main())


def champion(world: Any) -> str:
    return str((world.status(MODEL_DEPLOYMENT).get("champion") or {}).get("version", ""))
