"""The reference profile of the champion's version, from one of its pods, verified by the version's digest.

A pod shows the files of the version as they are, so this works for every source of models and while the registry is
down. The digest proves that they are genuine. What is certain is remembered. That a server shows nothing is not
certain: it may be older than the operator, or a runtime of the user's own. It is asked again for every window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from viridian.api import manifest
from viridian.api.profile import PROFILE_PATH, ReferenceProfile
from viridian.api.samples import PodTarget
from viridian.ports.pod_files import Bundles, BundleUnreadable

MAX_PROFILES: Final = 256
_DECODER = msgspec.json.Decoder(ReferenceProfile)
_NO_PROFILE: Final = f"the version has no {PROFILE_PATH}: bundle it with viridian's trainer library"
_NOTHING_SHOWN: Final = "a server of an older release shows none, and neither does a runtime of your own"


@dataclass(frozen=True, slots=True)
class FoundProfile:
    """The profile, or why there is none, for people."""

    reference: ReferenceProfile | None
    absent: str = ""
    settled: bool = True
    """Whether asking again before the next window would bring the same."""
    certain: bool = False
    """Whether no pod of this version will ever say anything else."""


class ReferenceProfiles:
    """Asks the pods of a revision for what its version was trained on."""

    def __init__(self, bundles: Bundles) -> None:
        self._bundles = bundles
        self._known: dict[str, FoundProfile] = {}

    def known(self, revision: str, digest: str | None) -> FoundProfile | None:
        """What is certain already, and needs no pod."""
        return self._known.get(digest or revision)

    async def of(self, revision: str, digest: str | None, targets: Sequence[PodTarget]) -> FoundProfile:
        """Never raises. `digest` is that of the version's manifest, None where nobody promised one."""
        if (known := self.known(revision, digest)) is not None:
            return known
        found = FoundProfile(None, "no pod of the champion could be asked for the version's profile", settled=False)
        for target in targets:
            found = await self._ask(target, digest)
            if found.certain:
                self._remember(digest or revision, found)
                break
        return found

    def _remember(self, name: str, found: FoundProfile) -> None:
        self._known[name] = found
        while len(self._known) > MAX_PROFILES:
            del self._known[next(iter(self._known))]

    async def _ask(self, target: PodTarget, digest: str | None) -> FoundProfile:
        try:
            return await self._taken_as_it_is(target) if digest is None else await self._verified(target, digest)
        except BundleUnreadable as error:
            return FoundProfile(None, str(error), settled=False)
        except manifest.ManifestError as error:
            # Another pod may be honest.
            return FoundProfile(None, f"the version's profile is not genuine: {error}", settled=False)

    async def _taken_as_it_is(self, target: PodTarget) -> FoundProfile:
        """From a version whose digest nobody promised."""
        profile = await self._bundles.read(target, PROFILE_PATH)
        return FoundProfile(None, f"{_NO_PROFILE} ({_NOTHING_SHOWN})") if profile is None else _read(profile)

    async def _verified(self, target: PodTarget, digest: str) -> FoundProfile:
        listed = await self._bundles.read(target, manifest.MANIFEST_PATH)
        if listed is None:
            return FoundProfile(None, f"the server shows no manifest of the version: {_NOTHING_SHOWN}")
        manifest.check_digest(listed, digest)
        promised = manifest.parse(listed).get(PROFILE_PATH)
        if promised is None:
            return FoundProfile(None, _NO_PROFILE, certain=True)
        profile = await self._bundles.read(target, PROFILE_PATH)
        if profile is None:
            return FoundProfile(
                None, f"the server does not show the version's {PROFILE_PATH}, which its manifest names"
            )
        if hashlib.sha256(profile).hexdigest() != promised:
            raise manifest.ManifestError(f"{PROFILE_PATH} differs from the manifest")
        return _read(profile)


def _read(profile: bytes) -> FoundProfile:
    try:
        return FoundProfile(_DECODER.decode(profile), certain=True)
    except msgspec.MsgspecError as error:
        why = f"the version's {PROFILE_PATH} is not in the form of this release: {error}"
        return FoundProfile(None, why, certain=True)
