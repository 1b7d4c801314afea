"""A person's way to a cluster: the official client, with kubeconfig, contexts, plugins for logins and impersonation."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from socket import socket
from time import sleep
from typing import Any, Final

from viridian.api.names import GROUP, VERSION
from viridian.api.resources import ApiResource

PAGE_SIZE: Final = 500
MODEL_DEPLOYMENTS: Final = "modeldeployments"
RETRAIN_POLICIES: Final = "retrainpolicies"
_WATCH_SECONDS: Final = 240
"""After which the API server ends a watch, and another one goes on."""
_SILENCE_SECONDS: Final = 300
_TOKEN_SECONDS: Final = 3600
_PAUSES_SECONDS: Final = (1, 2, 5, 10, 20)
"""Before a watch that could not be made is tried again; after the last one it is given up."""


class ClusterProblem(Exception):
    """The cluster was not asked, or did not do it; the message says why, and what to do next."""


class ClusterUnreachable(ClusterProblem):
    """Nothing answered; it may answer a moment later."""


class NotThere(ClusterProblem):
    """The object is not there, or the cluster does not have its kind."""


class ObjectsGone(ClusterProblem):
    """The API server does not know any more what has changed since: the objects are listed again."""


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """Which cluster, as which user; empty where the kubeconfig says."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    impersonate: str = ""


