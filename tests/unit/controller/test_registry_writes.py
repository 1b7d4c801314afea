"""Writes to a registry that takes its time: each is waited for, within bounds, and made once."""

from __future__ import annotations

import asyncio

from tests.support.memory_registry import MemoryRegistry
from tests.support.virtual_time import run_virtually
from viridian.api.registry import TAG_MODEL_DEPLOYMENT
from viridian.controller.registry_writes import LONGEST, model_of, write
from viridian.core.plan import ClaimModel, CreateRun, RegisterVersion, SetAlias, TagVersion
from viridian.ports.registry import RegistryNotYours, RegistryRefused, RegistryUnavailable

REGISTER = RegisterVersion("churn", "a1", "models:/m-a1", {})
NEW, OLD = SetAlias("churn", "champion", "2"), SetAlias("churn", "champion", "1")


def registry(latency: float = 1.4) -> MemoryRegistry:
    made = MemoryRegistry()
    for _ in range(2):
        made.add_version("churn")
    made.latency = lambda: latency
    return made


def test_a_slow_write_is_waited_for_and_the_last_one_stands() -> None:
    async def main() -> None:
        made = registry(latency=4.0)
        for action in (NEW, OLD, NEW, OLD, TagVersion("churn", "1", {"a": "b"})):
            assert await write(made, action) is None
        assert made.aliases("churn") == {"champion": "1"}
        assert made.versions("churn")["1"].tags == {"a": "b"}

    run_virtually(main())


def test_one_that_takes_too_long_is_given_up_and_done_twice_leaves_one_version() -> None:
    async def main() -> None:
        made = registry(latency=LONGEST)
        assert isinstance(await write(made, REGISTER), RegistryUnavailable)
        assert asyncio.get_running_loop().time() == LONGEST
        made.latency = None
        for _ in range(2):
            assert await write(made, REGISTER) is None
        assert list(made.versions("churn")) == ["1", "2", "3"]

    run_virtually(main())


def test_a_lost_answer_leaves_one_version() -> None:
    async def main() -> None:
        made = registry()
        made.lose_answer_of("register")
        assert isinstance(await write(made, REGISTER), RegistryUnavailable)
        assert await write(made, REGISTER) is None
        assert list(made.versions("churn")) == ["1", "2", "3"]

    run_virtually(main())


async def test_a_refusal_is_given_back() -> None:
    made = registry(latency=0)
    made.refusals["set_alias"] = "no"
    assert isinstance(await write(made, NEW), RegistryRefused)


async def test_a_model_that_another_namespace_has_claimed_is_not_ours() -> None:
    made = registry(latency=0)
    made.tag_model("churn", {TAG_MODEL_DEPLOYMENT: "sec-b/bank"})
    assert isinstance(await write(made, ClaimModel("churn", "default/churn")), RegistryNotYours)
    assert await write(made, ClaimModel("churn", "sec-b/other")) is None


def test_the_model_that_a_write_changes() -> None:
    assert (model_of(REGISTER), model_of(NEW), model_of(CreateRun("churn", "abc", {}))) == ("churn", "churn", "")
