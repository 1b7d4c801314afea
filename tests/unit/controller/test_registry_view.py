"""The registry as it was lately: asked seldom, waited for briefly, and never in the way of a pass."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.support.virtual_time import run_virtually
from viridian.api.registry import ModelVersion, RegisteredModel
from viridian.controller.breaker import breaking
from viridian.controller.registry_view import FIRST_PATIENCE, RegistryView
from viridian.ports.registry import RegistryRefused, RegistryUnavailable


class SlowRegistry:
    """Answers after a while, with what its fields say."""

    def __init__(self) -> None:
        self.takes = 0.0
        self.alias = "1"
        self.error: Exception | None = None
        self.calls: Counter[str] = Counter()

    async def model(self, name: str) -> RegisteredModel:
        self.calls["model"] += 1
        answer = RegisteredModel(name=name, aliases={"candidate": self.alias})
        await asyncio.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return answer

    async def version(self, name: str, version: str) -> ModelVersion:
        self.calls["version"] += 1
        return ModelVersion(name=name, version=version, source="models:/m-1", uri="mlflow-artifacts:/1")


async def candidate(view: RegistryView) -> str:
    model = await view.model("churn")
    assert model is not None
    return model.aliases["candidate"]


def new_view(registry: Any) -> RegistryView:
    return RegistryView(registry, max_age=10, patience=0.25)


def test_an_answer_is_good_until_it_has_its_age() -> None:
    async def main() -> None:
        registry = SlowRegistry()
        view = new_view(registry)
        for _ in range(20):
            await candidate(view)
            await asyncio.sleep(1)
        assert registry.calls["model"] == 2

    run_virtually(main())


def test_the_first_answer_is_waited_for() -> None:
    async def main() -> None:
        registry = SlowRegistry()
        registry.takes = 1.5
        assert await candidate(new_view(registry)) == "1"
        assert asyncio.get_running_loop().time() == 1.5

    run_virtually(main())


def test_but_not_for_ever_and_the_answer_counts_when_it_comes() -> None:
    async def main() -> None:
        registry = SlowRegistry()
        registry.takes = 5.0
        view = new_view(registry)
        with pytest.raises(RegistryUnavailable, match="has not answered"):
            await candidate(view)
        assert asyncio.get_running_loop().time() == FIRST_PATIENCE
        await asyncio.sleep(5)
        assert await candidate(view) == "1"
        assert registry.calls["model"] == 1

    run_virtually(main())


def test_a_slow_registry_is_not_waited_for_a_second_time() -> None:
    """A revert must not queue behind it: the pass goes on with the answer from before."""

    async def main() -> None:
        registry = SlowRegistry()
        view = new_view(registry)
        await candidate(view)
        registry.takes, registry.alias = 5.0, "2"
        await asyncio.sleep(20)
        before = asyncio.get_running_loop().time()
        assert await candidate(view) == "1"
        assert asyncio.get_running_loop().time() - before == pytest.approx(0.25)
        await asyncio.sleep(5)
        assert await candidate(view) == "2"
        assert registry.calls["model"] == 2
        await view.close()

    run_virtually(main())


def test_a_failure_is_told_until_an_attempt_succeeds() -> None:
    async def main() -> None:
        registry = SlowRegistry()
        view = new_view(registry)
        await candidate(view)
        registry.error = RegistryUnavailable("nobody answers")
        await asyncio.sleep(20)
        with pytest.raises(RegistryUnavailable):
            await candidate(view)
        registry.error = None
        with pytest.raises(RegistryUnavailable):
            await candidate(view)
        await asyncio.sleep(20)
        assert await candidate(view) == "1"

    run_virtually(main())


def test_after_a_write_a_slow_registry_is_waited_for_once_and_not_by_each_pass() -> None:
    """Its writes are slow as well, and a revert may be waiting."""

    async def main() -> None:
        registry = SlowRegistry()
        view, loop = new_view(registry), asyncio.get_running_loop()
        await candidate(view)
        registry.alias, registry.takes = "2", 5.0
        view.invalidate("churn")
        waited = []
        for _ in range(3):
            before = loop.time()
            assert await candidate(view) == "1", "better than nothing"
            waited.append(loop.time() - before)
        assert waited == pytest.approx([FIRST_PATIENCE, 0.25, 0.25])
        await asyncio.sleep(5)
        assert await candidate(view) == "2"
        assert registry.calls["model"] == 2

    run_virtually(main())


def test_after_a_write_the_answer_is_asked_anew_and_waited_for() -> None:
    async def main() -> None:
        registry = SlowRegistry()
        view = new_view(registry)
        await candidate(view)
        registry.alias, registry.takes = "2", 1.0
        view.invalidate("churn")
        assert await candidate(view) == "2"

    run_virtually(main())


def test_an_answer_that_was_asked_for_before_a_write_does_not_count_after_it() -> None:
    async def main() -> None:
        registry = SlowRegistry()
        view = new_view(registry)
        await candidate(view)
        registry.takes = 5.0
        await asyncio.sleep(20)
        await candidate(view)  # asks, and goes on after its patience with what it knew
        registry.alias, registry.takes = "2", 0.0
        view.invalidate("churn")
        assert await candidate(view) == "2"
        await asyncio.sleep(60)
        assert await candidate(view) == "2"
        await view.close()

    run_virtually(main())


def test_the_memory_is_bounded() -> None:
    async def main() -> None:
        registry = SlowRegistry()
        view = RegistryView(registry, max_age=1e9, most=10)  # type: ignore[arg-type]
        for number in range(100):
            await view.version("churn", str(number))
        await view.version("churn", "99")
        assert registry.calls["version"] == 100
        await view.version("churn", "0")
        assert registry.calls["version"] == 101

    run_virtually(main())


def test_a_silent_registry_is_left_alone_for_a_moment() -> None:
    async def main() -> None:
        registry = SlowRegistry()
        registry.error, registry.takes = RegistryUnavailable("nobody answers"), 5.0
        guarded = breaking(registry, rest=10)  # type: ignore[arg-type]
        for _ in range(3):
            with pytest.raises(RegistryUnavailable, match="nobody answers"):
                await guarded.model("churn")
        assert asyncio.get_running_loop().time() == 5.0
        await asyncio.sleep(10)
        registry.error = None
        assert await guarded.model("churn") is not None

    run_virtually(main())


def test_without_a_registry_everything_says_what_to_configure() -> None:
    async def main() -> None:
        with pytest.raises(RegistryRefused, match="--mlflow-uri"):
            await breaking(None).model("churn")

    run_virtually(main())
