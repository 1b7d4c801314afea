"""The API server as one person sees it: every call carries that person's own token, and no other right exists."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from viridian.access.remembered import Remembered
from viridian.api.resources import OWN, ApiResource
from viridian.http_problem import HttpProblem
from viridian.people.model_summary import ListedModel, ModelList
from viridian.ports.api_client import ApiCall, ApiClient
from viridian.ports.cluster import ClusterConflict, ClusterError, ClusterUnavailable, Object
from viridian.ports.connection import ApiConnection

_SELF_REVIEW: Final = ApiResource("authentication.k8s.io/v1", "SelfSubjectReview", "selfsubjectreviews", False)
_SERVICE_ACCOUNTS: Final = ApiResource("v1", "ServiceAccount", "serviceaccounts")
_ACCOUNT_TOKEN_SECONDS: Final = 600
"""No shorter time is granted."""
_LISTS_AT_ONCE: Final = 4
"""A list of very many models takes some hundred megabytes for a moment."""
_USER_SECONDS: Final = 30.0
_FROM_CACHE: Final = {"resourceVersion": "0"}
"""The API server answers a list from its own cache, which is some milliseconds old and costs etcd nothing."""
T = TypeVar("T")


class PersonCluster(Protocol):
    """Every call is made as the person whose token it is; what the API server refuses is raised as a HttpProblem."""

    async def user(self, token: str) -> str:
        """The name by which the API server knows the person; 401 where it does not know the token."""

    async def objects(self, token: str, resource: ApiResource, namespace: str, labels: str = "") -> list[Object]:
        """All objects of a kind; with an empty namespace, of all namespaces."""

    async def models(self, token: str, namespace: str, labels: str = "") -> Sequence[ListedModel]:
        """All ModelDeployments, with no more of each than a list shows."""

    async def get(self, token: str, resource: ApiResource, namespace: str, name: str) -> Object:
        """One object; 404 where there is none."""

    async def patch(self, token: str, resource: ApiResource, seen: Object, patch: Mapping[str, Any]) -> None:
        """A merge patch of the object as it was read; 409 where somebody has changed it since."""

    async def account_token(self, token: str, namespace: str, account: str, audience: str) -> str:
        """A token of a service account for one audience, for ten minutes, where the person may make one."""


class ApiPersonCluster:
    """Satisfies PersonCluster over HTTP, without any credential of its own."""

    def __init__(self, connection: ApiConnection) -> None:
        self._client = ApiClient(connection)
        self._lists = asyncio.Semaphore(_LISTS_AT_ONCE)
        self._users: Remembered[str] = Remembered(_USER_SECONDS, time.monotonic)

    async def close(self) -> None:
        await self._client.close()

    async def user(self, token: str) -> str:
        return await self._users.get(hashlib.sha256(token.encode()).digest(), lambda: self._asked_user(token))

    async def objects(self, token: str, resource: ApiResource, namespace: str, labels: str = "") -> list[Object]:
        call = _list(resource, namespace, labels)
        async with self._lists:
            return list((await self._answer(token, call, dict)).get("items") or [])

    async def models(self, token: str, namespace: str, labels: str = "") -> Sequence[ListedModel]:
        call = replace(_list(OWN[0], namespace, labels), shape=ModelList)
        async with self._lists:
            return (await self._answer(token, call, ModelList)).items or ()

    async def get(self, token: str, resource: ApiResource, namespace: str, name: str) -> Object:
        return await self._answer(token, ApiCall("get", "GET", resource, namespace, name), dict)

    async def patch(self, token: str, resource: ApiResource, seen: Object, patch: Mapping[str, Any]) -> None:
        metadata = seen["metadata"]
        own = {**patch.get("metadata", {}), "resourceVersion": metadata["resourceVersion"]}
        call = ApiCall("patch", "PATCH", resource, metadata["namespace"], metadata["name"])
        merge = replace(call, body={**patch, "metadata": own}, content_type="application/merge-patch+json")
        await self._answer(token, merge, dict)

    async def account_token(self, token: str, namespace: str, account: str, audience: str) -> str:
        spec = {"audiences": [audience], "expirationSeconds": _ACCOUNT_TOKEN_SECONDS}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        call = ApiCall("create", "POST", _SERVICE_ACCOUNTS, namespace, account, subresource="token", body=body)
        return str((await self._answer(token, call, dict))["status"]["token"])

    async def _asked_user(self, token: str) -> str:
        body = {"apiVersion": _SELF_REVIEW.api_version, "kind": _SELF_REVIEW.kind}
        answer = await self._answer(token, ApiCall("create", "POST", _SELF_REVIEW, body=body), dict)
        return str(answer["status"]["userInfo"]["username"])

    async def _answer(self, token: str, call: ApiCall, kind: type[T]) -> T:
        if not token:
            raise HttpProblem(401, "sign in first")
        try:
            response = await self._client.send(replace(call, token=token))
            if response.status in _SENTENCES:
                raise HttpProblem(response.status, _SENTENCES[response.status])
            if response.status == 403:
                raise HttpProblem(403, _message(response.body))
            return response.shaped(call, kind)
        except ClusterUnavailable as problem:
            raise HttpProblem(503, str(problem), retry_after=2) from None
        except ClusterConflict as problem:
            raise HttpProblem(404 if call.method == "GET" else 409, str(problem)) from None
        except ClusterError as problem:
            raise HttpProblem(400, str(problem)) from None


def _list(resource: ApiResource, namespace: str, labels: str) -> ApiCall:
    parameters = _FROM_CACHE | ({"labelSelector": labels} if labels else {})
    return ApiCall("list", "GET", resource, namespace, parameters=parameters)


_SENTENCES: Final = {
    401: "the API server does not know this token, or it has expired: sign in with a new one",
    409: "somebody has changed it meanwhile: look at it again, then repeat the order",
}


def _message(body: Any) -> str:
    """What the API server says about a right that is missing: it names the user, the verb and the resource."""
    found = body.get("message") if isinstance(body, Mapping) else None
    return str(found or "the API server does not allow this")
