"""Before the start: is everything there that the operator needs? If not, it says so in one sentence and ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from viridian.api.child_kinds import GATEWAY_KINDS
from viridian.api.resources import OWN, ApiResource
from viridian.controller.watched import children
from viridian.ports.cluster import Cluster, ClusterError, ClusterRefused, ClusterUnavailable
from viridian.ports.lease import Lease

T = TypeVar("T")

log = logging.getLogger("viridian.preflight")

PATIENCE = 30.0
"""Seconds for an API server that is starting, or a CRD that was just installed."""
_PAUSE = 1.0
_OF_GATEWAYS = tuple(row.resource for row in GATEWAY_KINDS)
_NOBODY = {"viridian.dev/preflight": "none"}


class PreflightFailed(Exception):
    """The operator cannot work here; the message says what to do."""


async def check(cluster: Cluster, namespaces: tuple[str, ...], *, gateway_api: bool = False) -> None:
    """List everything that will be watched; raises PreflightFailed."""
    for resource in (*OWN, *children(gateway_api=gateway_api)):
        for namespace in namespaces or (None,):
            await _may_list(cluster, resource, namespace)


async def _may_list(cluster: Cluster, resource: ApiResource, namespace: str | None) -> None:
    try:
        # The selector matches nothing: it is the right to list that counts.
        await patiently(lambda: cluster.list(resource.api_version, resource.kind, namespace, _NOBODY))
    except ClusterRefused as error:
        raise PreflightFailed(_sentence(resource, namespace, str(error))) from error
    except ClusterError as error:
        raise PreflightFailed(f"{resource.plural} cannot be listed: {error}") from error


async def check_lease(lease: Lease, name: str) -> None:
    """Read the Lease by which operators agree who leads."""
    try:
        await patiently(lease.read)
    except ClusterError as error:
        raise PreflightFailed(
            f"the operator may not read the Lease {name}, by which operators agree who leads: install its RBAC for "
            f"that, or start it with --lease=none where there is never a second one ({error})"
        ) from error


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """What the call gives, tried again while the API server does not answer; PreflightFailed when that lasts."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            return await call()
        except ClusterUnavailable as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise PreflightFailed(f"the API server does not answer: {error}") from error
            log.warning("waiting for the API server: %s", error)
        await asyncio.sleep(_PAUSE)


def _sentence(resource: ApiResource, namespace: str | None, refusal: str) -> str:
    if "does not know this kind" in refusal and resource in _OF_GATEWAYS:
        return (
            f"the API server does not know {resource.kind} ({resource.api_version}): install the Gateway API first, "
            "which comes with most gateways, or leave out --gateway-api"
        )
    if "does not know this kind" in refusal:
        return (
            f"the API server does not know {resource.kind} ({resource.api_version}): "
            "install the CRDs first, with `kubectl apply -k manifests/` or the Helm chart"
        )
    where = f"in the namespace {namespace}" if namespace else "in all namespaces"
    return f"the operator may not list {resource.plural} {where}: install its RBAC for this mode ({refusal})"
