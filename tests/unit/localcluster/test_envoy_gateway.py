"""What is pinned for a gateway, and what its image takes from this computer."""

from __future__ import annotations

from localcluster import binaries, envoy_gateway
from localcluster.paths import REPOSITORY

LDD = """\
	linux-vdso.so.1 (0x00007ffd1b5f6000)
	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f2d0c4a1000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2d0c2c0000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f2d0c5a0000)
"""


def test_the_libraries_of_a_program_are_files() -> None:
    assert envoy_gateway.libraries(LDD) == [
        "/lib/x86_64-linux-gnu/libm.so.6",
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
    ]


def test_chart_and_controller_are_of_the_same_version() -> None:
    module = (binaries.CLUSTER.folder / "go.mod").read_text()
    assert f"{envoy_gateway.MODULE} {envoy_gateway.VERSION}" in module


def test_envoy_is_pinned_by_hashes() -> None:
    assert (REPOSITORY / "locks" / "envoy.txt").read_text().count("--hash=sha256:") > 0
