"""One poller for all registered models: few calls, only what is wanted is kept, and what has moved is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from tests.support.loop_at_work import at_work
from tests.support.memory_registry import MemoryRegistry
from tests.support.virtual_time import run_virtually
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.controller.registry_poller import EVERY, LONGEST_PAUSE, RegistryPoller
from viridian.controller.registry_view import RegistryView
from viridian.ports.registry import RegistryUnavailable


class Stage:
    """A registry with 250 models, of which passes have asked about some."""

    def __init__(self, *, max_age: float = 13.5) -> None:
        self.registry = MemoryRegistry()
        for number in range(250):
            name = f"model-{number:03}"
            self.registry.add_version(name)
            self.registry.add_version(name)
            self.registry.move_alias(name, "candidate", "1")
        self.view = RegistryView(self.registry, max_age=max_age)
        self.told: list[list[str]] = []
        self.poller = RegistryPoller(self.registry, self.view, moved=lambda models: self.told.append(sorted(models)))

    async def ask(self, names: Iterable[str]) -> None:
        for name in names:
            await self.view.model(name)


def test_a_moved_alias_is_told_once_and_only_of_models_that_are_wanted() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.ask(["model-000", "model-240"])
        stage.registry.calls.clear()
        await asyncio.sleep(1)
        stage.registry.move_alias("model-240", "candidate", "2")
        stage.registry.move_alias("model-100", "candidate", "2")
        for _ in range(3):
            await stage.poller.sweep()
        assert stage.told == [["model-240"]]
        assert dict(stage.registry.calls) == {"models": 9}, "three pages of a hundred, three times"
        found = await stage.view.model("model-240")
        assert found is not None
        assert (found.aliases["candidate"], stage.registry.calls["model"]) == ("2", 0)
        assert stage.view.wanted_models() == {"model-000", "model-240"}

    run_virtually(main())


def test_where_nobody_wants_a_model_nothing_is_asked() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.poller.sweep()
        assert stage.registry.calls.total() == 0

    run_virtually(main())


def test_a_model_that_is_gone_is_asked_about_before_that_is_believed() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.ask(["model-007"])
        await asyncio.sleep(1)
        stage.registry.delete_model("model-007")
        await stage.poller.sweep()
        assert stage.told == [["model-007"]]
        assert await stage.view.model("model-007") is None
        await asyncio.sleep(1)
        await stage.poller.sweep()
        assert stage.told == [["model-007"]]
        stage.registry.add_version("model-007")
        await asyncio.sleep(1)
        await stage.poller.sweep()
        assert stage.told == [["model-007"]] * 2

    run_virtually(main())


def test_a_page_that_is_older_than_a_write_of_ours_changes_nothing() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.ask(["model-000"])
        stage.registry.latency = lambda: 1.0
        await asyncio.sleep(1)
        sweeping = asyncio.create_task(stage.poller.sweep())
        await asyncio.sleep(2.5)  # its page has been answered
        stage.registry.move_alias("model-000", "candidate", "2")
        stage.view.invalidate("model-000")
        found = await stage.view.model("model-000")
        await sweeping
        assert found is not None
        assert found == await stage.view.model("model-000")
        assert (found.aliases["candidate"], stage.told) == ("2", [])

    run_virtually(main())


def test_an_outage_and_its_end_are_told_once_and_the_registry_is_left_alone_longer_and_longer() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.ask(["model-000"])
        polling = asyncio.create_task(stage.poller.poll())
        stage.registry.unavailable = True
        await asyncio.sleep(10)
        stage.registry.calls.clear()
        await asyncio.sleep(10 * LONGEST_PAUSE)
        assert 8 <= stage.registry.calls["models"] <= 14
        with pytest.raises(RegistryUnavailable):
            await stage.view.model("model-000")
        stage.registry.unavailable = False
        stage.told.clear()
        await asyncio.sleep(LONGEST_PAUSE + 1)
        assert stage.told == [["model-000"]]
        polling.cancel()
        await asyncio.wait([polling])

    run_virtually(main())


@pytest.mark.parametrize("models", [5, 25])
def test_at_rest_a_model_costs_no_call_and_one_that_moves_is_deployed_within_seconds(models: int) -> None:
    async def main() -> None:
        async with at_work() as world:
            for number in range(models):
                for _ in range(2):
                    world.registry.add_version(f"m{number}")
                world.registry.move_alias(f"m{number}", "candidate", "1")
                world.deploy(f"m{number}")
            await asyncio.sleep(120)
            world.registry.calls.clear()
            await asyncio.sleep(60)
            assert set(world.registry.calls) == {"models"}
            assert world.registry.calls["models"] <= 60 / EVERY + 1
            world.registry.move_alias("m0", "candidate", "2")
            await world.until(lambda: bool(world.status(MODEL_DEPLOYMENT, "m0").get("challenger")), most=EVERY + 1)

    run_virtually(main())
