"""The port `Cluster` over the Kubernetes API: plain dictionaries, one HTTP session, no discovery and no cache."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from viridian.api.child_kinds import CHILD_KINDS, GATEWAY_KINDS
from viridian.api.resources import OWN, ApiResource
from viridian.ports.api_client import MAX_CONNECTIONS, TIMEOUT_SECONDS, ApiCall, ApiClient, OnCall, decoded
from viridian.ports.api_responses import is_not_found
from viridian.ports.cluster import ClusterUnavailable, Labels, ListPage, Object, ObjectRef
from viridian.ports.connection import ApiConnection
from viridian.ports.kubernetes_event import EVENTS, event_about

PAGE_SIZE = 500
MAX_RELISTS = 3

APPLY = "application/apply-patch+yaml"  # JSON is YAML, and the server reads it as such

_OTHERS = (
    ApiResource("v1", "ConfigMap", "configmaps"),
    ApiResource("v1", "Namespace", "namespaces", namespaced=False),
    ApiResource("coordination.k8s.io/v1", "Lease", "leases"),
    ApiResource(EVENTS, "Event", "events"),
    ApiResource("gateway.networking.k8s.io/v1", "Gateway", "gateways"),
    ApiResource("authentication.k8s.io/v1", "TokenReview", "tokenreviews", namespaced=False),
    ApiResource("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False),
)
RESOURCES: Mapping[tuple[str, str], ApiResource] = {
    (resource.api_version, resource.kind): resource
    for resource in (*OWN, *(row.resource for row in (*CHILD_KINDS, *GATEWAY_KINDS)), *_OTHERS)
}
_SECRETS = ApiResource("v1", "Secret", "secrets")


class KubernetesCluster:
    """Satisfies `viridian.ports.cluster.Cluster`; opened by its first call, to be closed by its maker."""

    def __init__(
        self,
        connection: ApiConnection,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_connections: int = MAX_CONNECTIONS,
        on_call: OnCall | None = None,
        more: Sequence[ApiResource] = (),
    ) -> None:
        """`more`: resources beside those that every installation has."""
        self._resources = {**RESOURCES, **{(one.api_version, one.kind): one for one in more}}
        self._client = ApiClient(
            connection, timeout_seconds=timeout_seconds, max_connections=max_connections, on_call=on_call
        )

    async def __aenter__(self) -> KubernetesCluster:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.close()

    async def get(self, reference: ObjectRef) -> Object | None:
        return await self._found(ApiCall("get", "GET", *self._place(reference)))

    async def secret(self, reference: ObjectRef) -> Object | None:
        """A Secret by its name. For the operator's own alone: no other call of this port reaches one."""
        return await self._found(ApiCall("get", "GET", _SECRETS, reference.namespace, reference.name))

    async def create_secret(self, manifest: Mapping[str, Any]) -> None:
        """ClusterConflict where there is one of that name."""
        call = ApiCall("create", "POST", _SECRETS, manifest["metadata"]["namespace"], body=manifest)
        (await self._client.send(call)).content(call)

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        """Make the object; ClusterConflict where there is one of that name."""
        reference = replace(_reference_of(manifest), name="")
        call = ApiCall("create", "POST", *self._place(reference), body=manifest)
        return (await self._client.send(call)).content(call)

    async def replace(self, manifest: Mapping[str, Any]) -> Object:
        """Write the whole object; ClusterConflict where another version than its resourceVersion is stored."""
        call = ApiCall("update", "PUT", *self._place(_reference_of(manifest)), body=manifest)
        return (await self._client.send(call)).content(call)

    async def follow(self, reference: ObjectRef) -> AsyncGenerator[Object | None]:
        """The object as it is now, None where there is none, and again after each change, until the stream ends.

        The watch begins with what is there when it begins, so nothing is missed in between.
        """
        yield await self.get(reference)
        parameters = {"watch": "true", "fieldSelector": f"metadata.name={reference.name}", "timeoutSeconds": "300"}
        call = ApiCall("watch", "GET", *self._place(replace(reference, name="")), parameters=parameters)
        async with self._client.stream(call, silence_seconds=None) as lines:  # the reader has its own timeout
            async for line in lines:
                event = decoded(line)
                if not isinstance(event, dict) or event.get("type") not in ("ADDED", "MODIFIED", "DELETED"):
                    raise ClusterUnavailable(f"{call.subject}: the watch has ended with {str(event)[:200]}")
                yield None if event["type"] == "DELETED" else event["object"]

    async def page(
        self, api_version: str, kind: str, namespace: str | None, *, limit: int, token: str = ""
    ) -> ListPage:
        parameters = {"limit": str(limit)} | ({"continue": token} if token else {})
        reference = ObjectRef(api_version, kind, namespace or "", "")
        call = ApiCall("list", "GET", *self._place(reference), parameters=parameters)
        answer = await self._client.send(call)
        if answer.status == 410:
            # The server no longer remembers the state of the first page. With this token it goes on in a later one.
            if later := _next_token(answer.body):
                return await self.page(api_version, kind, namespace, limit=limit, token=later)
            raise ClusterUnavailable(f"the list of {kind} cannot be read on")
        found = answer.content(call)
        items = [{"apiVersion": api_version, "kind": kind, **item} for item in found.get("items") or []]
        return ListPage(items, _next_token(found))

    async def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Labels | None = None
    ) -> Sequence[Object]:
        reference = ObjectRef(api_version, kind, namespace or "", "")
        selector = ",".join(_requirement(key, value) for key, value in sorted((labels or {}).items()))
        for _ in range(MAX_RELISTS):
            items = await self._pages(reference, selector)
            if items is not None:
                return [{"apiVersion": api_version, "kind": kind, **item} for item in items]
        raise ClusterUnavailable(f"the list of {kind} changed faster than it could be read")

    async def apply(self, manifest: Mapping[str, Any], *, manager: str, force: bool = True) -> Object:
        return await self._apply(manifest, manager, "", force=force)

    async def apply_status(self, manifest: Mapping[str, Any], *, manager: str) -> Object:
        return await self._apply(manifest, manager, "status")

    async def delete(self, reference: ObjectRef, *, uid: str, version: str = "") -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, **({"resourceVersion": version} if version else {})},
            "propagationPolicy": "Background",
        }
        call = ApiCall("delete", "DELETE", *self._place(reference), body=options)
        answer = await self._client.send(call)
        if answer.status == 404 and is_not_found(answer.body):
            return
        if answer.status == 409 and await self._is_gone(reference, uid):
            return
        answer.content(call)

    async def record_event(self, regarding: Mapping[str, Any], *, kind: str, reason: str, message: str) -> None:
        event = event_about(regarding, kind=kind, reason=reason, message=message, now=datetime.now(UTC))
        reference = ObjectRef(EVENTS, "Event", event["metadata"]["namespace"], "")
        call = ApiCall("create", "POST", *self._place(reference), body=event)
        (await self._client.send(call)).content(call)

    async def _apply(
        self, manifest: Mapping[str, Any], manager: str, subresource: str, *, force: bool = True
    ) -> Object:
        call = ApiCall(
            "apply",
            "PATCH",
            *self._place(_reference_of(manifest)),
            subresource=subresource,
            parameters={"fieldManager": manager, "force": "true" if force else "false"},
            body=manifest,
            content_type=APPLY,
        )
        return (await self._client.send(call)).content(call)

    async def _found(self, call: ApiCall) -> Object | None:
        answer = await self._client.send(call)
        if answer.status == 404 and is_not_found(answer.body):
            return None
        return answer.content(call)

    def _place(self, reference: ObjectRef) -> tuple[ApiResource, str, str]:
        """What an `ApiCall` names: the resource, the namespace and the object."""
        try:
            resource = self._resources[reference.api_version, reference.kind]
        except KeyError:
            raise LookupError(f"no path is known for {reference.api_version} {reference.kind}") from None
        return resource, reference.namespace, reference.name

    async def _is_gone(self, reference: ObjectRef, uid: str) -> bool:
        """Whether the object that was meant has been deleted by somebody else, even if another took its name."""
        found = await self.get(reference)
        return found is None or found["metadata"]["uid"] != uid

    async def _pages(self, reference: ObjectRef, selector: str) -> Sequence[Object] | None:
        """Every page of a list; None when the server no longer remembers the state that the first page showed."""
        items: list[Object] = []
        parameters = {"limit": str(PAGE_SIZE)} | ({"labelSelector": selector} if selector else {})
        while True:
            call = ApiCall("list", "GET", *self._place(reference), parameters=parameters)
            answer = await self._client.send(call)
            if answer.status == 410:
                return None
            page = answer.content(call)
            items += page.get("items") or []
            following = _next_token(page)
            if not following:
                return items
            parameters = {**parameters, "continue": following}


def _reference_of(manifest: Mapping[str, Any]) -> ObjectRef:
    metadata = manifest["metadata"]
    return ObjectRef(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"])


def _requirement(key: str, value: str | frozenset[str]) -> str:
    """One part of a label selector."""
    return f"{key}={value}" if isinstance(value, str) else f"{key} in ({','.join(sorted(value))})"


def _next_token(body: Any) -> str:
    """Where the list goes on; empty at its end."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    return str((metadata or {}).get("continue") or "")
