"""A pipeline of a CI system's example: a Git repository with the example, and what its runner has.

That is kubectl, `kubectl viridian` as people install it, and a kubeconfig with the account of the example's rbac.yaml.
Another model than the example's is rolled out: by address, with short steps, on pods that a test scripts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from localcluster.paths import REPOSITORY, cache_root
from tests.support.kube import Kubectl, Object, condition
from tests.support.live_model import LiveModel
from tests.support.stack.environment import environment
from tests.support.stack.systems import StackSystem

SECONDS: Final = 900
_PLUGIN: Final = """#!/bin/sh
export PYTHONPATH={operator} COLUMNS=160
exec {python} -c 'import sys; from viridian.cli.main import plugin; sys.exit(plugin())' "$@"
"""


@dataclass(frozen=True)
class PipelineEnd:
    """How a run of the pipeline ended."""

    succeeded: bool
    log: str


@dataclass(frozen=True)
class Pipeline:
    """The repository of one team, and the model that it rolls out."""

    system: StackSystem
    model: LiveModel
    repository: Path
    kubeconfig: Path
    """Of the example's account, in the namespace of the model."""
    variables: Mapping[str, str]
    """What the runner's steps see of the computer."""

    def commit(self, version: str, **spec: Any) -> None:
        """A release: the manifest of the example with this version."""
        file = self.repository / "deploy" / "churn.yaml"
        written = yaml.safe_load((self.system.folder / "deploy" / "churn.yaml").read_text())
        written["spec"] = {**self._manifest(version)["spec"], **spec}
        file.write_text(yaml.safe_dump(written))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message=Version {version}")

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=team", "-c", "user.email=team@example.com")
        subprocess.run(["git", *who, *arguments], cwd=self.repository, check=True, capture_output=True)

    def run(self, *command: str | Path, **variables: str) -> PipelineEnd:
        """The runner of the system, in the repository."""
        given = {**self.variables, **variables}
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.repository,
            env=given,
            timeout=SECONDS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return PipelineEnd(done.returncode == 0, done.stdout)

    def serves_first(self, version: str) -> None:
        """A version serves before, as if the pipeline had rolled it out."""
        self.model.kube.apply(self._manifest(version), manager="kubectl")
        self.model.until_serves(version)

    def _manifest(self, version: str) -> Object:
        """No version is rejected since a busy computer is late."""
        return self.model.manifest(version, rollout={"progressDeadline": "10m"})

    @property
    def asked_for(self) -> str:
        """The version that the cluster was asked for last."""
        uri: str = self.model.kube.read(self.model.identity)["spec"]["model"]["uri"]
        return uri.rpartition("/")[2]

    @property
    def stalled(self) -> str:
        """The sentence of the condition."""
        message: str = condition(self.model.kube.read(self.model.identity), "Stalled")["message"]
        return message


def pipeline_of(system: StackSystem, model: LiveModel, kubectl: Kubectl, folder: Path) -> Pipeline:
    """With a repository of its own, whose branch is `main`."""
    repository, programs = folder / "repository", folder / "programs"
    shutil.copytree(system.folder, repository)
    rights = (system.folder / "rbac.yaml").read_text().replace("namespace: ml", f"namespace: {model.namespace}")
    for part in yaml.safe_load_all(rights):
        model.kube.apply(part)
    programs.mkdir()
    (programs / "kubectl").symlink_to(kubectl.program)
    plugin = programs / "kubectl-viridian"
    python = cache_root() / "cli-venv" / "bin" / "python"
    plugin.write_text(_PLUGIN.format(operator=REPOSITORY / "operator", python=python))
    plugin.chmod(0o755)
    given = {
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PATH": f"{programs}:{environment(system)}:{os.environ['PATH']}",
        "KUBECACHEDIR": str(folder / "kubectl-cache"),
    }
    made = Pipeline(system, model, repository, folder / "kubeconfig", given)
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("remote", "add", "origin", "git@git.example.com:ml/churn.git")
    _write_kubeconfig(kubectl, model.namespace, made.kubeconfig)
    return made


def _write_kubeconfig(kubectl: Kubectl, namespace: str, file: Path) -> None:
    """As the example's account, in its namespace."""
    config: dict[str, Any] = yaml.safe_load(kubectl.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": kubectl("create", "token", "ci", "-n", namespace).strip()}
    config["contexts"][0]["context"]["namespace"] = namespace
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
