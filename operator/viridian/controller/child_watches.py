"""Keeps the watches of children going, whatever becomes of their connections, and turns each change into wake-ups.

No child is remembered. A watch goes on from the version of its last change, so nothing is missed while a connection is
away. Where that version is no longer known, it begins anew at the latest one, and what has changed in between is in no
event: then all objects have to be looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from viridian.controller.backoff import Backoff
from viridian.ports.cluster import ClusterError, ClusterUnavailable
from viridian.ports.watch import Watch, Watched

log = logging.getLogger("viridian.watches")

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 10.0
"""Seconds between two attempts."""
START_SECONDS: Final = 10.0
"""How long work waits for the watches to stand. A look at all objects makes up for one that stands later."""


class ChildListener(Protocol):
    """What changes are passed to."""

    def child(self, kind: str, manifest: Mapping[str, Any], *, deleted: bool) -> None:
        """A child of that kind appeared, changed or vanished; neither fails nor waits."""


@dataclass(slots=True)
class _Stream:
    """One watch, over all of its connections."""

    name: str
    watched: Watched
    version: str = ""
    """From which it goes on; empty where it has to begin anew."""
    is_behind: bool = True
    """Whether changes since the last time that it stood may be in no event."""
    failures: int = 0
    """Attempts in a row that ended soon."""


class ChildWatches:
    """One task for each stream."""

    def __init__(
        self,
        watch: Watch,
        streams: Mapping[str, Watched],
        *,
        listener: ChildListener,
        stands: Callable[[str], None],
        missed: Callable[[str], None],
        random: Callable[[], float],
    ) -> None:
        """`stands` is called with the name of each stream when it stands, `missed` after a gap in it, then too."""
        self._watch = watch
        self._streams = streams
        self._listener = listener
        self._stands = stands
        self._missed = missed
        self._backoff = Backoff(random, first=FIRST_PAUSE, cap=LONGEST_PAUSE)
        self._waited_for = set(streams)
        """At the start; later streams that stand have missed what happened before."""
        self._all_stand = asyncio.Event()

    def start(self) -> list[asyncio.Task[None]]:
        """Watch, until the tasks are cancelled."""
        return [
            asyncio.create_task(self._keep_watching(_Stream(name, watched)), name=f"watch of {name}")
            for name, watched in self._streams.items()
        ]

    async def until_all_stand(self) -> None:
        """What is read after this, or changes after this, is missed by none; waits for a limited time."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._all_stand.wait()
        except TimeoutError:
            log.warning("begins without some watches, which are tried again: %s", ", ".join(sorted(self._waited_for)))
            self._waited_for.clear()

    async def _keep_watching(self, stream: _Stream) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                await self._follow(stream)
            except ClusterUnavailable as error:
                level = logging.DEBUG if stream.failures else logging.WARNING
                log.log(level, "the watch of %s is taken up again: %s", stream.name, error)
            except ClusterError as error:
                log.warning("the watch of %s begins anew: %s", stream.name, error)
                stream.version = ""
            except Exception:
                log.exception("the watch of %s begins anew after a mistake in the operator", stream.name)
                stream.version = ""
            # An attempt that took longer than the longest pause has waited enough, and most watches end so.
            stream.failures = 0 if clock() - began >= LONGEST_PAUSE else stream.failures + 1
            if stream.failures:
                await asyncio.sleep(self._backoff.delay(stream.failures))

    async def _follow(self, stream: _Stream) -> None:
        """Take up the watch, and turn changes into wake-ups until its connection ends."""
        if not stream.version:
            stream.version, stream.is_behind = await self._watch.latest_version(stream.watched), True
        async with self._watch.changes(stream.watched, stream.version) as changes:
            self._note_that_it_stands(stream)
            async for change in changes:
                if change.manifest is not None:
                    self._listener.child(stream.watched.resource.kind, change.manifest, deleted=change.deleted)
                stream.version = change.version

    def _note_that_it_stands(self, stream: _Stream) -> None:
        self._stands(stream.name)
        if stream.is_behind and stream.name not in self._waited_for:
            self._missed(stream.name)
        stream.is_behind = False
        self._waited_for.discard(stream.name)
        if not self._waited_for:
            self._all_stand.set()
