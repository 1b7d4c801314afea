"""A real Argo CD on a control plane: what its install.yaml brings, and its programs as processes of this computer.

Each program has the service account that it has in a cluster, so Argo CD may do what it may do there, and no more.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from localcluster import builder
from localcluster.binaries import GITOPS, binary, program
from localcluster.gomodules import downloaded, pinned
from localcluster.paths import REPOSITORY
from localcluster.ports import free_ports
from tests.support import debian
from tests.support.documents import document
from tests.support.kube import Kube, Kubectl, eventually
from tests.support.stack.server import served, working

NAMESPACE: Final = "argocd"
IN_CLUSTER: Final = "https://kubernetes.default.svc"
"""What Argo CD calls the cluster that it is installed in."""
_MODULE: Final = "github.com/argoproj/argo-cd/v3"
_WITHOUT_A_NODE: Final = ("Deployment", "StatefulSet", "Service", "NetworkPolicy")
"""Kinds of install.yaml in whose place the processes are."""
_SCRIPT: Final = "git-verify-wrapper.sh"
"""What the repo server calls beside `git`."""
_SHIPPED: Final = REPOSITORY / "manifests" / "argocd"


@dataclass(frozen=True)
class ArgoCd:
    """A running Argo CD, as its users have it."""

    kube: Kube
    """The administrator of the cluster that it is installed in."""
    _settings: Mapping[str, str]

    def __call__(self, *arguments: str) -> str:
        """What `argocd` prints; AssertionError with what it complains of when it fails."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, f"argocd {' '.join(arguments)}: {done.stderr or done.stdout}"
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [program("argocd"), *arguments]
        environment = {**os.environ, **self._settings}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def version() -> str:
    """The version that the go.mod pins."""
    return pinned(binary("argocd"))


@contextmanager
def argo_cd(kube: Kube, kubectl: Kubectl, folder: Path) -> Iterator[ArgoCd]:
    """Argo CD with the health and the actions that are shipped, and somebody who has signed in at its server."""
    builder.ensure(GITOPS)
    debian.ensure(debian.REDIS)
    _install(kubectl)
    redis, repo, repo_metrics, api, api_metrics, metrics, *sets = free_ports(9)
    accounts = _Accounts(kubectl, folder)
    stores = (f"--redis=127.0.0.1:{redis}",)
    manifests = f"--repo-server=127.0.0.1:{repo}"
    with ExitStack() as stack:

        def serve(name: str, health: str, *flags: str) -> None:
            settings = {"ARGOCD_BINARY_NAME": name, **accounts.settings_of(name)}
            address, _, path = health.partition("/")
            command, home = [program("argocd"), *flags], accounts.home(name)
            stack.enter_context(served(command, home, f"http://{address}", health=f"/{path}", settings=settings))

        bare = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1")
        stack.enter_context(working(["redis-server", "--port", str(redis), *bare], accounts.home("redis")))
        shutil.copyfile(_module() / "hack" / _SCRIPT, accounts.home("bin") / _SCRIPT)
        (accounts.home("bin") / _SCRIPT).chmod(0o755)
        where = ("--address=127.0.0.1", f"--port={repo}", f"--metrics-port={repo_metrics}")
        serve("argocd-repo-server", f"127.0.0.1:{repo_metrics}/healthz", *where, *stores)
        where = ("--address=127.0.0.1", f"--port={api}", f"--metrics-port={api_metrics}")
        serve("argocd-server", f"127.0.0.1:{api}/healthz", *where, *stores, manifests, "--insecure")
        at = f"--metrics-port={metrics}"
        serve("argocd-application-controller", f"127.0.0.1:{metrics}/healthz", at, *stores, manifests)
        shown, probe, hook = (f"127.0.0.1:{port}" for port in sets)
        where = (f"--metrics-addr={shown}", f"--probe-addr={probe}", f"--webhook-addr={hook}")
        progressive = ("--enable-progressive-syncs", f"--argocd-repo-server=127.0.0.1:{repo}")
        serve("argocd-applicationset-controller", f"{shown}/metrics", *where, *progressive)
        made = ArgoCd(kube, {"ARGOCD_CONFIG_DIR": str(accounts.home("person"))})
        _sign_in(made, f"127.0.0.1:{api}")
        yield made


def _module() -> Path:
    return downloaded("argo-cd", _MODULE, version())


def _install(kubectl: Kubectl) -> None:
    """As docs/gitops.md tells it."""
    kubectl("create", "namespace", NAMESPACE)
    manifests = _module() / "manifests" / "install.yaml"
    parts = [one for one in yaml.safe_load_all(manifests.read_text()) if one["kind"] not in _WITHOUT_A_NODE]
    inside = ("-n", NAMESPACE)
    kubectl("apply", "--server-side", *inside, "-f", "-", stdin="\n---\n".join(map(json.dumps, parts)))
    kubectl(*inside, "patch", "configmap", "argocd-cm", "--patch-file", str(_SHIPPED / "argocd-cm.yaml"))
    kubectl("apply", "-f", str(_SHIPPED / "rbac.yaml"))


@dataclass(frozen=True)
class _Accounts:
    """What each program has of its own: a folder, and a kubeconfig with its service account."""

    kubectl: Kubectl
    folder: Path

    def home(self, name: str) -> Path:
        made = self.folder / name
        made.mkdir(exist_ok=True)
        return made

    def settings_of(self, name: str) -> dict[str, str]:
        home = self.home(name)
        config = document(self.kubectl.kubeconfig.read_text())
        token = self.kubectl("create", "token", name, "-n", NAMESPACE, "--duration=6h").strip()
        config["users"][0]["user"] = {"token": token}
        config["contexts"][0]["context"]["namespace"] = NAMESPACE
        path = home / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))
        return {
            "KUBECONFIG": str(path),
            "ARGOCD_FAKE_IN_CLUSTER": "true",  # `https://kubernetes.default.svc` is what the kubeconfig says
            "ARGOCD_GPG_ENABLED": "false",
            "HOME": str(home),
            "TMPDIR": str(home),
            "PATH": f"{self.home('bin')}:{os.environ['PATH']}",
            **{f"ARGOCD_{what}_DATA_PATH": str(self.home(what.lower())) for what in ("TLS", "SSH")},
        }


def _sign_in(argo: ArgoCd, address: str) -> None:
    """As the administrator that Argo CD makes when it begins."""
    secret = eventually(
        lambda: argo.kube.get("v1", "Secret", "argocd-initial-admin-secret", NAMESPACE), what="the first password"
    )
    word = base64.b64decode(secret["data"]["password"]).decode()
    argo("login", address, "--plaintext", "--username=admin", f"--password={word}")
