"""What is watched: our two kinds, and our own children, chosen by label on the server's side."""

from __future__ import annotations

from viridian.api.child_kinds import CHILD_KINDS
from viridian.api.names import MANAGED_BY, MANAGED_BY_LABEL
from viridian.api.resources import OWN
from viridian.controller.tracing import stream_name

CHILDREN = tuple(row.resource for row in CHILD_KINDS)
CHILDREN_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"


def expected_streams(namespaces: tuple[str, ...]) -> frozenset[str]:
    """The watches that must stand before the operator is ready."""
    return frozenset(
        stream_name(resource.plural, namespace)
        for resource in (*OWN, *CHILDREN)
        for namespace in (namespaces or (None,))
    )
