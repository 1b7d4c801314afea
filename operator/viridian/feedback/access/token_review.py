"""The API server: whose token is it, and what does RBAC allow them?"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from viridian.access.caller import Caller, access_review, caller_in, token_review
from viridian.api.feedback import TOKEN_AUDIENCE
from viridian.feedback.logs import log, note_failure
from viridian.feedback.problems import ServiceUnavailable

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS: Final = 5.0
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_ADVICE: Final = "bind the ClusterRole system:auth-delegator to its service account"


class NoApiServer(Exception):
    """There is no API server to ask; the message says what to write."""


@dataclass(frozen=True)
class ApiServer:
    """Where it is, and who we are there."""

    url: str
    ca_file: Path
    token_file: Path

    @classmethod
    def found(cls, url: str, ca_file: str, token_file: str, environment: Mapping[str, str] = os.environ) -> ApiServer:
        """As named, or else as every pod with a service account finds it."""
        host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
        if not url and not host:
            raise NoApiServer("this is no pod of a cluster: name an API server with --api-server")
        url = url or (f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")
        server = cls(
            url.rstrip("/"),
            Path(ca_file) if ca_file else SERVICE_ACCOUNT / "ca.crt",
            Path(token_file) if token_file else SERVICE_ACCOUNT / "token",
        )
        plain = urlsplit(server.url)
        if plain.scheme != "https" and plain.hostname not in _LOOPBACK:
            raise NoApiServer("the API server's URL must begin with https://; http:// is for a proxy on the loopback")
        for path in (server.ca_file, server.token_file) if plain.scheme == "https" else (server.token_file,):
            if not path.is_file():
                raise NoApiServer(f"{path} is missing: the pod needs its service account's token")
        return server


class KubernetesGate:
    """Satisfies `viridian.access.authorizer.Authorizer` with TokenReviews and SubjectAccessReviews."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> KubernetesGate:
        secure = self._server.url.startswith("https:")
        tls = ssl.create_default_context(cafile=self._server.ca_file) if secure else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls), timeout=aiohttp.ClientTimeout(total=_SECONDS)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def identify(self, token: str) -> Caller | None:
        status = await self._review("authentication.k8s.io", "TokenReview", token_review(token, TOKEN_AUDIENCE))
        return caller_in(status, TOKEN_AUDIENCE)

    async def allows(self, identity: Caller, verb: str, namespace: str, name: str) -> bool:
        spec = access_review(identity, verb, "modeldeployments/feedback", namespace, name)
        status = await self._review("authorization.k8s.io", "SubjectAccessReview", spec)
        return bool(status.get("allowed")) and not status.get("denied", False)

    async def _review(self, group: str, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        if self._session is None:
            raise ServiceUnavailable("the API server")
        body = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
        try:
            # Kubernetes renews the token in its file while the pod runs.
            token = self._server.token_file.read_text().strip()
            async with self._session.post(
                f"{self._server.url}/apis/{group}/v1/{kind.lower()}s",
                data=msgspec.json.encode(body),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                allow_redirects=False,
            ) as response:
                content = await response.read()
                if response.status == 403:
                    log.error(f"the collector may not create a {kind}: {_ADVICE}")
                    raise ServiceUnavailable(
                        f"the right to create a {kind} is missing ({_ADVICE}): the Kubernetes API server"
                    )
                if response.status != 201:
                    raise _FailedReview(f"{kind} was answered with {response.status}")
                answer = msgspec.json.decode(content, type=_Review)
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.MsgspecError, _FailedReview) as error:
            note_failure(f"the API server does not answer a {kind}", error)
            raise ServiceUnavailable("the Kubernetes API server") from None
        return answer.status


class _FailedReview(Exception):
    """An answer that is no review."""


class _Review(msgspec.Struct):
    status: dict[str, Any]
