"""An image is built when an input changed, loaded when the node has another, and packed without what the node has."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from localcluster import images, ocilayout
from localcluster.engine import Recipe
from localcluster.errors import LocalClusterError
from localcluster.paths import REPOSITORY


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "lock.txt").write_text("a==1")
    (tmp_path / "source" / "inner").mkdir(parents=True)
    (tmp_path / "source" / "inner" / "module.py").write_text("x = 1")
    return tmp_path


def key(project: Path, *extra: str) -> str:
    return images.input_key(project, ("source", "lock.txt"), *extra)


def test_the_key_follows_contents_names_and_the_base(project: Path) -> None:
    before = key(project)
    assert key(project) == before
    assert key(project, "another base") != before
    (project / "source" / "inner" / "module.py").write_text("x = 2")
    changed = key(project)
    assert changed != before
    (project / "source" / "inner" / "module.py").rename(project / "source" / "module.py")
    assert key(project) not in {before, changed}


def test_compiled_files_do_not_change_the_key(project: Path) -> None:
    before = key(project)
    (project / "source" / "__pycache__").mkdir()
    (project / "source" / "__pycache__" / "module.pyc").touch()
    assert key(project) == before


@pytest.mark.parametrize("image", images.IMAGES, ids=lambda image: image.name)
def test_every_image_is_a_target_and_its_inputs_exist(image: images.Image) -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert f" AS {image.name}\n" in dockerfile
    assert [name for name in image.inputs if not (REPOSITORY / name).exists()] == []


def test_an_unknown_image_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LocalClusterError, match=r"operater.*operator, server"):
        images.select(["operater"])
    assert images.select([]) == list(images.IMAGES)


def test_loaded_images_are_read_from_the_listing() -> None:
    listing = (
        "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
        "docker.io/viridian/pause:dev application/vnd.oci.image.manifest.v1+json sha256:12 1.4 MiB linux/amd64 -\n"
    )
    assert images.loaded(listing) == {"docker.io/viridian/pause:dev": "sha256:12"}


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh")
    ocilayout.write_program_image(tmp_path / "layout", "docker.io/x/y:z", {"/program": program}, ["/program"])
    return tmp_path / "layout"


def members(layout: Path, without: tuple[str, ...] = ()) -> list[str]:
    archive = io.BytesIO()
    ocilayout.pack(layout, archive, without)
    with tarfile.open(fileobj=io.BytesIO(archive.getvalue())) as tar:
        return tar.getnames()


def test_an_image_is_named_and_complete(layout: Path) -> None:
    index = json.loads((layout / "index.json").read_text())
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == "docker.io/x/y:z"
    assert len(members(layout)) == len(["oci-layout", "index.json", "manifest", "config", "layer"])


def test_the_same_program_gives_the_same_image(layout: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    ocilayout.write_program_image(again, "docker.io/x/y:z", {"/program": tmp_path / "program"}, ["/program"])
    assert ocilayout.digest(again) == ocilayout.digest(layout)


def test_what_the_reader_has_is_left_out(layout: Path) -> None:
    manifest = ocilayout.digest(layout)
    name = manifest.replace("sha256:", "blobs/sha256/")
    assert name in members(layout)
    assert name not in members(layout, without=(manifest,))


def test_blobs_of_a_former_version_are_removed(layout: Path, tmp_path: Path) -> None:
    (tmp_path / "program").write_text("#!/bin/sh\nexit 1")
    former = json.loads((layout / "index.json").read_text())["manifests"][0]
    ocilayout.write_program_image(layout, "docker.io/x/y:z", {"/program": tmp_path / "program"}, ["/program"])
    index = json.loads((layout / "index.json").read_text())
    index["manifests"].append({key: former[key] for key in ("mediaType", "digest", "size")})
    (layout / "index.json").write_text(json.dumps(index))
    with pytest.raises(LocalClusterError, match="holds 2 images"):
        ocilayout.digest(layout)
    assert len(list(layout.rglob("blobs/sha256/*"))) == 2 * len(["manifest", "config", "layer"])
    ocilayout.prune(layout)
    assert ocilayout.digest(layout) == index["manifests"][0]["digest"]
    assert len(list(layout.rglob("blobs/sha256/*"))) == len(["manifest", "config", "layer"])
    assert len(members(layout)) == len(["oci-layout", "index.json", "manifest", "config", "layer"])


def test_a_recipe_names_its_target_arguments_and_secrets() -> None:
    recipe = Recipe(Path("/p/Dockerfile"), Path("/p"), "x:dev", "server", {"BASE": "b"}, {"ca": Path("/ca")})
    assert recipe.options() == [
        "--file=/p/Dockerfile", "--tag=x:dev", "--target=server", "--build-arg=BASE=b", "--secret=id=ca,src=/ca",
    ]  # fmt: skip
    assert Recipe(Path("/f"), Path("/"), "x").options() == ["--file=/f", "--tag=x"]


def test_an_image_may_have_a_folder_that_every_user_can_write_to(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh")
    ocilayout.write_program_image(tmp_path / "l", "docker.io/x/y:z", {"/bin/p": program}, ["/bin/p"], temporary=True)
    blobs = [blob for blob in (tmp_path / "l" / "blobs" / "sha256").iterdir() if tarfile.is_tarfile(blob)]
    with tarfile.open(blobs[0]) as layer:
        assert [(one.name, one.isdir(), oct(one.mode)) for one in layer] == [
            ("tmp", True, "0o1777"),
            ("bin/p", False, "0o755"),
        ]


def test_a_program_image_is_written_anew_when_its_key_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRIDIAN_CACHE", str(tmp_path))
    program = tmp_path / "program"
    program.write_text("first")
    layout = images.program_image("envoy", "1", {"/bin/envoy": program})
    first = ocilayout.digest(layout)
    program.write_text("second")
    assert ocilayout.digest(images.program_image("envoy", "1", {"/bin/envoy": program})) == first
    assert ocilayout.digest(images.program_image("envoy", "2", {"/bin/envoy": program})) != first
    assert images.has_key("envoy", "2")
