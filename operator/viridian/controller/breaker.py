"""A registry that does not answer is left alone for a moment, so that no pass waits for it twice.

A revert must not queue behind timeouts of a server that it does not need.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from viridian.controller.wrapped_port import Call, wrapped
from viridian.ports.registry import Registry, RegistryRefused, RegistryUnavailable

REST_SECONDS: Final = 10.0


def breaking(registry: Registry | None, *, rest: float = REST_SECONDS) -> Registry:
    """The same registry; for `rest` seconds after a silence every call fails at once with that failure.

    Without a registry, everything is refused with a sentence that says what to configure.
    """
    now = asyncio.get_running_loop().time
    silent_until, reason = float("-inf"), ""

    async def unless_silent(_: str, call: Call) -> Any:
        nonlocal silent_until, reason
        if registry is None:
            raise RegistryRefused("the operator was started without a registry: give it --mlflow-uri")
        if now() < silent_until:
            raise RegistryUnavailable(reason)
        try:
            return await call()
        except RegistryUnavailable as error:
            silent_until, reason = now() + rest, error.message
            raise

    return wrapped(cast(Registry, registry), unless_silent)
