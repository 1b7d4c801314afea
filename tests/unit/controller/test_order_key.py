"""The key of orders: made once, kept in a Secret, the same for all replicas."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.virtual_time import run_virtually
from viridian.controller.order_key import FIELD, held
from viridian.controller.preflight import PreflightFailed
from viridian.ports.cluster import ClusterConflict, ClusterRefused, ClusterUnavailable, Object, ObjectRef
from viridian.ports.order_signing import OrderKey

SECRET = "viridian-system/viridian-orders"


class Vault:
    """A namespace with at most one Secret, whose calls let others go first."""

    def __init__(self) -> None:
        self.kept: Object | None = None
        self.made = 0
        self.troubles: list[Exception] = []
        self.lost_answers = 0

    async def secret(self, reference: ObjectRef) -> Object | None:
        assert reference == ObjectRef("v1", "Secret", "viridian-system", "viridian-orders")
        await asyncio.sleep(0)
        if self.troubles:
            raise self.troubles.pop(0)
        return self.kept

    async def create_secret(self, manifest: Mapping[str, Any]) -> None:
        await asyncio.sleep(0)
        if self.kept is not None:
            raise ClusterConflict("Secret viridian-orders already exists")
        self.kept = dict(manifest)
        self.made += 1
        if self.lost_answers:
            self.lost_answers -= 1
            raise ClusterUnavailable("the connection broke")


def public(key: OrderKey | None) -> str:
    assert key is not None
    return key.public


def test_the_first_start_makes_it_and_later_ones_read_it() -> None:
    vault = Vault()
    first, second = (public(run_virtually(held(vault, SECRET))) for _ in range(2))
    assert (first, vault.made) == (second, 1)
    assert vault.kept is not None
    assert (vault.kept["metadata"]["namespace"], vault.kept["metadata"]["name"]) == tuple(SECRET.split("/"))
    assert OrderKey.from_pem(base64.b64decode(vault.kept["data"][FIELD])).public == first


def test_of_two_that_start_together_the_first_wins() -> None:
    async def both() -> tuple[str, ...]:
        return tuple(map(public, await asyncio.gather(held(vault, SECRET), held(vault, SECRET))))

    vault = Vault()
    one, other = run_virtually(both())
    assert (one, vault.made) == (other, 1)


def test_an_answer_that_was_lost_makes_no_second_key() -> None:
    vault = Vault()
    vault.lost_answers = 1
    key = public(run_virtually(held(vault, SECRET)))
    assert (key, vault.made) == (public(run_virtually(held(vault, SECRET))), 1)


def test_an_api_server_that_is_starting_is_waited_for() -> None:
    vault = Vault()
    vault.troubles = [ClusterUnavailable("starting")] * 5
    assert public(run_virtually(held(vault, SECRET)))


@pytest.mark.parametrize("content", ["", "!", base64.b64encode(b"no key").decode()])
def test_a_secret_that_holds_something_else_is_named(content: str) -> None:
    vault = Vault()
    vault.kept = {"data": {FIELD: content}}
    with pytest.raises(
        PreflightFailed, match=r"viridian-system/viridian-orders is not the key of orders.*Delete the Secret"
    ):
        run_virtually(held(vault, SECRET))


def test_without_the_right_the_operator_works_without_a_key_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    vault = Vault()
    vault.troubles = [ClusterRefused("secrets is forbidden")]
    with caplog.at_level(logging.ERROR):
        assert run_virtually(held(vault, SECRET)) is None
    assert "may not get and create the Secret viridian-system/viridian-orders" in caplog.text


def test_an_operator_that_is_to_have_none_says_so(caplog: pytest.LogCaptureFixture) -> None:
    vault = Vault()
    with caplog.at_level(logging.WARNING):
        assert run_virtually(held(vault, None)) is None
    assert "no key of orders" in caplog.text
    assert vault.made == 0
