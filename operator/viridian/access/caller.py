"""Whom a token belongs to and what they may do, in the words of the API server: TokenReview, SubjectAccessReview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from viridian.api.names import GROUP

_SERVICE_ACCOUNT: Final = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token belongs to, as the API server says."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)

    @property
    def tenant(self) -> str:
        """Whose share of a server they take: that of their namespace, or their own."""
        return self.namespace or self.user

    @property
    def namespace(self) -> str:
        """Of a service account; empty for any other caller."""
        if not self.user.startswith(_SERVICE_ACCOUNT):
            return ""
        return self.user.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]


def token_review(token: str, audience: str) -> dict[str, Any]:
    """The spec of a TokenReview that asks whose token it is."""
    return {"token": token, "audiences": [audience]}


def caller_in(status: Mapping[str, Any], audience: str) -> Caller | None:
    """The caller in the status of a TokenReview; None where the token is not valid for the audience."""
    if not status.get("authenticated") or audience not in (status.get("audiences") or ()):
        return None
    user = status.get("user") or {}
    return Caller(
        user=user.get("username", ""),
        uid=user.get("uid", ""),
        groups=tuple(user.get("groups") or ()),
        extra=tuple((name, tuple(values)) for name, values in sorted((user.get("extra") or {}).items())),
    )


def access_review(caller: Caller, verb: str, resource: str, namespace: str, name: str) -> dict[str, Any]:
    """The spec of a SubjectAccessReview about `resource/subresource` of group viridian.dev."""
    plural, _, subresource = resource.partition("/")
    attributes = {
        "group": GROUP,
        "resource": plural,
        "subresource": subresource,
        "namespace": namespace,
        "name": name,
        "verb": verb,
    }
    return {
        "user": caller.user,
        "uid": caller.uid,
        "groups": list(caller.groups),
        "extra": {key: list(values) for key, values in caller.extra},
        "resourceAttributes": attributes,
    }
