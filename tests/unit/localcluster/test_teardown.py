"""What is ours among mounts, files and sockets of the whole computer."""

from __future__ import annotations

import socket
from pathlib import Path

from localcluster.residue import prune, remove_dead_sockets, remove_links, remove_network_results
from localcluster.teardown import mounts_below, stale_images

MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:30 / /cache/node/run/kubelet rw - tmpfs tmpfs rw
31 30 0:31 / /cache/node/run/kubelet/pods/a\\040b rw - tmpfs tmpfs rw
32 22 0:32 / /cache/node-of-another rw - tmpfs tmpfs rw
33 22 0:33 / /cache/node rw - tmpfs tmpfs rw
"""


def test_mounts_of_our_folder_are_found_the_innermost_first() -> None:
    assert mounts_below(MOUNTINFO, Path("/cache/node")) == [
        "/cache/node/run/kubelet/pods/a b",
        "/cache/node/run/kubelet",
        "/cache/node",
    ]


def test_images_that_lost_their_name_to_a_newer_one_are_stale() -> None:
    listing = """REF TYPE DIGEST SIZE
docker.io/viridian/server:dev oci sha256:new 1 MiB
sha256:config-of-new oci sha256:new 1 MiB
sha256:config-of-old oci sha256:old 1 MiB
"""
    assert stale_images(listing) == ["sha256:config-of-old"]


def test_only_links_into_our_folder_are_removed(tmp_path: Path) -> None:
    (tmp_path / "ours").symlink_to("/cache/node/run/pod-logs/x")
    (tmp_path / "theirs").symlink_to("/var/log/pods/x")
    (tmp_path / "file").touch()
    remove_links(tmp_path, Path("/cache/node/run"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "theirs"]


def test_results_of_our_pods_are_removed_with_those_of_their_loopback(tmp_path: Path) -> None:
    for name in ("viridian-pods-abc-eth0", "cni-loopback-abc-lo", "cni-loopback-def-lo", "other-def-eth0"):
        (tmp_path / name).touch()
    remove_network_results(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cni-loopback-def-lo", "other-def-eth0"]


def test_a_socket_goes_when_nobody_listens_on_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as alive, socket.socket(socket.AF_UNIX) as dead:
        alive.bind(str(tmp_path / "alive"))
        alive.listen()
        dead.bind(str(tmp_path / "dead"))
        dead.close()
        remove_dead_sockets(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["alive"]


def test_folders_go_as_far_as_there_is_no_file_in_them(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c" / "d").mkdir(parents=True)
    (tmp_path / "c" / "kept").touch()
    prune(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["c", "c/kept"]


def test_nothing_there_is_nothing_to_do(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    remove_links(nowhere, tmp_path)
    remove_network_results(nowhere)
    remove_dead_sockets(nowhere)
    prune(nowhere)
    assert not nowhere.exists()
