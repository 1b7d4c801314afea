"""Who sends a request, and whether they may for this policy: by a key of its namespace, or by a token and RBAC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from viridian.access.authorizer import Authorizer, RememberingAuthorizer
from viridian.access.caller import Caller, access_review, caller_in, token_review
from viridian.api.event_trigger import EVENTS_AUDIENCE, EVENTS_RESOURCE, MAX_ATTRIBUTE
from viridian.http_problem import HttpProblem
from viridian.ports.cluster import ClusterError, ClusterRefused
from viridian.receiver.event_signatures import NOT_SIGNED, SignatureHeaders
from viridian.receiver.key_folders import KeyFolders

_BEARER: Final = "bearer "
_REMEMBERED_SECONDS: Final = 30.0
_MAX_TOKEN: Final = 8192
_RETRY_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class EventTarget:
    """The policy that a request names."""

    namespace: str
    policy: str


@dataclass(frozen=True, slots=True)
class Sender:
    """Who has sent a request that is authenticated."""

    name: str
    """As the stored event names them: `key airflow`, or the user of a token."""
    signed_id: str = ""
    """The id of the request, where a signature covers it."""


class ReviewCluster(Protocol):
    """What is asked of the API server here."""

    async def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """The review with its answer."""


class ClusterAuthorizer:
    """Satisfies `viridian.access.authorizer.Authorizer` over the operator's own connection."""

    def __init__(self, cluster: ReviewCluster) -> None:
        self._cluster = cluster

    async def identify(self, token: str) -> Caller | None:
        status = await self._review("authentication.k8s.io/v1", "TokenReview", token_review(token, EVENTS_AUDIENCE))
        return caller_in(status, EVENTS_AUDIENCE)

    async def allows(self, identity: Caller, verb: str, namespace: str, name: str) -> bool:
        spec = access_review(identity, verb, EVENTS_RESOURCE, namespace, name)
        status = await self._review("authorization.k8s.io/v1", "SubjectAccessReview", spec)
        return bool(status.get("allowed")) and not status.get("denied", False)

    async def _review(self, api_version: str, kind: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        review = {"apiVersion": api_version, "kind": kind, "metadata": {"name": ""}, "spec": spec}
        try:
            answer = await self._cluster.create(review)
        except ClusterRefused:
            # The refusal may quote what was asked, which is the token.
            raise HttpProblem(
                503,
                f"the operator may not create a {kind}: bind the ClusterRole system:auth-delegator to its service "
                "account, or sign requests",
                _RETRY_SECONDS,
            ) from None
        except ClusterError:
            raise HttpProblem(503, "the API server does not answer; send it again", _RETRY_SECONDS) from None
        return answer.get("status") or {}


class Senders:
    """Tells who sends a request. What is wrong with it is answered in the same words, whatever it is."""

    def __init__(
        self,
        keys: KeyFolders,
        authorizer: Authorizer | None,
        wall_clock: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        """Without an authorizer no token is accepted. `wall_clock()`: seconds since 1970."""
        self._keys = keys
        self._authorizer = RememberingAuthorizer(authorizer, _REMEMBERED_SECONDS, clock) if authorizer else None
        self._wall_clock = wall_clock

    async def by_token(self, authorization: str, target: EventTarget, address: str) -> Sender:
        """Who shows this `Authorization` header, once RBAC lets them send; before the body of the request is read."""
        scheme, token = authorization[: len(_BEARER)].lower(), authorization[len(_BEARER) :].strip()
        if self._authorizer is None or scheme != _BEARER or not 0 < len(token) <= _MAX_TOKEN:
            raise HttpProblem(401, NOT_SIGNED if self._authorizer is None else _NO_TOKEN)
        caller = await self._authorizer.identify(token, address)
        if caller is None:
            raise HttpProblem(401, _NO_TOKEN)
        if not await self._authorizer.allows(caller, "create", target.namespace, target.policy):
            raise HttpProblem(403, f"you need the verb create on {EVENTS_RESOURCE} (viridian.dev) in this namespace")
        return Sender(caller.user[:MAX_ATTRIBUTE])

    def by_signature(self, headers: SignatureHeaders, body: bytes, target: EventTarget) -> Sender:
        """Who signed this body for that namespace."""
        key = headers.signing_key(body, self._keys.of(target.namespace), self._wall_clock())
        return Sender(f"key {key.name}"[:MAX_ATTRIBUTE], headers.id)


_NO_TOKEN: Final = f"show a token: Authorization: Bearer, from kubectl create token --audience {EVENTS_AUDIENCE}"
