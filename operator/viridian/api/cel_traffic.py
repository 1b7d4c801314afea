"""The CEL rules about how users reach a model."""

from __future__ import annotations

from typing import Final

from viridian.api.cel import name_of
from viridian.api.schema import Rule

GATEWAY_NAME: Final = name_of("a Gateway", "public")
NAMESPACE: Final = name_of("a namespace", "gateways")
ROUTE_NAME: Final = name_of("an HTTPRoute in this namespace", "shop")
GATEWAY_IS_NAMED: Final = Rule(
    rule="self.provider != 'Gateway' || has(self.gateway)",
    message="provider: Gateway needs a Gateway: write beside it gateway: {parentRefs: [{name: public}]}",
    field_path=".gateway",
)
GATEWAY_HAS_PROVIDER: Final = Rule(
    rule="self.provider == 'Gateway' || !has(self.gateway)",
    message="gateway belongs to provider: Gateway: write that beside it, or remove gateway",
    field_path=".gateway",
)
PARENTS_OR_JOIN: Final = Rule(
    rule="has(self.parentRefs) != has(self.join)",
    message="write either parentRefs: [{name: public}], for a route that the operator makes, or join: {route: shop, "
    "rule: predict}, for a rule of your own HTTPRoute",
)
JOIN_ALONE: Final = Rule(
    rule="!has(self.join) || "
    "!(has(self.hostnames) || has(self.pathPrefix) || has(self.timeout) || has(self.testers) || has(self.sticky))",
    message="with join the route is your own: write hostnames, paths and timeouts in the HTTPRoute, and remove "
    "hostnames, pathPrefix, timeout, testers and sticky here",
    field_path=".join",
)
HOSTNAME: Final = Rule(
    rule=r"self.matches('^([*]\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    message="write a hostname without scheme, port and path, such as churn.example.com or *.example.com",
)
PATH: Final = Rule(
    rule="self.matches('^/[-A-Za-z0-9/._~!$&()*+,;=:@%]*$') && !self.contains('//')",
    message="write the beginning of a path, such as / or /v2/models/churn",
)
HEADER: Final = Rule(
    rule="self.matches('^[A-Za-z0-9!#$%&*+.^_|~-]+$')",
    message="write the name of a header, such as x-canary",
)
COOKIE: Final = Rule(
    rule="self.matches('^[A-Za-z0-9_-]+$')",
    message="write the name of a cookie of letters, digits, - and _, such as churn-version",
)
