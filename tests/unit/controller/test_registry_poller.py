"""One poller for all registered models: few calls, only what is followed is kept, and what has moved is told."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.loop_at_work import at_work
from tests.support.memory_registry import MemoryRegistry
from tests.support.virtual_time import run_virtually
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.controller.registry_poller import EVERY, LONGEST_PAUSE, REPORTED_AFTER
from viridian.controller.registry_table import NotAnswered, NotRead, Question
from viridian.controller.registry_watch import RegistryWatch


class Stage:
    """A registry with 250 models, of which some are followed."""

    def __init__(self, *followed: str) -> None:
        self.registry = MemoryRegistry()
        for number in range(250):
            name = f"model-{number:03}"
            self.registry.add_version(name)
            self.registry.add_version(name)
            self.registry.move_alias(name, "candidate", "1")
        self.told: list[list[str]] = []
        self.watch = RegistryWatch(
            self.registry, followed=lambda: followed, moved=lambda models: self.told.append(sorted(models))
        )
        self.table, self.poller = self.watch.table, self.watch.poller

    def version(self, name: str) -> str:
        """What the alias points at."""
        found = self.table.aliases(name)
        assert found is not None
        return found["candidate"]


async def test_a_moved_alias_is_told_once_and_only_of_models_that_are_followed() -> None:
    stage = Stage("model-000", "model-240")
    assert await stage.poller.sweep()
    assert stage.told == [], "nobody has seen anything else"
    stage.registry.calls.clear()
    stage.registry.move_alias("model-240", "candidate", "2")
    stage.registry.move_alias("model-100", "candidate", "2")
    for _ in range(3):
        await stage.poller.sweep()
    assert stage.told == [["model-240"]]
    assert dict(stage.registry.calls) == {"models": 9}, "three pages of a hundred, three times"
    assert stage.version("model-240") == "2"
    with pytest.raises(NotRead):
        stage.table.aliases("model-100")


async def test_where_nobody_follows_a_model_nothing_is_asked() -> None:
    stage = Stage()
    await stage.poller.sweep()
    assert stage.registry.calls.total() == 0
    assert stage.table.filled.is_set()


async def test_what_nobody_follows_any_more_is_forgotten() -> None:
    stage = Stage("model-000")
    await stage.poller.sweep()
    stage.table.keep(())
    with pytest.raises(NotRead):
        stage.table.aliases("model-000")


async def test_a_model_that_is_gone_is_asked_about_before_that_is_believed() -> None:
    stage = Stage("model-007")
    await stage.poller.sweep()
    stage.registry.delete_model("model-007")
    await stage.poller.sweep()
    assert (stage.told, stage.version("model-007")) == ([], "1")
    await stage.watch.reader.read_all()
    assert stage.told == [["model-007"]]
    assert stage.table.aliases("model-007") is None
    stage.registry.calls.clear()
    await stage.poller.sweep()
    assert not await stage.watch.reader.read_all(), "once is enough"
    stage.registry.add_version("model-007")
    await stage.poller.sweep()
    assert stage.told == [["model-007"]] * 2


def test_a_page_that_is_older_than_a_write_of_ours_changes_nothing() -> None:
    async def main() -> None:
        stage = Stage("model-000")
        await stage.poller.sweep()
        stage.registry.latency = lambda: 1.0
        sweeping = asyncio.create_task(stage.poller.sweep())
        await asyncio.sleep(0.5)
        answer = await stage.registry.models()
        stage.registry.move_alias("model-000", "candidate", "2")
        stage.table.wrote("model-000")
        assert answer.models[0].aliases == {"candidate": "1"}, "as the sweep may have got it"
        await stage.watch.reader.read_all()
        await sweeping
        assert (stage.version("model-000"), stage.told) == ("2", [["model-000"]])

    run_virtually(main())


def test_an_outage_is_told_once_it_lasts_and_so_is_its_end_and_the_registry_is_left_alone() -> None:
    async def main() -> None:
        stage = Stage("model-000")
        polling = asyncio.create_task(stage.poller.poll())
        await asyncio.sleep(1)
        stage.registry.unavailable = True
        await asyncio.sleep(EVERY)
        assert (stage.version("model-000"), stage.told) == ("1", []), "a restart of MLflow is nobody's concern"
        await asyncio.sleep(REPORTED_AFTER + 1)
        stage.registry.calls.clear()
        await asyncio.sleep(10 * LONGEST_PAUSE)
        assert 8 <= stage.registry.calls["models"] <= 12
        assert stage.told == [["model-000"]]
        with pytest.raises(NotAnswered, match="does not answer"):
            stage.table.aliases("model-000")
        stage.registry.unavailable = False
        await asyncio.sleep(LONGEST_PAUSE + 1)
        assert (stage.version("model-000"), stage.told) == ("1", [["model-000"]] * 2)
        polling.cancel()
        await asyncio.wait([polling])

    run_virtually(main())


async def test_what_failed_for_the_silence_of_the_registry_is_told_when_it_answers() -> None:
    stage = Stage("model-000")
    stage.registry.unavailable = True
    stage.table.note(Question("model-000"))
    await stage.watch.reader.read_all()
    stage.told.clear()
    assert not await stage.poller.sweep()
    stage.registry.unavailable = False
    await stage.poller.sweep()
    assert (stage.version("model-000"), stage.told) == ("1", [["model-000"]])


async def test_where_models_may_not_be_listed_each_is_asked_about_by_itself() -> None:
    stage = Stage("model-000", "model-240")
    stage.registry.refusals["models"] = "403"
    assert not await stage.poller.sweep()
    await stage.watch.reader.read_all()
    assert (stage.version("model-240"), stage.registry.calls["model"]) == ("1", 2)
    stage.registry.move_alias("model-240", "candidate", "2")
    await stage.poller.sweep()
    await stage.watch.reader.read_all()
    assert stage.told == [["model-240"]]


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
