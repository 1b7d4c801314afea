"""An Application of Argo CD with models, and every state that it was in."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import yaml

from localcluster.paths import REPOSITORY
from tests.support.kube import Kubectl, Object, Refused, eventually
from tests.support.mlflow_server import end_group
from tests.support.stack.argo_cd.installation import NAMESPACE, ArgoCd
from viridian.api.names import GROUP

EXAMPLE: Final = REPOSITORY / "examples" / "gitops" / "argocd-application.yaml"
PATIENCE: Final = 120.0
_COLUMNS: Final = (
    "{.status.sync.status}",
    "{.status.health.status}",
    "{.status.sync.revision}",
    "{.status.operationState.phase}",
    "{.status.operationState.syncResult.revision}",
    "{.status.operationState.finishedAt}",
    "{.status.reconciledAt}",
)
_BETWEEN: Final = "|"
"""Not a tab: a watch of kubectl makes spaces of those."""
_STATES: Final = "--output=jsonpath=" + _BETWEEN.join(_COLUMNS) + "{'\\n'}"
_CHANGES: Final = "--output=jsonpath={.metadata.resourceVersion}{'\\n'}"
_REFRESH: Final = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}


@dataclass(frozen=True)
class ApplicationState:
    """What Argo CD thought at one moment."""

    at: float = field(compare=False)
    """By the monotonic clock."""
    sync: str
    health: str
    compared: str
    """The commit that it compared the cluster with."""
    phase: str
    """Of the newest sync."""
    synced: str
    """The commit of the newest sync."""
    finished: str
    """When that ended; times are of whole seconds, and of one length."""
    reconciled: str
    """When cluster and Git were last compared."""

    @property
    def is_between_commit_and_sync(self) -> bool:
        """Git has what nobody has applied yet, or nobody has compared the two since; then they cannot agree."""
        return self.synced != self.compared or self.phase != "Succeeded" or self.reconciled <= self.finished


@dataclass
class GitOpsApplication:
    """One Application."""

    argo: ArgoCd
    name: str
    namespace: str
    """Where its models are."""
    server_side: bool = True
    """Whether objects are applied by the API server, as the example says."""
    states: list[ApplicationState] = field(default_factory=list)
    """In their order; nothing follows where nothing changed."""

    # ---- what people do

    def apply(self, url: str) -> None:
        """The example, with a folder of this repository that has the name of the namespace."""
        spec = yaml.safe_load(EXAMPLE.read_text())["spec"]
        spec["source"] |= {"repoURL": url, "path": self.namespace}
        spec["destination"]["namespace"] = self.namespace
        if not self.server_side:
            del spec["syncPolicy"]["syncOptions"]
        self.argo.kube.apply(self._identity | {"spec": spec})

    def refresh(self) -> None:
        """Argo CD compares at once."""
        self.argo.kube.merge(self._identity, _REFRESH)

    # ---- what can be seen

    @property
    def status(self) -> Object:
        return dict(self.argo.kube.read(self._identity).get("status") or {})

    @property
    def syncs(self) -> int:
        """How often anything was applied."""
        return len(self.status.get("history", ()))

    def offered(self, kind: str = "ModelDeployment") -> set[str]:
        """The actions that make sense now."""
        found = json.loads(self.argo("app", "actions", "list", self.name, f"--kind={kind}", "--out=json"))
        return {one["Action"] for one in found if not one["Disabled"]}

    def health_of(self, kind: str) -> tuple[str, str]:
        """Health of the one object of this kind, and what it says."""
        tree = json.loads(self.argo("app", "get", self.name, "--output=json"))
        (health,) = [one["health"] for one in tree["status"]["resources"] if one["kind"] == kind]
        return str(health["status"]), str(health.get("message", ""))

    def until_synced(self, commit: str) -> None:
        """Argo CD has applied the commit, and sees no difference."""

        def synced() -> bool:
            sync, operation = (self.status.get(part, {}) for part in ("sync", "operationState"))
            return (sync.get("revision"), sync.get("status"), operation.get("phase")) == (commit, "Synced", "Succeeded")

        self._await(synced, f"the sync of {commit}")

    def until_health(self, health: str) -> None:
        """Argo CD shows it, and has compared cluster and Git since its newest sync."""

        def shown() -> bool:
            if self.states and self.states[-1].is_between_commit_and_sync:
                self.refresh()
                return False
            return bool(self.status.get("health", {}).get("status") == health)

        self._await(shown, f"health {health}")

    def settled_states(self) -> list[ApplicationState]:
        """Those in which all that Git has had been applied."""
        return [one for one in self.states if not one.is_between_commit_and_sync]

    def disagreements(self) -> list[ApplicationState]:
        """States in which cluster and Git differed although everything had been applied."""
        return [one for one in self.settled_states() if one.sync != "Synced"]

    @contextmanager
    def watched(self, kubectl: Kubectl) -> Iterator[None]:
        """All states are seen, and Argo CD compares whenever a model or a policy changes, in whichever field."""
        named = f"--field-selector=metadata.name={self.name}"
        watches = (
            (self._note, f"--namespace={NAMESPACE}", "get", "applications.argoproj.io", named, _STATES),
            (self._compare, f"--namespace={self.namespace}", "get", f"modeldeployments.{GROUP}", _CHANGES),
            (self._compare, f"--namespace={self.namespace}", "get", f"retrainpolicies.{GROUP}", _CHANGES),
        )
        with contextlib.ExitStack() as stack:
            for note, *command in watches:
                stack.enter_context(_following(kubectl, command, note))
            yield

    # ---- inside

    @property
    def _identity(self) -> Object:
        metadata = {"name": self.name, "namespace": NAMESPACE}
        return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata}

    def _await(self, holds: Callable[[], bool], what: str) -> None:
        try:
            eventually(holds, what=what, timeout=PATIENCE, every=0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(self.status, indent=1)}") from error

    def _note(self, line: str) -> None:
        state = ApplicationState(time.monotonic(), *line.split(_BETWEEN))
        if self.states[-1:] != [state]:
            self.states.append(state)

    def _compare(self, _: str) -> None:
        with contextlib.suppress(Refused):  # the Application is not there yet
            self.refresh()


@contextmanager
def _following(kubectl: Kubectl, command: Sequence[str], note: Callable[[str], None]) -> Iterator[None]:
    """Each line of a watch is noted when it comes."""
    whole = [kubectl.program, f"--kubeconfig={kubectl.kubeconfig}", *command, "--watch"]
    with subprocess.Popen(whole, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        lines = process.stdout

        def follow() -> None:
            for line in lines:
                note(line.decode().rstrip("\n"))

        reader = threading.Thread(target=follow)
        reader.start()
        try:
            yield
        finally:
            end_group(process)
            reader.join()
