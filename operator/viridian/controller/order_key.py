"""The key of the operator's orders: read from its Secret, or made at the first start.

Several operators may start at the same time. One of them makes the Secret; the others read what it made.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from viridian.controller.preflight import PreflightFailed, patiently
from viridian.ports.cluster import ClusterConflict, ClusterRefused, Object, ObjectRef
from viridian.ports.order_signing import OrderKey

log = logging.getLogger("viridian.orders")

FIELD = "key.pem"
_ATTEMPTS = 3


class Secrets(Protocol):
    """What is needed of the cluster: two verbs, in one namespace."""

    async def secret(self, reference: ObjectRef) -> Object | None:
        """The Secret of that name, None where there is none."""

    async def create_secret(self, manifest: Mapping[str, Any]) -> None:
        """ClusterConflict where there is one of that name."""


async def held(cluster: Secrets, secret: str | None) -> OrderKey | None:
    """The key in the Secret `namespace/name`; None, with a word in the log, where the operator is to have none."""
    if secret is None:
        log.warning("there is no key of orders: model servers take none, and close no connections when traffic moves")
        return None
    namespace, name = secret.split("/")
    try:
        return await patiently(lambda: _read_or_made(cluster, ObjectRef("v1", "Secret", namespace, name)))
    except ClusterRefused as error:
        # Taking traffic from a bad version needs no orders: what cannot be proven must not keep the operator from that.
        log.error(
            "the operator has no key of orders, so model servers take none: it may not get and create the Secret %s; "
            "install its RBAC for that (%s)",
            secret,
            error,
        )
        return None


async def _read_or_made(cluster: Secrets, reference: ObjectRef) -> OrderKey:
    for _ in range(_ATTEMPTS):
        found = await cluster.secret(reference)
        if found is not None:
            return _key(found, reference)
        key = OrderKey.generate()
        try:
            await cluster.create_secret(_manifest(key, reference))
        except ClusterConflict:
            continue
        return key
    raise PreflightFailed(f"the Secret {reference.namespace}/{reference.name} comes and goes: it cannot be read")


def _key(secret: Object, reference: ObjectRef) -> OrderKey:
    try:
        return OrderKey.from_pem(base64.b64decode((secret.get("data") or {}).get(FIELD) or "", validate=True))
    except (binascii.Error, ValueError) as error:
        raise PreflightFailed(
            f"{FIELD} of the Secret {reference.namespace}/{reference.name} is not the key of orders: {error}. Delete "
            "the Secret, and the operator makes another one; model pods take its orders once they are restarted"
        ) from error


def _manifest(key: OrderKey, reference: ObjectRef) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": reference.name,
            "namespace": reference.namespace,
            "labels": {"app.kubernetes.io/part-of": "viridian"},
        },
        "type": "Opaque",
        "data": {FIELD: base64.b64encode(key.pem).decode()},
    }
