"""A Gateway of Envoy Gateway, for the tools that set the weights of a route."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.rollback.tool import World
from benchmarks.rollback.traffic import Target
from demo.kubectl import wait_for
from localcluster import envoy_gateway
from tests.support.kube import condition

API_VERSION = "gateway.networking.k8s.io/v1"
GATEWAY = "public"
HOST = "application.example.com"


@contextmanager
def gateway(world: World) -> Iterator[Target]:
    """Whom users ask, once the Gateway is programmed."""
    envoy_gateway.install(world.cluster)
    listener = {"name": "http", "protocol": "HTTP", "port": 80}
    spec = {"gatewayClassName": envoy_gateway.CLASS, "listeners": [listener]}
    world.apply(world.object(API_VERSION, "Gateway", spec, GATEWAY))
    try:
        wait_for(lambda: _is_programmed(world), "the Gateway", timeout=120)
        yield Target(str(world.read(API_VERSION, "Gateway", GATEWAY)["status"]["addresses"][0]["value"]), 80, HOST)
    finally:
        world.kubectl("delete", f"gateway/{GATEWAY}", "--ignore-not-found", "--wait=true")


def _is_programmed(world: World) -> bool:
    return condition(world.read(API_VERSION, "Gateway", GATEWAY), "Programmed").get("status") == "True"
