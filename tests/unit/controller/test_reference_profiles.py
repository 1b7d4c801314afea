"""The reference profile comes from a pod, and is believed only as far as the version's digest reaches."""

from __future__ import annotations

import pytest

from tests.support.memory_collector import MemoryBundles, bundle
from tests.support.watched import REFERENCE
from viridian.api.manifest import MANIFEST_PATH
from viridian.api.profile import PROFILE_PATH
from viridian.api.samples import Identity, PodTarget
from viridian.controller.reference_profiles import ReferenceProfiles

FILES, DIGEST = bundle(REFERENCE)
POD = PodTarget(uid="pod", ip="10.0.0.1", identity=Identity())


async def test_a_genuine_profile() -> None:
    pods = MemoryBundles(FILES)
    reference_profiles = ReferenceProfiles(pods)
    assert (await reference_profiles.of("r1", DIGEST, [POD])).reference == REFERENCE
    assert (await reference_profiles.of("r1", DIGEST, [POD])).reference == REFERENCE
    assert len(pods.asked) == 2, "read once, together with the manifest"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({**FILES, PROFILE_PATH: FILES[PROFILE_PATH] + b" "}, "differs from the manifest"),
        ({**FILES, MANIFEST_PATH: b'{"a":"b"}'}, "was asked for"),
        ({PROFILE_PATH: FILES[PROFILE_PATH]}, "shows no manifest"),
    ],
    ids=["another profile", "another manifest", "no manifest"],
)
async def test_a_profile_that_is_not_genuine_is_not_believed_nor_remembered(files: dict[str, bytes], says: str) -> None:
    pods = MemoryBundles(files)
    reference_profiles = ReferenceProfiles(pods)
    found = await reference_profiles.of("r1", DIGEST, [POD])
    assert found.reference is None
    assert says in found.absent
    pods.files = FILES
    assert (await reference_profiles.of("r1", DIGEST, [POD])).reference == REFERENCE


async def test_a_version_without_one_says_so_by_its_manifest_and_is_asked_once() -> None:
    files, digest = bundle(None)
    pods = MemoryBundles(files)
    reference_profiles = ReferenceProfiles(pods)
    for _ in range(2):
        found = await reference_profiles.of("r1", digest, [POD])
        assert found.settled
        assert "bundle it" in found.absent
    assert len(pods.asked) == 1


@pytest.mark.parametrize(
    ("shown", "says"),
    [({}, "shows no manifest"), ({MANIFEST_PATH: FILES[MANIFEST_PATH]}, "which its manifest names")],
    ids=["an older server", "half of it"],
)
async def test_a_server_that_shows_nothing_is_asked_again(shown: dict[str, bytes], says: str) -> None:
    """It may be replaced by one that does, with the same version."""
    pods = MemoryBundles(shown)
    reference_profiles = ReferenceProfiles(pods)
    found = await reference_profiles.of("r1", DIGEST, [POD])
    assert says in found.absent
    assert found.settled, "in the next window is soon enough"
    pods.files = FILES
    assert (await reference_profiles.of("r1", DIGEST, [POD])).reference == REFERENCE


async def test_a_version_that_nobody_promised_is_asked_again() -> None:
    pods = MemoryBundles({})
    reference_profiles = ReferenceProfiles(pods)
    assert "bundle it" in (await reference_profiles.of("r1", None, [POD])).absent
    pods.files = FILES
    assert (await reference_profiles.of("r1", None, [POD])).reference == REFERENCE


async def test_one_pod_that_shows_it_is_enough() -> None:
    class OneOfTwo(MemoryBundles):
        async def read(self, target: PodTarget, path: str) -> bytes | None:
            return await super().read(target, path) if target.uid == "pod" else None

    other = PodTarget(uid="older", ip="10.0.0.2", identity=Identity())
    found = await ReferenceProfiles(OneOfTwo(FILES)).of("r1", DIGEST, [other, POD])
    assert found.reference == REFERENCE


async def test_pods_that_cannot_be_asked_are_asked_again() -> None:
    pods = MemoryBundles(FILES, unreadable="the server does not show it")
    reference_profiles = ReferenceProfiles(pods)
    assert not (await reference_profiles.of("r1", DIGEST, [POD])).settled
    assert not (await reference_profiles.of("r1", DIGEST, [])).settled
    pods.unreadable = ""
    assert (await reference_profiles.of("r1", DIGEST, [POD])).reference == REFERENCE


async def test_a_form_of_another_release() -> None:
    pods = MemoryBundles({PROFILE_PATH: b'{"version": 9}'})
    assert "not in the form of this release" in (await ReferenceProfiles(pods).of("r1", None, [POD])).absent
