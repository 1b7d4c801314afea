"""A person's way to a cluster: the official client, with kubeconfig, contexts, plugins for logins and impersonation."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from viridian.api.names import GROUP, VERSION

PAGE_SIZE: Final = 500
MODEL_DEPLOYMENTS: Final = "modeldeployments"


class ClusterProblem(Exception):
    """The cluster was not asked, or did not do it; the message says why, and what to do next."""


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
        if context.impersonate:
            self._api.set_default_header("Impersonate-User", context.impersonate)
        self._objects = self._client.CustomObjectsApi(self._api)
        self.namespace = context.namespace or self._namespace_of(chosen)

    def objects(self, plural: str, namespace: str | None, selector: str = "") -> Iterator[Mapping[str, Any]]:
        """All of them, page by page; `namespace` None: of all namespaces."""
        page_after = ""
        while True:
            more = {"limit": PAGE_SIZE, **({"_continue": page_after} if page_after else {})}
            if selector:
                more["label_selector"] = selector
            place = (GROUP, VERSION) if namespace is None else (GROUP, VERSION, namespace)
            verb = "list_cluster_custom_object" if namespace is None else "list_namespaced_custom_object"
            page = self._asked(getattr(self._objects, verb), *place, plural, **more)
            yield from page["items"]
            page_after = page["metadata"].get("continue") or ""
            if not page_after:
                return

    def get(self, plural: str, namespace: str, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._asked(
            self._objects.get_namespaced_custom_object, GROUP, VERSION, namespace, plural, name
        )
        return found

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

    def _namespace_of(self, chosen: Mapping[str, str | None]) -> str:
        contexts, current = self._config.list_kube_config_contexts(chosen["config_file"])
        named = next((one for one in contexts if one["name"] == chosen["context"]), current)
        return str(named["context"].get("namespace") or "default")

    def _asked(self, call: Any, *arguments: Any, **more: Any) -> Any:
        try:
            return call(*arguments, **more)
        except self._client.ApiException as error:
            raise ClusterProblem(_sentence(error.status, error.body)) from error
        except Exception as error:  # the client passes on what its own libraries raise
            raise ClusterProblem(f"{self._configuration.host} cannot be reached: {error}") from error


_NEXT: Final = {
    401: "log in again; `kubectl auth whoami` shows as whom",
    403: "`kubectl auth can-i --list` shows what you may do",
    404: "`kubectl viridian list -A` shows what there is",
    409: "somebody has changed it meanwhile: look at it again, then repeat the command",
}


def _sentence(status: int, body: Any) -> str:
    try:
        answered = str(json.loads(body)["message"])
    except (TypeError, ValueError, KeyError):
        answered = f"the API server answered {status}"
    return f"{answered} ({_NEXT[status]})" if status in _NEXT else answered