class ClusterClient:
    """Reads and patches the objects of one cluster."""

    def __init__(self, context: ClusterChoice) -> None:
        try:
            self._client = importlib.import_module("kubernetes.client")
            self._watch = importlib.import_module("kubernetes.watch")
            self._config = importlib.import_module("kubernetes.config")
        except ImportError as error:
            raise ClusterProblem("the client for Kubernetes is missing: install `viridian[cli]`") from error
        self._configuration = self._client.Configuration()
        chosen = {"config_file": context.kubeconfig or None, "context": context.context or None}
        try:
            self._config.load_kube_config(**chosen, client_configuration=self._configuration, persist_config=False)
        except Exception as error:  # a kubeconfig may run any program of the user's
            raise ClusterProblem(f"{error} (kubeconfig; see `kubectl config view`)") from error
        self._api = self._client.ApiClient(self._configuration)
        self._impersonates = bool(context.impersonate)
        if self._impersonates:
            self._api.set_default_header("Impersonate-User", context.impersonate)
        self._objects = self._client.CustomObjectsApi(self._api)
        self.namespace = context.namespace or self._namespace_of(chosen)

    def objects(self, plural: str, namespace: str | None, selector: str = "") -> Iterator[Mapping[str, Any]]:
        """All of them, page by page; `namespace` None: of all namespaces."""
        call, *place = self._listing(plural, namespace)
        page_after = ""
        while True:
            more = {"limit": PAGE_SIZE, **({"_continue": page_after} if page_after else {})}
            if selector:
                more["label_selector"] = selector
            page = self._asked(call, *place, **more)
            yield from page["items"]
            page_after = page["metadata"].get("continue") or ""
            if not page_after:
                return

    def states(
        self,
        plural: str,
        namespace: str | None,
        *,
        name: str = "",
        selector: str = "",
        at_least_every: int = _WATCH_SECONDS,
    ) -> Iterator[Mapping[str, Mapping[str, Any]]]:
        """All of them by `namespace/name`, now and after each change, by a watch; it ends when it is not read on.

        `at_least_every`: the seconds after which they are listed again where nothing has changed. A cluster that does
        not answer for a moment is asked again; what it refuses raises ClusterProblem.
        """
        chosen = {"field_selector": f"metadata.name={name}"} if name else {}
        chosen |= {"label_selector": selector} if selector else {}
        failures = 0
        while True:
            try:
                for known in self._followed(plural, namespace, chosen, at_least_every):
                    failures = 0
                    yield known
            except ObjectsGone:
                continue
            except ClusterUnreachable:
                if failures == len(_PAUSES_SECONDS):
                    raise
                sleep(_PAUSES_SECONDS[failures])
                failures += 1

    def _followed(
        self, plural: str, namespace: str | None, chosen: Mapping[str, str], seconds: int
    ) -> Iterator[Mapping[str, Mapping[str, Any]]]:
        """One list, and the changes since, until the API server ends the watch."""
        call, *place = self._listing(plural, namespace)
        page = self._asked(call, *place, **chosen)
        known = {_key(one): one for one in page["items"]}
        yield dict(known)
        more = {"timeout_seconds": seconds, "_request_timeout": (10, _SILENCE_SECONDS), **chosen}
        since = {"resource_version": page["metadata"]["resourceVersion"]}
        changes = self._watch.Watch(return_type="object").stream(call, *place, **since, **more)
        while (change := self._asked(next, changes, None)) is not None:
            found = change["object"]
            if change["type"] == "DELETED":
                known.pop(_key(found), None)
            elif change["type"] in ("ADDED", "MODIFIED"):
                known[_key(found)] = found
            yield dict(known)

    def _listing(self, plural: str, namespace: str | None) -> tuple[Callable[..., Any], *tuple[str, ...]]:
        """The call that lists objects, and its arguments."""
        if namespace is None:
            return self._objects.list_cluster_custom_object, GROUP, VERSION, plural
        return self._objects.list_namespaced_custom_object, GROUP, VERSION, namespace, plural

    def get(self, plural: str, namespace: str, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._asked(
            self._objects.get_namespaced_custom_object, GROUP, VERSION, namespace, plural, name
        )
        return found

    def listed(self, resource: ApiResource, namespace: str, selector: str = "") -> list[Mapping[str, Any]]:
        """Objects of any kind; none where the cluster does not have the kind."""
        chosen = {"label_selector": selector} if selector else {}
        group, _, version = resource.api_version.rpartition("/")
        try:
            if group:
                page = self._asked(
                    self._objects.list_namespaced_custom_object, group, version, namespace, resource.plural, **chosen
                )
            else:
                call = getattr(self._client.CoreV1Api(self._api), f"list_namespaced{_with_underscores(resource.kind)}")
                page = json.loads(self._asked(call, namespace, _preload_content=False, **chosen).data)
        except NotThere:
            return []
        known = {"apiVersion": resource.api_version, "kind": resource.kind}
        return [{**known, **one} for one in page["items"]]

    def named(self, resource: ApiResource, namespace: str, name: str) -> Mapping[str, Any] | None:
        """One object; None where it is not there, or the cluster does not have the kind."""
        group, _, version = resource.api_version.rpartition("/")
        try:
            if group:
                call = self._objects.get_namespaced_custom_object
                found: Mapping[str, Any] = self._asked(call, group, version, namespace, resource.plural, name)
            else:
                call = getattr(self._client.CoreV1Api(self._api), f"read_namespaced{_with_underscores(resource.kind)}")
                found = json.loads(self._asked(call, name, namespace, _preload_content=False).data)
        except NotThere:
            return None
        return found

    def log(self, namespace: str, pod: str, lines: int) -> list[str]:
        """The newest lines of a pod's log."""
        core = self._client.CoreV1Api(self._api)
        found = self._asked(core.read_namespaced_pod_log, pod, namespace, tail_lines=lines, _preload_content=False)
        return str(found.data.decode(errors="replace")).splitlines()

    def forwarded(self, namespace: str, pod: str, port: int) -> socket:
        """A connection to a port of a pod, through the API server, as `kubectl port-forward` makes them."""
        if self._impersonates:
            # The official client sends no header of impersonation with it.
            raise ClusterProblem(
                "a port of a pod is not forwarded with --as: run `kubectl port-forward --as …` yourself"
            )
        stream = importlib.import_module("kubernetes.stream")
        call = self._client.CoreV1Api(self._api).connect_get_namespaced_pod_portforward
        try:
            forward = stream.portforward(call, pod, namespace, ports=str(port))
        except self._client.ApiException as error:
            # What the API server has answered stands in the exception before this one.
            status, body = getattr(error.__context__, "status_code", 0), getattr(error.__context__, "resp_body", None)
            if not status:
                raise ClusterUnreachable(f"{self._configuration.host} cannot be reached: {error.reason}") from error
            raise _PROBLEMS.get(status, ClusterProblem)(_sentence(status, body)) from error
        found: socket = forward.socket(port)
        return found

    def version(self) -> str:
        """The release of the API server."""
        return str(self._asked(self._client.VersionApi(self._api).get_code).git_version)

    def patch(self, plural: str, manifest: Mapping[str, Any], patch: Mapping[str, Any], *, dry_run: bool) -> None:
        """A merge patch of the object as it was read: where somebody has changed it since, nothing is written."""
        metadata = manifest["metadata"]
        own = {**patch.get("metadata", {}), "resourceVersion": metadata["resourceVersion"]}
        place = (GROUP, VERSION, metadata["namespace"], plural, metadata["name"])
        more = {"dry_run": "All"} if dry_run else {}
        self._asked(self._objects.patch_namespaced_custom_object, *place, {**patch, "metadata": own}, **more)

    def user(self) -> str:
        """The name by which the API server knows this person."""
        review = self._client.V1SelfSubjectReview()
        answer = self._asked(self._client.AuthenticationV1Api(self._api).create_self_subject_review, review)
        return str(answer.status.user_info.username)

    def token(self, account: str, audience: str) -> str:
        """A token of a service account for one audience, for an hour."""
        request = self._client.AuthenticationV1TokenRequest(
            spec=self._client.V1TokenRequestSpec(audiences=[audience], expiration_seconds=_TOKEN_SECONDS)
        )
        call = self._client.CoreV1Api(self._api).create_namespaced_service_account_token
        return str(self._asked(call, account, self.namespace, request).status.token)

    def _namespace_of(self, chosen: Mapping[str, str | None]) -> str:
        contexts, current = self._config.list_kube_config_contexts(chosen["config_file"])
        named = next((one for one in contexts if one["name"] == chosen["context"]), current)
        return str(named["context"].get("namespace") or "default")

    def _asked(self, call: Any, *arguments: Any, **more: Any) -> Any:
        try:
            return call(*arguments, **more)
        except self._client.ApiException as error:
            raise _PROBLEMS.get(error.status, ClusterProblem)(_sentence(error.status, error.body)) from error
        except Exception as error:  # the client passes on what its own libraries raise
            raise ClusterUnreachable(f"{self._configuration.host} cannot be reached: {error}") from error


_PROBLEMS: Final[Mapping[int, type[ClusterProblem]]] = {
    404: NotThere,
    410: ObjectsGone,
    **dict.fromkeys((429, 500, 502, 503, 504), ClusterUnreachable),
}
_NEXT: Final = {
    401: "log in again; `kubectl auth whoami` shows as whom",
    403: "`kubectl auth can-i --list` shows what you may do",
    404: "`kubectl viridian list -A` shows what there is",
    409: "somebody has changed it meanwhile: look at it again, then repeat the command",
}


def _with_underscores(kind: str) -> str:
    """`PersistentVolumeClaim` as the official client has it in the names of its methods: `_persistent_volume_claim`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind)


def _key(manifest: Mapping[str, Any]) -> str:
    return f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"


def _sentence(status: int, body: Any) -> str:
    try:
        answered = str(json.loads(body)["message"])
    except (TypeError, ValueError, KeyError):
        answered = f"the API server answered {status}"
    return f"{answered} ({_NEXT[status]})" if status in _NEXT else answered
