"""The configuration files of containerd, kubelet, kube-proxy and the pod network. Where a file may be JSON, it is."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from localcluster import host
from localcluster.components import Layout

NODE_NAME = "viridian"
NODE_ADDRESS = "10.89.0.1"
DNS_ADDRESS = "10.96.0.10"
POD_RANGE = "10.244.0.0/24"
NETWORK_NAME = "viridian-pods"
PAUSE_IMAGE = "docker.io/viridian/pause:dev"
API_PORT = 6443
KUBELET_PORT = 10250
PROXY_HEALTH_PORT = 10256
PROXY_METRICS_PORT = 10249
PROXY_MIN_SYNC_VARIABLE = "VIRIDIAN_PROXY_MIN_SYNC"
"""How long kube-proxy waits at least between two changes of its rules; Kubernetes' own default is 1s."""


@dataclass(frozen=True)
class NodeFiles:
    """The node's files; `run` is thrown away with the node, `images` keeps its images for the next one."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def images(self) -> Path:
        return self.root / "containerd"

    @property
    def socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def kubeconfig(self) -> Path:
        return self.run / "admin.kubeconfig"

    @property
    def before(self) -> Path:
        return self.root / "before.json"

    @property
    def processes(self) -> Path:
        return self.root / "processes.json"

    def config(self, name: str) -> Path:
        return self.run / "etc" / name


def write_all(files: NodeFiles, layout: Layout) -> None:
    (files.run / "etc" / "cni").mkdir(parents=True, exist_ok=True)
    files.config("containerd.toml").write_text(containerd(files))
    files.config("cni/10-viridian.conflist").write_text(json.dumps(pod_network(files), indent=1))
    files.config("resolv.conf").write_text("".join(f"nameserver {server}\n" for server in host.nameservers()))
    files.config("kubelet.json").write_text(json.dumps(kubelet(files, layout), indent=1))
    files.config("kube-proxy.json").write_text(json.dumps(kube_proxy(layout), indent=1))


def containerd(files: NodeFiles) -> str:
    quoted = json.dumps  # a JSON string is a TOML string as well
    return f"""\
version = 3
root = {quoted(str(files.images))}
state = {quoted(str(files.run / "containerd"))}

[grpc]
address = {quoted(str(files.socket))}

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = {quoted(PAUSE_IMAGE)}

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = {str(not host.may_lower_oom_score()).lower()}
# All mounts under one folder of ours, so that none can be forgotten.
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = [{quoted(str(host.cni_folder()))}]
conf_dir = {quoted(str(files.config("cni")))}

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = {quoted(str(host.runc()))}
Root = {quoted(str(files.run / "runc"))}
SystemdCgroup = false
"""


def pod_network(files: NodeFiles) -> dict[str, object]:
    """One routed pair of interfaces per pod.

    Not a bridge: between two pods on one bridge the answer of a Service would bypass the address translation
    unless the kernel has br_netfilter, and a bridge would have to be removed.
    """
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(files.run / "cni"),
    }
    return {
        "cniVersion": "1.0.0",
        "name": NETWORK_NAME,
        "plugins": [
            {"type": "ptp", "ipMasq": True, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet(files: NodeFiles, layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.address,
        "port": KUBELET_PORT,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": layout.pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": layout.pki("kubelet.crt"),
        "tlsPrivateKeyFile": layout.pki("kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{files.socket}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "makeIPTablesUtilChains": False,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": str(files.config("resolv.conf")),
        "podLogsDir": str(files.run / "pod-logs"),
        "volumePluginDir": str(files.run / "volume-plugins"),
        # Images here come from no registry: one that is collected does not come back.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "serializeImagePulls": False,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
    }


def kube_proxy(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig("kube-proxy"))},
        "hostnameOverride": NODE_NAME,
        "mode": "iptables",
        "iptables": {"minSyncPeriod": os.environ.get(PROXY_MIN_SYNC_VARIABLE, "1s")},
        "clusterCIDR": layout.networks.pods,
        "nodePortAddresses": ["127.0.0.0/8", f"{layout.address}/32"],
        "healthzBindAddress": f"127.0.0.1:{PROXY_HEALTH_PORT}",
        "metricsBindAddress": f"127.0.0.1:{PROXY_METRICS_PORT}",
        # Zero means: leave the computer's own settings as they are.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
