"""How users reach the model: by its Service alone, or by a route of the Gateway API."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from viridian.api import cel_traffic
from viridian.api.schema import Rule, Struct, doc, duration


class ProviderKind(StrEnum):
    """What splits the traffic."""

    SERVICE = "Service"
    GATEWAY = "Gateway"


class ParentRef(Struct, frozen=True, kw_only=True):
    """A Gateway that takes the route."""

    name: Annotated[str, doc("Name of the Gateway.", min_length=1, max_length=253, rules=(cel_traffic.GATEWAY_NAME,))]
    namespace: (
        Annotated[
            str,
            doc(
                "Namespace of the Gateway. Left out: that of the ModelDeployment.",
                min_length=1,
                max_length=63,
                rules=(cel_traffic.NAMESPACE,),
            ),
        ]
        | None
    ) = None
    section_name: (
        Annotated[
            str,
            doc("Listener of the Gateway. Left out: all that take the route.", min_length=1, max_length=253),
        ]
        | None
    ) = None


class RequestHeader(Struct, frozen=True, kw_only=True):
    """A header by which requests go to the challenger while one is on trial, whatever its weight."""

    header: Annotated[str, doc("Name of the header.", min_length=1, max_length=256, rules=(cel_traffic.HEADER,))]
    value: Annotated[str, doc("Its whole value.", min_length=1, max_length=4096)]


class StickyUsers(Struct, frozen=True, kw_only=True):
    """A cookie by which users stay with the version that answered them first, until the trial ends."""

    cookie: Annotated[
        str,
        doc("Name of the cookie, which the gateway sets.", min_length=1, max_length=64, rules=(cel_traffic.COOKIE,)),
    ]


class RouteJoin(Struct, frozen=True, kw_only=True):
    """A rule of the user's own HTTPRoute. Its backends are the operator's, and nothing else of the route."""

    route: Annotated[
        str,
        doc(
            "Name of the HTTPRoute, in the namespace of the ModelDeployment. Its label "
            "adopt.viridian.dev/model-deployment must have the name of the ModelDeployment.",
            min_length=1,
            max_length=253,
            rules=(cel_traffic.ROUTE_NAME,),
        ),
    ]
    rule: (
        Annotated[
            str,
            doc("Name of the rule. Left out: the only rule of the route.", min_length=1, max_length=253),
        ]
        | None
    ) = None


class GatewayRoute(Struct, frozen=True, kw_only=True):
    """The HTTPRoute that the operator makes, with the name of the ModelDeployment; or a rule of the user's own one.

    No field has a default: what the API server adds would stay behind when somebody who applied the route takes it out.
    """

    rules: ClassVar[tuple[Rule, ...]] = (cel_traffic.PARENTS_OR_JOIN, cel_traffic.JOIN_ALONE)

    parent_refs: (
        Annotated[
            tuple[ParentRef, ...],
            doc(
                "The Gateways that take the route. A weight counts once all of them have taken it over.",
                min_length=1,
                max_length=8,
            ),
        ]
        | None
    ) = None
    join: Annotated[RouteJoin, doc("A rule of your own HTTPRoute, in place of a route of the operator.")] | None = None
    hostnames: (
        Annotated[
            tuple[Annotated[str, doc("A hostname.", min_length=1, max_length=253, rules=(cel_traffic.HOSTNAME,))], ...],
            doc("Hostnames of the requests. Left out: those of the listeners.", max_length=16),
        ]
        | None
    ) = None
    path_prefix: (
        Annotated[
            str,
            doc(
                "Beginning of the path of the requests, which reaches the server as it is. Left out: every path.",
                min_length=1,
                max_length=1024,
                rules=(cel_traffic.PATH,),
            ),
        ]
        | None
    ) = None
    timeout: (
        Annotated[
            str,
            duration("After this time the gateway answers with an error itself.", at_least="1s", at_most="1h"),
        ]
        | None
    ) = None
    testers: Annotated[RequestHeader, doc("Who meets a challenger on trial at every request.")] | None = None
    sticky: (
        Annotated[
            StickyUsers,
            doc(
                "Users stay with the version that answered them first, until the trial ends. Left out: each request is "
                "split anew. The gateway must match headers by regular expressions, and set headers for one backend."
            ),
        ]
        | None
    ) = None


class TrafficSpec(Struct, frozen=True, kw_only=True):
    """What splits the traffic between champion and challenger."""

    rules: ClassVar[tuple[Rule, ...]] = (cel_traffic.GATEWAY_IS_NAMED, cel_traffic.GATEWAY_HAS_PROVIDER)

    provider: Annotated[
        ProviderKind,
        doc(
            "Service: the numbers of ready pods make the weights, and no other software is needed. Gateway: an "
            "HTTPRoute of the Gateway API has exact weights; the operator must be installed with it."
        ),
    ] = ProviderKind.SERVICE
    gateway: Annotated[GatewayRoute, doc("The route, with `provider: Gateway`.")] | None = None
