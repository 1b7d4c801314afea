"""Files of the version that a pod serves, as it shows them on its management port."""

from __future__ import annotations

from typing import Final, Protocol

import aiohttp

from viridian.api.profile import BUNDLE_PATH
from viridian.api.samples import PodTarget
from viridian.ports.bounded_bodies import TooLong
from viridian.ports.pod_http import PodHttp

TIMEOUT_SECONDS: Final = 5.0
MAX_BYTES: Final = 8 * 1024 * 1024
"""Of one file: profiles of some hundred features have less than one."""


class BundleUnreadable(Exception):
    """The pod could not be asked; the text is one sentence for people."""


class Bundles(Protocol):
    """The caller verifies the content: a pod may run anything."""

    async def read(self, target: PodTarget, path: str) -> bytes | None:
        """The file, None where the version has none or the server shows none; raises BundleUnreadable."""


class HttpBundles:
    """The pods' management ports."""

    def __init__(self, http: PodHttp) -> None:
        self._http = http

    async def read(self, target: PodTarget, path: str) -> bytes | None:
        asked = self._http.get(target, f"{BUNDLE_PATH}/{path}", most=MAX_BYTES, seconds=TIMEOUT_SECONDS, proven=True)
        try:
            answer = await self._http.aside.run(asked)
        except TooLong as error:
            raise BundleUnreadable(f"{path} cannot be read: {error}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise BundleUnreadable(f"the server does not show {path}: {type(error).__name__}") from error
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise BundleUnreadable(f"the server answered {answer.status} for {path}")
        return bytes(answer.body)
