"""Pushing images: what is asked of whichever program builds them, and what is said when none does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localcluster import engine, images, publish
from localcluster.engine import Buildah, Docker, Podman
from localcluster.errors import LocalClusterError

DIGEST = f"sha256:{'a' * 64}"
FAKE = """#!/bin/sh
echo "${{0##*/}} $*" >> {calls}
for word in "$@"; do case "$word" in --digestfile=*) printf '%s\\n' {digest} > "${{word#--digestfile=}}";; esac; done
[ "$2" = inspect ] && printf 'elsewhere/x@sha256:00\\nr.example.com:5000/v/operator@%s\\n' {digest}
exit 0
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was called of docker, podman and buildah, which do nothing."""
    calls = tmp_path / "calls"
    for program in ("docker", "podman", "buildah"):
        path = tmp_path / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(FAKE.format(calls=calls, digest=DIGEST))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("VIRIDIAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return calls


def without(calls: Path, *programs: str) -> None:
    """Programs that are not installed, or whose engine does not answer."""
    for program in programs:
        (calls.parent / "bin" / program).write_text("#!/bin/sh\nexit 1\n")


TARGET = "r.example.com:5000/v/operator:1.2"


@pytest.mark.parametrize("made", [Docker, Podman, Buildah], ids=lambda made: made.name)
def test_every_program_pushes_under_the_name_and_tells_the_digest(made: type[Docker], calls: Path) -> None:
    digest = made().push("docker.io/viridian/operator:dev", TARGET, calls.parent / "log", insecure=False)
    assert digest == DIGEST
    pushed = [line for line in calls.read_text().splitlines() if " push " in line]
    assert len(pushed) == 1
    assert pushed[0].endswith(TARGET)
    assert "--tls-verify=false" not in pushed[0]


@pytest.mark.parametrize("made", [Podman, Buildah], ids=lambda made: made.name)
def test_a_registry_without_tls_is_asked_for_by_name(made: type[Podman], calls: Path) -> None:
    made().push("docker.io/viridian/operator:dev", TARGET, calls.parent / "log", insecure=True)
    assert "--tls-verify=false" in calls.read_text()


def test_docker_comes_first_then_buildah_as_root_then_podman(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.kind() is Docker
    without(calls, "docker")
    assert engine.kind() is Buildah
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert engine.kind() is Podman


def test_where_none_answers_it_says_what_to_do(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(calls, "docker", "podman")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalClusterError, match=r"Start Docker, install podman, or run this as root on Debian"):
        engine.find()


@pytest.mark.parametrize("registry", ["", " ", "/"])
def test_without_a_registry_it_says_how_to_name_one(registry: str) -> None:
    with pytest.raises(LocalClusterError, match=r"make images REGISTRY=registry\.example\.com/viridian"):
        publish.publish(registry)


def test_a_registry_is_no_address() -> None:
    with pytest.raises(LocalClusterError, match=r"write r\.example\.com/v"):
        publish.checked("https://r.example.com/v")


def test_all_images_are_pushed_under_one_prefix_and_the_version(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(calls, "docker")
    built: list[str] = []

    def build(names: list[str], _: str) -> None:
        built.extend(names)

    monkeypatch.setattr(images, "build", build)
    published = publish.publish("r.example.com/v/")
    assert built == [image.name for image in images.IMAGES]
    assert [image.reference for image in published] == [f"r.example.com/v/{name}@{DIGEST}" for name in built]
    assert all(f"docker://r.example.com/v/{name}:{publish.version()}" in calls.read_text() for name in built)
    said = publish.how_to_install(published)
    assert "--set image.registry=r.example.com/v" in said
    assert f"--set image.digests.server={DIGEST}" in said
    assert "trainer" not in said


BY_DIGEST = f"python:3.11-slim@{DIGEST}"


@pytest.mark.parametrize("base", ["", "python:3.11-slim", "python@sha256:abc", f"{BY_DIGEST} --no-cache"])
def test_a_release_is_not_built_from_a_base_that_may_move(base: str, calls: Path) -> None:
    with pytest.raises(LocalClusterError, match="a base image with a digest"):
        publish.publish("r.example.com/v", base=base, release=True)
    assert not calls.exists()


def test_a_release_is_built_from_the_base_that_it_names(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(calls, "docker")

    def export(_: Buildah, __: str, layout: Path, ___: Path) -> None:
        (layout / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        (layout / "index.json").write_text('{"manifests": []}')

    monkeypatch.setattr(Buildah, "export", export)
    for base in (BY_DIGEST, BY_DIGEST, BY_DIGEST.replace("aa", "bb")):
        publish.publish("r.example.com/v", names=["operator"], base=base, release=True)
    first, second = [line for line in calls.read_text().splitlines() if " bud " in line]
    assert f"--build-arg=BASE={BY_DIGEST} --build-arg=BUILD_BASE={BY_DIGEST}" in first
    assert first != second, "another base makes another image"
