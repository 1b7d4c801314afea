"""An example's policy on a real API server, which an orchestrator asks for runs with the account of the example."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support import shipped
from tests.support.kube import Kube, Kubectl
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess
from tests.support.stack.environment import environment
from tests.support.stack.systems import StackSystem

ASKED_SECONDS: Final = 300.0
"""Until an orchestrator has begun the task that asks for a run."""

_LOOK: Final = """
from unittest.mock import patch
method = "kubernetes.client.CustomObjectsApi.get_namespaced_custom_object"
with patch(method, return_value={policy}):
"""


@contextmanager
def operator_at_work(kube: Kube, kubectl: Kubectl, mlflow: MlflowServer, folder: Path) -> Iterator[Kubelet]:
    """The kubelet that scripts the pods; the operator is at work as well, with the roles that are shipped."""
    shipped.install(kubectl, kube)
    account = shipped.kubeconfig_of_the_operator(kubectl, folder)
    flags = (f"--mlflow-uri={mlflow.url}", "--orders-secret=viridian-system/viridian-orders")
    with Kubelet(kube) as kubelet, OperatorProcess(account, folder, *flags) as operator:
        operator.until_ready()
        yield kubelet


def apply(system: StackSystem, kube: Kube, kubelet: Kubelet, namespace: str) -> LivePolicy:
    """The example's policy, the account with its rights, and the model that the policy is about."""
    LiveModel(kube, kubelet, namespace).apply({"registry": {"name": namespace, "alias": "candidate"}})
    rights = (system.folder / "rbac.yaml").read_text().replace("namespace: ml", f"namespace: {namespace}")
    for part in yaml.safe_load_all(rights):
        kube.apply(part)
    spec = yaml.safe_load((system.folder / "policy.yaml").read_text())["spec"]
    made = LivePolicy(kube, kubelet, namespace, spec.pop("modelDeployment"))
    made.apply(**spec)
    return made


def looked(system: StackSystem, outcome: str, text: str) -> str:
    """What these lines print, in the example's folder and environment, while the run `asked` has this outcome.

    It is the one run of the policy that the official client for Kubernetes reads for them.
    """
    runs = [{"id": "r1", "reasons": ["manual:asked"], "outcome": outcome}]
    lines = _LOOK.format(policy={"status": {"runs": runs}}) + textwrap.indent(textwrap.dedent(text), "    ")
    command = [str(environment(system) / "python"), "-c", lines]
    return subprocess.run(command, cwd=system.folder, capture_output=True, text=True, check=True).stdout.strip()


def sign_in(system: StackSystem, kubectl: Kubectl, namespace: str, kubeconfig: Path) -> None:
    """From now on the file is that of the account of the example, in this namespace."""
    config: dict[str, Any] = yaml.safe_load(kubectl.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": kubectl("create", "token", system.slug, "-n", namespace).strip()}
    config["contexts"][0]["context"]["namespace"] = namespace
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(yaml.safe_dump(config))
