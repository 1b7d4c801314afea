"""What is built from which Go module, in which order, and where the result lies.

Each group has its own ``modules/<group>/go.mod``. Programs are in one group where they work with the same versions of
what they share, since Go compiles a package once for each version.
"""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from localcluster.errors import LocalClusterError
from localcluster.paths import MODULES, binaries_root

KUBERNETES_VERSION = "v1.37.2"
OLDEST_KUBERNETES_VERSION = "v1.30.14"
"""Of the oldest minor release that is supported with everything, as docs/api-policy.md says."""
_TOOLCHAIN = re.compile(r"^toolchain (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Group:
    """Binaries that come from one go.mod and share the flags they are built with."""

    name: str
    ldflags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return MODULES / self.name

    @property
    def go_settings(self) -> dict[str, str]:
        """Variables of `go`, which fetches a newer Go than a computer needs to have where the go.mod names one."""
        named = _TOOLCHAIN.search((self.folder / "go.mod").read_text())
        return {"GOTOOLCHAIN": named[1]} if named else {}

    @property
    def build_flags(self) -> tuple[str, ...]:
        """Flags of ``go build``: stripped, reproducible, and without a question to version control."""
        linking = f"-ldflags={' '.join(('-s', '-w', *self.ldflags))}"
        flags = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", linking)
        return (*flags, f"-tags={','.join(self.tags)}") if self.tags else flags


@dataclass(frozen=True)
class Binary:
    """One program and the Go package it is built from."""

    name: str
    group: Group
    package: str

    @property
    def path(self) -> Path:
        """Where the program lies once it is built; the file's presence says that it is complete."""
        return binaries_root() / f"{self.group.name}-{group_key(self.group)}" / self.name


@cache
def group_key(group: Group) -> str:
    """A short hash over everything that decides what the group's binaries are."""
    digest = hashlib.sha256()
    for source in sorted(path for path in group.folder.rglob("*") if path.suffix in {".mod", ".sum", ".go"}):
        digest.update(str(source.relative_to(group.folder)).encode() + b"\0" + source.read_bytes())
    digest.update("\0".join((platform.machine(), *group.build_flags)).encode())
    return digest.hexdigest()[:12]


def _says(version: str) -> tuple[str, ...]:
    """Without the version the server calls itself v0.0.0, and clients that ask for features by version go astray."""
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple(f"-X {package}.gitVersion={version}" for package in packages)


CLUSTER = Group("cluster", ldflags=_says(KUBERNETES_VERSION), tags=("no_btrfs", "no_zfs", "no_devmapper", "no_aufs"))
OLDEST_KUBERNETES = Group("kubernetes-oldest", ldflags=_says(OLDEST_KUBERNETES_VERSION))
KUBE_SCORE = Group("kube-score")
ARGO_ROLLOUTS = Group("argo-rollouts")
FLAGGER = Group("flagger")
GOPHER_LUA = Group("gopher-lua")
ACT = Group("act")
ACTIONLINT = Group("actionlint")
ALERTMANAGER = Group("alertmanager")
VERSITYGW = Group("versitygw")
ARGO_CD = Group("argo-cd")
_FLUX = Group("flux")
_FLUX_HELM = Group("flux-helm")

# In the order of building: the API server's parts first, so that it can start while the rest still builds.
CATALOGUE: tuple[Binary, ...] = (
    Binary("etcd", CLUSTER, "go.etcd.io/etcd/server/v3"),
    Binary("kube-apiserver", CLUSTER, "k8s.io/kubernetes/cmd/kube-apiserver"),
    Binary("kube-controller-manager", CLUSTER, "k8s.io/kubernetes/cmd/kube-controller-manager"),
    Binary("kubectl", CLUSTER, "k8s.io/kubernetes/cmd/kubectl"),
    Binary("kube-scheduler", CLUSTER, "k8s.io/kubernetes/cmd/kube-scheduler"),
    Binary("containerd", CLUSTER, "github.com/containerd/containerd/v2/cmd/containerd"),
    Binary("containerd-shim-runc-v2", CLUSTER, "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"),
    Binary("ctr", CLUSTER, "github.com/containerd/containerd/v2/cmd/ctr"),
    Binary("pause", CLUSTER, "./pause"),
    Binary("kubelet", CLUSTER, "k8s.io/kubernetes/cmd/kubelet"),
    Binary("kube-proxy", CLUSTER, "k8s.io/kubernetes/cmd/kube-proxy"),
    Binary("coredns", CLUSTER, "./coredns"),
    Binary("helm", CLUSTER, "helm.sh/helm/v4/cmd/helm"),
    Binary("kube-score", KUBE_SCORE, "github.com/zegl/kube-score/cmd/kube-score"),
    Binary("rollouts-controller", ARGO_ROLLOUTS, "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"),
    Binary("flagger", FLAGGER, "github.com/fluxcd/flagger/cmd/flagger"),
    Binary("envoy-gateway", CLUSTER, "github.com/envoyproxy/gateway/cmd/envoy-gateway"),
    Binary("glua", GOPHER_LUA, "github.com/yuin/gopher-lua/cmd/glua"),
    Binary("act", ACT, "github.com/nektos/act"),
    Binary("actionlint", ACTIONLINT, "github.com/rhysd/actionlint/cmd/actionlint"),
    Binary("kube-apiserver-oldest", OLDEST_KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver"),
    Binary("kube-controller-manager-oldest", OLDEST_KUBERNETES, "k8s.io/kubernetes/cmd/kube-controller-manager"),
    Binary("kube-scheduler-oldest", OLDEST_KUBERNETES, "k8s.io/kubernetes/cmd/kube-scheduler"),
    Binary("alertmanager", ALERTMANAGER, "github.com/prometheus/alertmanager/cmd/alertmanager"),
    Binary("versitygw", VERSITYGW, "github.com/versity/versitygw/cmd/versitygw"),
    # Command line, server, repo server and controllers in one: its name says which it is.
    Binary("argocd", ARGO_CD, "github.com/argoproj/argo-cd/v3/cmd"),
    Binary("source-controller", _FLUX, "github.com/fluxcd/source-controller"),
    Binary("kustomize-controller", _FLUX, "github.com/fluxcd/kustomize-controller"),
    Binary("helm-controller", _FLUX_HELM, "github.com/fluxcd/helm-controller"),
)

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
NODE = ("containerd", "containerd-shim-runc-v2", "ctr", "pause", "kubelet", "kube-proxy", "coredns")
TOOLS = ("kubectl", "helm")
SCANNERS = ("kube-score",)
BASELINES = ("rollouts-controller", "flagger")
GATEWAY = ("envoy-gateway",)
LUA = ("glua",)
"""The interpreter that Argo CD has built in."""
STACK = ("act", "actionlint", "alertmanager", "versitygw")
"""What runs and checks the examples of systems beside the operator: `make stack`."""
OLDEST = ("etcd", "kube-apiserver-oldest", "kube-controller-manager-oldest", "kube-scheduler-oldest", "kubectl")
"""The control plane of the oldest supported release: `make oldest`."""
GITOPS = ("argocd",)
"""What applies the models of a Git repository: `make argocd`."""
FLUX = ("source-controller", "kustomize-controller", "helm-controller")
"""The same by Flux: `make flux`."""
ON_DEMAND = (*BASELINES, *GATEWAY, *LUA, *STACK, *GITOPS, *FLUX, *(name for name in OLDEST if name.endswith("-oldest")))
"""What is built only when somebody asks for it by name."""


def binary(name: str) -> Binary:
    for known in CATALOGUE:
        if known.name == name:
            return known
    raise LocalClusterError(f"there is no binary {name!r}; known are: {', '.join(b.name for b in CATALOGUE)}")


def program(name: str) -> str:
    """The path of a program as an argument of a command."""
    return str(binary(name).path)
