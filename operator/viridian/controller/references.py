"""The reference profile of the champion's version, from one of its pods, verified by the version's digest.

The pod shows the files as they lie in the version, so this works for every source of models and while the registry is
down; whoever knows the digest can tell whether they are genuine. What was verified once is remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from viridian.api import manifest
from viridian.api.profile import PROFILE_PATH, Reference
from viridian.api.samples import PodTarget
from viridian.ports.bundles import Bundles, BundleUnreadable

MOST = 256
_DECODER = msgspec.json.Decoder(Reference)


@dataclass(frozen=True, slots=True)
class Found:
    """The profile, or why there is none, for people."""

    reference: Reference | None
    absent: str = ""
    settled: bool = True
    """Whether asking again would bring the same."""


class References:
    """Asks the pods of a revision for what its version was trained on."""

    def __init__(self, bundles: Bundles) -> None:
        self._bundles = bundles
        self._known: dict[str, Found] = {}

    async def of(self, revision: str, digest: str | None, targets: Sequence[PodTarget]) -> Found:
        """Never raises. `digest` is that of the version's manifest, None where nobody promised one."""
        name = digest or revision
        if name in self._known:
            return self._known[name]
        found = Found(None, "no pod of the champion could be asked for the version's profile", settled=False)
        for target in targets:
            found = await self._ask(target, digest)
            if found.settled:
                break
        if found.settled:
            self._known[name] = found
            while len(self._known) > MOST:
                del self._known[next(iter(self._known))]
        return found

    async def _ask(self, target: PodTarget, digest: str | None) -> Found:
        try:
            profile = await self._bundles.read(target, PROFILE_PATH)
            if profile is None:
                return Found(None, f"the version has no {PROFILE_PATH}: bundle it with viridian's trainer library")
            listed = await self._bundles.read(target, manifest.MANIFEST_PATH)
        except BundleUnreadable as error:
            return Found(None, str(error), settled=False)
        try:
            _verify(profile, listed, digest)
            return Found(_DECODER.decode(profile))
        except manifest.ManifestError as error:
            # Another pod may be honest.
            return Found(None, f"the version's profile is not genuine: {error}", settled=False)
        except msgspec.MsgspecError as error:
            return Found(None, f"the version's {PROFILE_PATH} is not in the form of this release: {error}")


def _verify(profile: bytes, listed: bytes | None, digest: str | None) -> None:
    if digest is None:
        return
    if listed is None:
        raise manifest.ManifestError("the server shows no manifest")
    manifest.check_digest(listed, digest)
    if manifest.parse(listed).get(PROFILE_PATH) != hashlib.sha256(profile).hexdigest():
        raise manifest.ManifestError(f"{PROFILE_PATH} differs from the manifest")
