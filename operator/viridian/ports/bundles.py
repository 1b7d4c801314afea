"""Files of the version that a pod serves, as it shows them on its management port."""

from __future__ import annotations

from typing import Final, Protocol

import aiohttp

from viridian.api.profile import BUNDLE_PATH
from viridian.api.samples import PodTarget

TIMEOUT_SECONDS: Final = 5.0
MAX_BYTES: Final = 32 * 1024 * 1024


class BundleUnreadable(Exception):
    """The pod could not be asked; the text is one sentence for people."""


class Bundles(Protocol):
    """Who asks verifies what he gets: a pod may run anything."""

    async def read(self, target: PodTarget, path: str) -> bytes | None:
        """The file, None where the version has none or the server shows none; raises BundleUnreadable."""


class HttpBundles:
    """The pods' management ports, over a session that its owner closes."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)

    async def read(self, target: PodTarget, path: str) -> bytes | None:
        host = f"[{target.ip}]" if ":" in target.ip else target.ip
        url = f"http://{host}:{target.port}{BUNDLE_PATH}/{path}"
        try:
            async with self._session.get(url, timeout=self._timeout, allow_redirects=False) as response:
                if response.status == 404:
                    return None
                if response.status != 200:
                    raise BundleUnreadable(f"the server answered {response.status} for {path}")
                body = await response.content.read(MAX_BYTES + 1)
                while len(body) <= MAX_BYTES and (more := await response.content.read(MAX_BYTES)):
                    body += more
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise BundleUnreadable(f"the server does not show {path}: {type(error).__name__}") from error
        if len(body) > MAX_BYTES:
            raise BundleUnreadable(f"{path} is longer than {MAX_BYTES} bytes")
        return body
