"""What the operator believes about a pod's own files, asked of a real server through the real adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.support import models
from tests.support.server_process import KEY, running
from viridian.api.manifest import MANIFEST_PATH, SIGNATURE_PATH
from viridian.api.profile import BUNDLE_PATH, PROFILE_PATH, ReferenceProfile
from viridian.controller.reference_profiles import ReferenceProfiles
from viridian.ports.pod_files import Bundles, HttpBundles
from viridian.ports.pod_http import pod_http


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def pods() -> AsyncIterator[Bundles]:
    async with pod_http(KEY) as http:
        yield HttpBundles(http)


async def test_the_profile_of_a_version_is_read_from_its_pod_and_verified(tmp_path: Path, pods: Bundles) -> None:
    packed = models.write_sealed(tmp_path / "model")
    async with running(packed.directory, tmp_path, model_digest=packed.digest) as server:
        found = await ReferenceProfiles(pods).of("r1", packed.digest, [server.target])
        assert found.absent == ""
        assert found.settled
        assert found.reference == msgspec.json.decode(
            (packed.directory / PROFILE_PATH).read_bytes(), type=ReferenceProfile
        )
        for path in (PROFILE_PATH, MANIFEST_PATH):
            assert await pods.read(server.target, path) == (packed.directory / path).read_bytes()


async def test_a_version_without_a_profile_says_so_by_its_manifest(tmp_path: Path, pods: Bundles) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    digest = models.add_manifest(directory)
    async with running(directory, tmp_path, model_digest=digest) as server:
        found = await ReferenceProfiles(pods).of("r1", digest, [server.target])
    assert found.reference is None
    assert found.settled
    assert "bundle it with viridian's trainer library" in found.absent


async def test_nothing_else_of_the_version_is_shown(
    tmp_path: Path, pods: Bundles, session: aiohttp.ClientSession
) -> None:
    packed = models.write_sealed(tmp_path / "model")
    (packed.directory / SIGNATURE_PATH).write_text("whose it is")
    async with running(packed.directory, tmp_path) as server:
        others = ("MLmodel", "model.onnx", SIGNATURE_PATH, "viridian/holdout.json", "viridian/", "")
        for path in (*others, f"viridian%2f..%2f{PROFILE_PATH}", f"%2f{PROFILE_PATH}", f"{PROFILE_PATH}/"):
            assert await pods.read(server.target, path) is None, path
        async with session.post(f"{server.management}{BUNDLE_PATH}/{PROFILE_PATH}") as answer:
            assert answer.status == 405
        async with session.get(f"{server.url}{BUNDLE_PATH}/{PROFILE_PATH}") as answer:
            assert answer.status == 404, "it is not for users"


async def test_a_link_that_leads_out_of_the_version_is_not_followed(tmp_path: Path, pods: Bundles) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    (tmp_path / "secret").write_text("not of the version")
    (directory / "viridian").mkdir()
    (directory / PROFILE_PATH).symlink_to(tmp_path / "secret")
    async with running(directory, tmp_path) as server:
        assert await pods.read(server.target, PROFILE_PATH) is None
