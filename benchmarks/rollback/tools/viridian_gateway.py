"""Viridian, where a route of the Gateway API makes the weight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from benchmarks.rollback.application import Model
from benchmarks.rollback.tool import TRIAL_SECONDS, Serving, World
from benchmarks.rollback.tools.envoy import GATEWAY, HOST, gateway
from benchmarks.rollback.tools.viridian_service import ViridianApplication, served
from demo import stage


@dataclass(frozen=True)
class ViridianGateway:
    """The operator as users install it with the Gateway API."""

    name: str = "viridian-gateway"

    def serving(self, world: World, first: Model) -> AbstractContextManager[Serving]:
        return self.application(world, first)

    @contextmanager
    def application(
        self, world: World, first: Model, trial_seconds: int = TRIAL_SECONDS
    ) -> Iterator[ViridianApplication]:
        """With trials of this length."""
        route = {"provider": "Gateway", "gateway": {"parentRefs": [{"name": GATEWAY}], "hostnames": [HOST]}}
        with gateway(world) as target:
            stage.install_operator(world.kubectl, "install-gateway")
            with served(ViridianApplication(world, route, target, trial_seconds), first) as application:
                yield application
