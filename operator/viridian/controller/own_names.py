"""What stands beside the operator in its own namespace, where it runs in a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from viridian.api.feedback import COLLECTOR_PORT

ORDERS_SECRET: Final = "viridian-orders"  # noqa: S105 - a name
_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def own_namespace(file: Path = _OWN_NAMESPACE) -> str | None:
    """The namespace of the operator's pod; None outside of a cluster."""
    try:
        return file.read_text().strip() or None
    except OSError:
        return None


def own_collector(namespace: Path = _OWN_NAMESPACE) -> str | None:
    """The collector that is installed beside the operator."""
    own = own_namespace(namespace)
    return f"http://viridian-collector.{own}.svc:{COLLECTOR_PORT}" if own else None


def own_orders_secret(namespace: Path = _OWN_NAMESPACE) -> str | None:
    """The one that this operator and those before it in its place have."""
    own = own_namespace(namespace)
    return f"{own}/{ORDERS_SECRET}" if own else None
