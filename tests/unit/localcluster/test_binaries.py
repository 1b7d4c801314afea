"""What is built, in which order, and under which key it is kept."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from localcluster import binaries, builder
from localcluster.binaries import CATALOGUE, Binary, Group, binary, group_key
from localcluster.errors import LocalClusterError

GROUPS = sorted({known.group for known in CATALOGUE}, key=lambda group: group.name)


def test_the_control_plane_is_built_before_the_node() -> None:
    names = [known.name for known in CATALOGUE]
    needed = {*binaries.CONTROL_PLANE, *binaries.NODE, *binaries.TOOLS, *binaries.SCANNERS}
    assert sorted(names) == sorted({*needed, *binaries.ON_DEMAND})
    assert not needed & {*binaries.ON_DEMAND}
    last_of_control_plane = max(names.index(name) for name in binaries.CONTROL_PLANE)
    assert last_of_control_plane < min(names.index(name) for name in binaries.NODE)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_group_is_pinned_by_its_module_files(group: Group) -> None:
    module = (group.folder / "go.mod").read_text()
    assert re.search(r"^go 1\.26", module, re.MULTILINE) or group.go_settings
    external = [known for known in CATALOGUE if known.group == group and not known.package.startswith("./")]
    for known in external:
        assert known.package in module
        assert (group.folder / "go.sum").stat().st_size > 0


def test_the_versions_that_the_servers_name_are_those_of_the_module() -> None:
    for group, version in (
        (binaries.CLUSTER, binaries.KUBERNETES_VERSION),
        (binaries.OLDEST_KUBERNETES, binaries.OLDEST_KUBERNETES_VERSION),
    ):
        assert f"k8s.io/kubernetes {version}" in (group.folder / "go.mod").read_text()
        assert any(f"gitVersion={version}" in flag for flag in group.build_flags)


def test_a_newer_go_is_fetched_for_the_group_that_names_one() -> None:
    assert binaries.ARGO_CD.go_settings == {"GOTOOLCHAIN": "go1.27.3"}
    assert binaries.CLUSTER.go_settings == {}


def test_other_flags_give_another_key() -> None:
    assert group_key(binaries.CLUSTER) == group_key(replace(binaries.CLUSTER))
    assert group_key(binaries.CLUSTER) != group_key(replace(binaries.CLUSTER, tags=("other",)))


def test_another_line_of_a_program_of_our_own_gives_another_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binaries, "MODULES", tmp_path)
    program = tmp_path / "own" / "pause" / "main.go"
    program.parent.mkdir(parents=True)
    program.write_text("package main")
    before = group_key(Group("own"))
    program.write_text("package main // other")
    group_key.cache_clear()
    assert group_key(Group("own")) != before


def test_tags_are_given_to_the_compiler_only_when_there_are_some() -> None:
    assert "-tags=no_btrfs,no_zfs,no_devmapper,no_aufs" in binaries.CLUSTER.build_flags
    assert not [flag for flag in binaries.KUBE_SCORE.build_flags if flag.startswith("-tags")]


def test_an_unknown_binary_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LocalClusterError, match=r"'etcdd'.*kube-apiserver"):
        binary("etcdd")


def test_a_missing_compiler_is_answered_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIRIDIAN_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LocalClusterError, match=r"Install Go 1\.26"):
        builder.ensure(["etcd"])


def test_a_broken_build_shows_the_end_of_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIRIDIAN_CACHE", f"{tmp_path}/cache")
    compiler = tmp_path / "go"
    compiler.write_text(
        '#!/bin/sh\n[ "$1" = env ] && { echo go1.0; exit 0; }\necho "cannot find main module"; exit 1\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(LocalClusterError, match=r"building etcd failed(.|\n)*cannot find main module(.|\n)*go1\.0"):
        builder.ensure(["etcd"])
    assert builder.missing(["etcd"]) == ["etcd"]


def test_a_binary_lies_under_its_groups_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIRIDIAN_CACHE", str(tmp_path))
    known: Binary = binary("ctr")
    assert str(known.path) == f"{tmp_path}/bin/cluster-{group_key(known.group)}/ctr"
