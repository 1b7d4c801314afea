"""docs/tutorial.md as a reader types it: each command in its order, and what it prints; pods are scripted."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from docs.scripts import tutorial
from localcluster.paths import REPOSITORY, cache_root
from tests.support.kube import Kube, Kubectl
from tests.support.kubelet import Kubelet
from tests.support.live_policy import LivePolicy, train
from tests.support.live_registry import LiveRegistry
from tests.support.memory_pods import BROKEN
from tests.support.mlflow_server import MlflowServer

pytestmark = [pytest.mark.usefixtures("shared_operator"), pytest.mark.needs_programs]

READER, NAMESPACE, MODEL = "ada", "ml", "churn"
"""What the page has in the place of the test's own names."""
LAST_RUN = "kubectl wait rp/churn --for=jsonpath={.status.lastRun.version}="


@dataclass
class Reader:
    """Types commands in a folder with the examples; beside the commands happens what a node would do."""

    kube: Kube
    kubectl: Kubectl
    policy: LivePolicy
    registry: LiveRegistry
    folder: Path
    namespace: str

    @property
    def model(self) -> str:
        """Name of the registered model, in a registry that other tests use as well."""
        return f"{self.namespace}-model"

    def prepare(self) -> None:
        """Pods get no node here: the scripted kubelet plays them, and no scheduler writes to them."""
        shutil.copytree(REPOSITORY / "examples", self.folder / "examples")
        found = self.folder / "examples" / "tutorial"
        model, retrain = found / "model.yaml", found / "retrain.yaml"
        unscheduled = "  server: {template: {spec: {schedulerName: nobody}}}\n  rollout:"
        text = model.read_text().replace("{name: churn, alias", f"{{name: {self.model}, alias")
        model.write_text(text.replace("  rollout:", unscheduled))
        retrain.write_text(retrain.read_text().replace("containers:", "schedulerName: nobody\n          containers:"))
        config = yaml.safe_load(self.kubectl.kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = self.namespace
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(yaml.safe_dump(config))

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def types(self, command: str) -> str:
        """What the command prints, with the names that the page has."""
        if command.startswith(LAST_RUN):
            number = int(command.removeprefix(LAST_RUN).split()[0])
            job = self.policy.running(number)
            self.policy.ends(job, train(job, self.folder, trees=20 * number - 19, depth=number))
        done = subprocess.run(
            self._words(command), cwd=self.folder, env=self._environment(), capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        if command.endswith("ship.yaml"):
            self.registry.publish(self.model, digest=f"sha256:{3:064x}")
        own = {self.model: MODEL, self.namespace: NAMESPACE, self.kube.whoami(): READER}
        printed = done.stdout
        for name, shown in own.items():
            printed = printed.replace(name, shown)
        return printed

    def _words(self, command: str) -> list[str]:
        words = shlex.split(command)
        if words[:2] == ["kubectl", "viridian"]:
            return [str(cache_root() / "cli-venv" / "bin" / "python"), "-m", "viridian.cli", *words[2:]]
        return [self.kubectl.program, *words[1:]] if words[0] == "kubectl" else words

    def _environment(self) -> dict[str, str]:
        known = {"PYTHONPATH": str(REPOSITORY / "operator"), "KUBECONFIG": str(self.kubeconfig)}
        return {**os.environ, **known}


def test_the_tutorial_prints_what_its_page_shows(
    kube: Kube,
    kubectl: Kubectl,
    kubelet: Kubelet,
    namespace: str,
    mlflow: MlflowServer,
    tmp_path: Path,
) -> None:
    policy = LivePolicy(kube, kubelet, namespace)
    reader = Reader(kube, kubectl, policy, LiveRegistry(mlflow.url), tmp_path, namespace)
    reader.prepare()
    kubelet.behaviour(namespace, "3", BROKEN)
    page = tutorial.PAGE.read_text()
    printed = tutorial.transcript(page, reader.types)
    assert tutorial.lasting(printed) == tutorial.lasting(page), tutorial.__doc__
