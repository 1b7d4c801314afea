"""The command lines of the control plane's programs, the same for the bare control plane and for the node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.binaries import program
from localcluster.certs import Authority, Subject
from localcluster.kubeconfig import write
from localcluster.waiting import Identity


@dataclass(frozen=True)
class Networks:
    """Addresses of one family inside of a cluster."""

    services: str
    first_service: str
    """Of the Service `kubernetes`."""
    pods: str


IPV4 = Networks("10.96.0.0/16", "10.96.0.1", "10.244.0.0/16")
IPV6 = Networks("fd00:96::/112", "fd00:96::1", "fd00:244::/56")

ADMIN = Subject("viridian-admin", "system:masters")
# Programs that act on the cluster, each with the user whom the built-in roles know.
CLIENTS = {
    "admin": ADMIN,
    "kube-controller-manager": Subject("system:kube-controller-manager"),
    "kube-scheduler": Subject("system:kube-scheduler"),
}


@dataclass(frozen=True)
class Layout:
    """Addresses and files of one control plane."""

    name: str
    root: Path
    address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    networks: Networks = IPV4

    @property
    def server(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{host}:{self.api_port}"

    @property
    def etcd(self) -> str:
        return f"https://127.0.0.1:{self.etcd_port}"

    @property
    def authority(self) -> Authority:
        return Authority(self.root / "pki")

    @property
    def identity(self) -> Identity:
        admin = self.authority.get("admin")
        return Identity(self.authority.pair.certificate, admin.certificate, admin.key)

    def pki(self, name: str) -> str:
        return str(self.root / "pki" / name)

    def kubeconfig(self, client: str) -> Path:
        return self.root / f"{client}.kubeconfig"

    def log(self, program_name: str) -> Path:
        return self.root / f"{program_name}.log"


def create_credentials(layout: Layout) -> None:
    """Everything that lets the programs trust each other, and one kubeconfig per client."""
    authority = layout.authority
    authority.create()
    authority.signing_key("service-account")
    authority.issue("etcd", Subject("etcd", addresses=("127.0.0.1", "localhost")))
    authority.issue("kube-apiserver", Subject("kube-apiserver", addresses=_serving_names(layout)))
    for name, subject in CLIENTS.items():
        add_client(layout, name, subject)


def add_client(layout: Layout, name: str, subject: Subject) -> Path:
    pair = layout.authority.issue(name, subject)
    return write(layout.kubeconfig(name), layout.name, layout.server, layout.authority.pair.certificate, pair)


def _serving_names(layout: Layout) -> tuple[str, ...]:
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    return tuple(dict.fromkeys((layout.address, "127.0.0.1", "localhost", layout.networks.first_service, *service)))


def etcd(layout: Layout) -> list[str]:
    peer = f"http://127.0.0.1:{layout.etcd_peer_port}"
    return [
        program("etcd"),
        f"--name={layout.name}",
        f"--data-dir={layout.root / 'etcd'}",
        # The data is thrown away with the cluster: waiting for the disk would buy nothing.
        "--unsafe-no-fsync",
        f"--listen-client-urls={layout.etcd}",
        f"--advertise-client-urls={layout.etcd}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={layout.name}={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={layout.pki('ca.crt')}",
        f"--cert-file={layout.pki('etcd.crt')}",
        f"--key-file={layout.pki('etcd.key')}",
        "--log-level=warn",
    ]


def kube_apiserver(layout: Layout, extra: Sequence[str] = (), *, release: str = "") -> list[str]:
    return [
        program(f"kube-apiserver{release}"),
        f"--bind-address={layout.address}",
        f"--advertise-address={layout.address}",
        f"--secure-port={layout.api_port}",
        f"--etcd-servers={layout.etcd}",
        f"--etcd-cafile={layout.pki('ca.crt')}",
        f"--etcd-certfile={layout.pki('etcd.crt')}",
        f"--etcd-keyfile={layout.pki('etcd.key')}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={layout.networks.services}",
        f"--client-ca-file={layout.pki('ca.crt')}",
        f"--tls-cert-file={layout.pki('kube-apiserver.crt')}",
        f"--tls-private-key-file={layout.pki('kube-apiserver.key')}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={layout.pki('service-account.key')}",
        f"--service-account-key-file={layout.pki('service-account.pub')}",
        # Without a preference for addresses, logs and exec would look the node's name up in DNS, in vain.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={layout.pki('ca.crt')}",
        # The admin's pair, because the kubelet answers logs and exec to system:masters without further roles.
        f"--kubelet-client-certificate={layout.pki('admin.crt')}",
        f"--kubelet-client-key={layout.pki('admin.key')}",
        f"--cert-dir={layout.root / 'pki'}",
        *extra,
    ]


def kube_controller_manager(layout: Layout, *, release: str = "") -> list[str]:
    return [
        program(f"kube-controller-manager{release}"),
        *_quiet_client(layout, "kube-controller-manager"),
        "--use-service-account-credentials",
        f"--service-account-private-key-file={layout.pki('service-account.key')}",
        f"--root-ca-file={layout.pki('ca.crt')}",
        "--allocate-node-cidrs",
        f"--cluster-cidr={layout.networks.pods}",
        f"--service-cluster-ip-range={layout.networks.services}",
    ]


def kube_scheduler(layout: Layout, *, release: str = "") -> list[str]:
    return [program(f"kube-scheduler{release}"), *_quiet_client(layout, "kube-scheduler")]


def _quiet_client(layout: Layout, name: str) -> tuple[str, ...]:
    """One instance, so no election; no port of its own, so nothing to collide with."""
    return (
        f"--kubeconfig={layout.kubeconfig(name)}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    )
