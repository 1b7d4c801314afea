"""The node's configuration, the choice of a cluster, and the command line."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from localcluster import cli, clusters, components, host, nodeconfig
from localcluster.components import Layout
from localcluster.console import elapsed
from localcluster.errors import LocalClusterError
from localcluster.nodeconfig import NodeFiles
from localcluster.paths import cache_root, node_root

FILES = NodeFiles(Path("/cache/node"))
LAYOUT = Layout("here", FILES.run, "10.89.0.1", 6443, 1, 2)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"VIRIDIAN_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/viridian"),
        ({"HOME": "/c"}, "/c/.cache/viridian"),
    ],
    ids=["named", "by the desktop's rule", "by default"],
)
def test_the_cache_is_where_the_user_expects_it(environment: dict[str, str], expected: str) -> None:
    assert cache_root(environment) == Path(expected)


def test_a_node_behind_a_link_lies_where_the_kernel_sees_its_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    (tmp_path / "disk").mkdir()
    monkeypatch.setenv("VIRIDIAN_CACHE", str(tmp_path / "cache"))
    assert node_root() == tmp_path.resolve() / "disk" / "node"


@pytest.fixture
def _equipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer with everything that a node needs of it."""
    monkeypatch.setattr(host, "cni_folder", lambda: Path("/usr/lib/cni"))
    monkeypatch.setattr(host, "runc", lambda: Path("/usr/sbin/runc"))


@pytest.mark.usefixtures("_equipped")
def test_every_file_of_the_node_lies_below_its_folder() -> None:
    texts = [
        nodeconfig.containerd(FILES),
        json.dumps(nodeconfig.kubelet(FILES, LAYOUT)),
        json.dumps(nodeconfig.pod_network(FILES)),
    ]
    paths = {path for text in texts for path in re.findall(r'"(?:unix://)?(/[^"]+)"', text)}
    elsewhere = {path for path in paths if not path.startswith("/cache/node/")}
    assert elsewhere == {"/usr/lib/cni", "/usr/sbin/runc"}


@pytest.mark.usefixtures("_equipped")
def test_containerd_reads_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "may_lower_oom_score", lambda: False)
    plugins = tomllib.loads(nodeconfig.containerd(FILES))["plugins"]
    runtime = plugins["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False
    assert plugins["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == nodeconfig.PAUSE_IMAGE


def test_the_api_is_served_on_the_given_address_alone() -> None:
    command = components.kube_apiserver(LAYOUT)
    assert "--bind-address=10.89.0.1" in command
    assert not [argument for argument in command if argument.endswith("=0.0.0.0")]


def test_node_ports_are_open_on_this_computer_only() -> None:
    assert nodeconfig.kube_proxy(LAYOUT)["nodePortAddresses"] == ["127.0.0.0/8", "10.89.0.1/32"]


def test_the_proxy_is_as_slow_as_by_default_unless_a_measurement_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(nodeconfig.PROXY_MIN_SYNC_VARIABLE, raising=False)
    assert nodeconfig.kube_proxy(LAYOUT)["iptables"] == {"minSyncPeriod": "1s"}
    monkeypatch.setenv(nodeconfig.PROXY_MIN_SYNC_VARIABLE, "10ms")
    assert nodeconfig.kube_proxy(LAYOUT)["iptables"] == {"minSyncPeriod": "10ms"}


def test_a_cluster_that_the_user_names_comes_first() -> None:
    environment = {"VIRIDIAN_KUBECONFIG": "/from/environment"}
    assert clusters.choose("/from/flag", environment).kubeconfig == Path("/from/flag")
    assert clusters.choose(None, environment).kubeconfig == Path("/from/environment")


def test_kind_comes_before_the_node_when_an_engine_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIRIDIAN_CACHE", str(tmp_path))
    monkeypatch.setattr("localcluster.clusters.shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(clusters, "docker_answers", lambda: True)
    assert isinstance(clusters.choose(None, {}), clusters.KindCluster)
    monkeypatch.setattr(clusters, "docker_answers", lambda: False)
    assert isinstance(clusters.choose(None, {}), clusters.NodeCluster)


def test_kind_is_asked_to_create_what_it_does_not_have(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that stands in for kind and writes down how it was called."""
    calls = tmp_path / "calls"
    kind = tmp_path / "kind"
    kind.write_text(
        f'#!/bin/sh\necho "$*" >> {calls}\n[ "$1 $2" = "get clusters" ] && cat {tmp_path}/clusters\nexit 0\n'
    )
    kind.chmod(0o755)
    clusters_of_kind = tmp_path / "clusters"
    clusters_of_kind.write_text("other\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("VIRIDIAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(clusters, "ensure", lambda _: None)
    cluster = clusters.KindCluster()
    assert cluster.status() == {"viridian": "absent"}
    cluster.up()
    clusters_of_kind.write_text("other\nviridian\n")
    cluster.up()
    cluster.down()
    where = f"--name=viridian --kubeconfig={cluster.kubeconfig}"
    assert [call for call in calls.read_text().splitlines() if call != "get clusters"] == [
        f"create cluster {where} --wait=120s",
        f"export kubeconfig {where}",
        f"delete cluster {where}",
    ]


def test_a_named_cluster_is_neither_stopped_nor_given_images(tmp_path: Path) -> None:
    named = clusters.NamedCluster(tmp_path / "config")
    named.down()
    assert named.status() == {"kubeconfig": "missing"}
    with pytest.raises(LocalClusterError, match="pushed to a registry"):
        named.load({})


def test_the_environment_names_the_cluster_and_the_tools(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["env", "--kubeconfig", "/my/config"]) == 0
    printed = capsys.readouterr().out
    assert "export KUBECONFIG=/my/config\n" in printed
    assert re.search(r'^export PATH=.*/cluster-\w+:"\$PATH"$', printed, re.MULTILINE)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    printed = capsys.readouterr().out
    for command in ("build", "up", "down", "status", "env", "control-plane", "images"):
        assert re.search(rf"^    {command}\s", printed, re.MULTILINE)


def test_what_a_person_must_know_is_said_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["build", "no-such-binary"]) == 1
    assert capsys.readouterr().err.startswith("error: there is no binary 'no-such-binary'")


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (59.9, "0:59"), (61, "1:01"), (3600, "60:00")])
def test_elapsed_time_reads_as_a_clock(seconds: float, shown: str) -> None:
    assert elapsed(seconds) == shown
