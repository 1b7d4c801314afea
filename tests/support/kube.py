"""A synchronous Kubernetes client for tests: dictionaries in, dictionaries out, refusals as the server words them.

It shares no code with the operator's own client, so what one of them gets wrong the other one shows.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from tests.support.documents import document

Object = dict[str, Any]
Found = TypeVar("Found")

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
POLL_SECONDS = 0.05


class Refused(Exception):
    """An answer that is no success; `str()` is the server's own message."""

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        super().__init__(str(answer.get("message", answer)))
        self.status = status
        self.reason = str(answer.get("reason", ""))
        self.causes = [str(cause.get("message", "")) for cause in (answer.get("details") or {}).get("causes") or ()]


class Connections:
    """To one server. What reads takes an idle one, for to open one costs four times what the reading costs.

    What writes opens its own: on an idle one that the server has just closed, nobody knows whether the write was done.
    """

    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        self._address, self._context = urlsplit(server), context
        self._idle: deque[http.client.HTTPSConnection] = deque()

    def ask(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> tuple[int, bytes]:
        """Status and body of the answer; a read is asked once more where an idle connection has been closed."""
        while method == "GET" and self._idle:
            with contextlib.suppress(IndexError, ConnectionError, http.client.HTTPException, ssl.SSLError):
                return self._ask(self._idle.pop(), method, target, headers, body)
        host, port = str(self._address.hostname), self._address.port
        return self._ask(
            http.client.HTTPSConnection(host, port, timeout=30, context=self._context), method, target, headers, body
        )

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _ask(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | None,
    ) -> tuple[int, bytes]:
        try:
            connection.putrequest(method, target)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            answer = response.status, response.read()
        except BaseException:
            connection.close()
            raise
        if method == "GET" and connection.sock is not None:
            self._idle.append(connection)
        else:
            connection.close()
        return answer


@dataclass(frozen=True)
class Kube:
    """Speaks with one API server."""

    server: str
    context: ssl.SSLContext
    connections: Connections
    # Who the server takes us for; empty: who the certificate says.
    user: str = ""
    groups: tuple[str, ...] = ()
    _plurals: dict[str, dict[str, tuple[str, bool]]] = field(default_factory=dict)

    def impersonating(self, user: str, *groups: str) -> Kube:
        """The same server seen by someone else, for instance `system:serviceaccount:<namespace>:<name>`."""
        return replace(self, user=user, groups=groups)

    def whoami(self) -> str:
        """Who the server takes us for."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
        answer = self.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        return str(answer["status"]["userInfo"]["username"])

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        try:
            return self.request("GET", self.path(api_version, kind, namespace, name))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Object]:
        path = self.path(api_version, kind, namespace)
        items: list[Object] = self.request("GET", path, query={"labelSelector": labels} if labels else {})["items"]
        return items

    def apply(
        self, manifest: Mapping[str, Any], *, manager: str = "test", force: bool = False, subresource: str = ""
    ) -> Object:
        """Server-side apply, as strict about unknown fields as kubectl is."""
        query = {"fieldManager": manager, "fieldValidation": "Strict", **({"force": "true"} if force else {})}
        return self.request("PATCH", self._path_of(manifest, subresource), manifest, query=query, content=APPLY)

    def create(self, manifest: Mapping[str, Any]) -> Object:
        metadata = manifest["metadata"]
        path = self.path(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""))
        return self.request("POST", path, manifest, query={"fieldValidation": "Strict"})

    def merge(self, target: Mapping[str, Any], change: Mapping[str, Any], *, subresource: str = "") -> Object:
        """Merge patch onto the object that `target` names."""
        return self.request("PATCH", self._path_of(target, subresource), change, content=MERGE)

    def delete(self, target: Mapping[str, Any]) -> None:
        """Delete the object that `target` names, what it owns in the background; one that is gone is fine."""
        try:
            self.request("DELETE", self._path_of(target), {"propagationPolicy": "Background"})
        except Refused as refused:
            if refused.status != 404:
                raise

    def read(self, target: Mapping[str, Any]) -> Object:
        """The object that `target` names, as it is now."""
        return self.request("GET", self._path_of(target))

    def path(self, api_version: str, kind: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        plural, namespaced = self._resource(root, kind)
        inside = f"/namespaces/{quote(namespace)}" if namespaced and namespace else ""
        tail = "".join(f"/{quote(part)}" for part in (name, subresource) if part)
        return f"{root}{inside}/{plural}{tail}"

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
    ) -> Object:
        """One request; `Refused` for every answer that is no success."""
        headers = [("Accept", "application/json"), ("Content-Type", content)]
        if self.user:
            headers += [("Impersonate-User", self.user), *(("Impersonate-Group", group) for group in self.groups)]
        target = f"{path}?{urlencode(query)}" if query else path
        status, answered = self.connections.ask(
            method, target, headers, None if body is None else json.dumps(body).encode()
        )
        answer = _decoded(answered)
        if status >= 300:
            raise Refused(status, answer)
        return answer

    def _path_of(self, manifest: Mapping[str, Any], subresource: str = "") -> str:
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace", "")
        return self.path(manifest["apiVersion"], manifest["kind"], namespace, metadata["name"], subresource)

    def _resource(self, root: str, kind: str) -> tuple[str, bool]:
        """Plural and scope of a kind, from the server's own discovery."""
        if kind not in self._plurals.get(root, {}):
            resources = self.request("GET", root)["resources"]
            self._plurals[root] = {
                resource["kind"]: (resource["name"], resource["namespaced"])
                for resource in resources
                if "/" not in resource["name"]
            }
        return self._plurals[root][kind]


@dataclass(frozen=True)
class Kubectl:
    """kubectl against one API server."""

    program: str
    kubeconfig: Path
    # For short-lived servers: what kubectl remembers of one must not be believed of another that gets the same port.
    cache: Path | None = None

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """What it prints; AssertionError with what it complains of when it fails."""
        done = self.attempt(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def attempt(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        cache = (f"--cache-dir={self.cache}",) if self.cache else ()
        command = [self.program, f"--kubeconfig={self.kubeconfig}", *cache, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def client(kubeconfig: Path) -> Iterator[Kube]:
    """A client with the current user of a kubeconfig whose certificates stand inside it."""
    config = document(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with tempfile.TemporaryDirectory() as folder:
        # The ssl module takes a client's certificate from files only.
        pair = Path(folder) / "client.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
        context.load_cert_chain(pair)
    connections = Connections(cluster["server"], context)
    try:
        yield Kube(cluster["server"], context, connections)
    finally:
        connections.close()


def eventually(
    check: Callable[[], Found | None], *, what: str, timeout: float = 60.0, every: float = POLL_SECONDS
) -> Found:
    """The first result that is neither None nor False; AssertionError that names what was waited for when time is up.

    While the check raises `Refused` or AssertionError it does not hold yet; the last of those is shown.
    """
    deadline = time.monotonic() + timeout
    last: Exception | None = None
    while True:
        try:
            found = check()
        except (Refused, AssertionError) as error:
            last = error
        else:
            last = None
            if found is not None and found is not False:
                return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {timeout:.0f} s") from last
        time.sleep(every)


def condition(target: Mapping[str, Any], kind: str) -> Object:
    """A condition of the object by its type; empty when it is not there."""
    conditions: list[Object] = target.get("status", {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), {})


def _decoded(body: bytes) -> Object:
    try:
        answer = json.loads(body)
    except ValueError:
        return {"message": body.decode(errors="replace")}
    return answer if isinstance(answer, dict) else {"message": str(answer)}
