"""Writes to a registry that takes its time: each is made once, and in the order in which they were wanted."""

from __future__ import annotations

import asyncio
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_registry import MemoryRegistry
from tests.support.virtual_time import run_virtually
from viridian.controller.registry_writes import KEPT, Pending, RegistryWriter
from viridian.core.plan import CreateRun, RegisterVersion, RegistryAction, SetAlias, TagVersion
from viridian.ports.registry import RegistryError, RegistryRefused

REGISTER = RegisterVersion("churn", "a1", "models:/m-a1", {})
NEW, OLD = SetAlias("churn", "champion", "2"), SetAlias("churn", "champion", "1")


class Stage:
    """A writer on a registry with two versions; every write that the registry was asked for."""

    def __init__(self, latency: float = 1.4) -> None:
        self.registry = MemoryRegistry()
        for _ in range(2):
            self.registry.add_version("churn")
        self.registry.latency = lambda: latency
        self.late: list[str] = []
        self.writer = RegistryWriter(self.registry, ended_late=self.late.append)

    async def write(self, action: RegistryAction, patience: float = 1.0) -> RegistryError | None:
        return await self.writer.write(action, patience=patience)

    async def insist(self, action: RegistryAction) -> None:
        """As passes do: again, with a pause, until it is done."""
        while (failure := await self.write(action)) is not None:
            assert isinstance(failure, Pending)
            await asyncio.sleep(0.25)

    @property
    def champion(self) -> str:
        return self.registry.aliases("churn")["champion"]


def test_a_pass_that_comes_again_waits_for_the_write_under_way() -> None:
    """With two at a time, one run would become two versions."""

    async def main() -> None:
        stage = Stage()
        await stage.insist(REGISTER)
        assert stage.registry.calls["register"] == 1
        assert list(stage.registry.versions("churn")) == ["1", "2", "3"]

    run_virtually(main())


def test_what_came_of_it_counts_for_the_pass_that_comes_later() -> None:
    async def main() -> None:
        stage = Stage()
        assert isinstance(await stage.write(NEW), Pending)
        assert stage.writer.lingering == 1
        await asyncio.sleep(5)
        assert (stage.writer.lingering, stage.late) == (0, ["churn"])
        assert await stage.write(NEW) is None
        assert stage.registry.calls["set_alias"] == 1

    run_virtually(main())


def test_but_not_for_ever() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.write(NEW)
        await asyncio.sleep(KEPT + 5)
        stage.registry.move_alias("churn", "champion", "1")
        await stage.insist(NEW)
        assert stage.champion == "2"

    run_virtually(main())


def test_a_refusal_that_came_late_is_told_once_and_then_asked_for_anew() -> None:
    async def main() -> None:
        stage = Stage()
        stage.registry.refusals["set_alias"] = "no"
        assert isinstance(await stage.write(NEW), Pending)
        await asyncio.sleep(5)
        assert isinstance(await stage.write(NEW), RegistryRefused)
        assert stage.registry.calls["set_alias"] == 1
        stage.registry.refusals.clear()
        await stage.insist(NEW)
        assert stage.champion == "2"

    run_virtually(main())


def test_a_way_back_arrives_after_the_way_there() -> None:
    async def main() -> None:
        stage = Stage(latency=4.0)
        assert isinstance(await stage.write(NEW), Pending)
        stage.registry.latency = lambda: 0.1
        await stage.insist(OLD)
        assert stage.champion == "1"
        await stage.insist(NEW)
        assert stage.champion == "2", "that it was done before the way back counts for nothing"

    run_virtually(main())


def test_another_model_is_not_waited_for() -> None:
    async def main() -> None:
        stage = Stage(latency=4.0)
        stage.registry.add_version("fraud")
        await stage.write(NEW)
        stage.registry.latency = None
        assert await stage.write(SetAlias("fraud", "champion", "1")) is None
        assert await stage.write(CreateRun("default/churn", "abc", {})) is None

    run_virtually(main())


def test_a_pass_that_is_cut_cuts_no_write() -> None:
    async def main() -> None:
        stage = Stage()
        cut = asyncio.create_task(stage.write(NEW, patience=60))
        await asyncio.sleep(0.5)
        cut.cancel()
        await asyncio.wait([cut])
        await asyncio.sleep(5)
        assert stage.champion == "2"

    run_virtually(main())


def test_at_the_end_nothing_goes_on() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.write(NEW)
        await stage.writer.close()
        await asyncio.sleep(5)
        assert stage.registry.writes == []

    run_virtually(main())


ACTIONS: tuple[RegistryAction, ...] = (
    NEW,
    OLD,
    SetAlias("churn", "previous", "1"),
    SetAlias("churn", "previous", "2"),
    TagVersion("churn", "1", {"viridian.outcome": "Promoted"}),
    TagVersion("churn", "1", {"viridian.outcome": "RolledBack"}),
    REGISTER,
)


@given(
    wishes=st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=12), seed=st.integers(0, 1000), pause=st.floats(0, 6)
)
def test_the_last_wish_stands_at_every_place(wishes: list[RegistryAction], seed: int, pause: float) -> None:
    """Passes that give up after one attempt, one after the other, and a last one that insists."""

    async def main() -> None:
        random, stage = Random(seed), Stage()
        stage.registry.latency = lambda: random.uniform(1.0, 5.0)
        for wish in wishes:
            await stage.write(wish)
            await asyncio.sleep(pause * random.random())
        final: list[RegistryAction] = [
            OLD,
            SetAlias("churn", "previous", "2"),
            TagVersion("churn", "1", {"viridian.outcome": "Kept"}),
            REGISTER,
        ]
        for wish in final:
            await stage.insist(wish)
        await asyncio.sleep(60)
        assert stage.registry.aliases("churn") == {"champion": "1", "previous": "2"}
        assert stage.registry.versions("churn")["1"].tags == {"viridian.outcome": "Kept"}
        assert list(stage.registry.versions("churn")) == ["1", "2", "3"]

    run_virtually(main())
