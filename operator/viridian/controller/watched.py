"""What is watched: our two kinds, and our own children, chosen by label on the server's side.

Of children metadata is enough, since an event only wakes those that read the child. The objects of stages, and pods of
runs, are watched whole: they may be deleted the moment they have ended, and then the watch alone has their result.
Routes of users are watched that agree to be joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from viridian.api.child_kinds import child_kinds
from viridian.api.names import ADOPT_LABEL, MANAGED_BY, MANAGED_BY_LABEL, RUN_LABEL
from viridian.api.resources import OWN, ApiResource
from viridian.controller.tracing import stream_name
from viridian.ports.watch import Watched
from viridian.retraining.stages.stage_table import STAGE_KINDS
from viridian.rollout.traffic.gateway import HTTP_ROUTE

CHILDREN_SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGED_BY}"


def children(*, gateway_api: bool) -> tuple[ApiResource, ...]:
    """The resources of all children that an operator may have."""
    return tuple(row.resource for row in child_kinds(gateway_api=gateway_api))


def child_streams(namespaces: tuple[str, ...], *, gateway_api: bool = False) -> Mapping[str, Watched]:
    """The watches of children, by the name that readiness has for them. No object is in two of them."""
    return {
        stream_name(f"{resource.plural}{part}", namespace): Watched(resource, namespace, selector, whole)
        for resource in children(gateway_api=gateway_api)
        for namespace in (namespaces or (None,))
        for part, selector, whole in _parts(resource)
    }


def expected_streams(namespaces: tuple[str, ...], *, gateway_api: bool = False) -> frozenset[str]:
    """The watches that must stand before the operator is ready."""
    own = {stream_name(resource.plural, namespace) for resource in OWN for namespace in (namespaces or (None,))}
    return frozenset(own | child_streams(namespaces, gateway_api=gateway_api).keys())


def _parts(resource: ApiResource) -> Iterator[tuple[str, str, bool]]:
    """Into which watches a kind is divided: the end of its name, the selector, and whether it is watched whole."""
    if resource.kind == "Pod":
        yield "", f"{CHILDREN_SELECTOR},!{RUN_LABEL}", False
        yield " of runs", f"{CHILDREN_SELECTOR},{RUN_LABEL}", True
    elif resource.kind == HTTP_ROUTE:
        yield "", CHILDREN_SELECTOR, False
        yield " of users", f"{ADOPT_LABEL},{MANAGED_BY_LABEL}!={MANAGED_BY}", False
    else:
        yield "", CHILDREN_SELECTOR, resource.kind in STAGE_KINDS
