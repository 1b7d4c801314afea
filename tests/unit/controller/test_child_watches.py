"""Watches of children outlast whatever happens to their connections, in virtual time; what is missed is looked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from tests.support.virtual_time import run_virtually
from viridian.api.child_kinds import CHILD_KINDS, child_kind
from viridian.controller.child_watches import LONGEST_PAUSE, START_SECONDS, ChildWatches
from viridian.controller.watched import child_streams
from viridian.ports.cluster import ClusterRefused, ClusterUnavailable
from viridian.ports.watch import ObjectChange, Watched

NAME = "services"
SERVICES = Watched(child_kind("Service").resource, None, "a=b")
LONG = 1e6
"""Seconds that a connection stays open without any change."""

Step = ObjectChange | Exception | float
"""A change; an end with an error; so many seconds of silence. After the last one the server ends the stream."""


def change(version: str, name: str = "churn", *, deleted: bool = False) -> ObjectChange:
    return ObjectChange(version, {"kind": "Service", "metadata": {"name": name}}, deleted)


class ScriptedWatch:
    """Each connection does what is scripted; after that, connections stay open and silent."""

    def __init__(self, *connections: Iterable[Step], versions: Iterable[str | Exception] = ("1",)) -> None:
        self._connections = [list(one) for one in connections]
        self._versions = list(versions)
        self.asked: list[tuple[float, str]] = []
        """When a connection was opened, and from which version; `latest` for the question for that."""

    async def latest_version(self, watched: Watched) -> str:
        self._note("latest")
        version = self._versions.pop(0) if len(self._versions) > 1 else self._versions[0]
        if isinstance(version, Exception):
            raise version
        return version

    @asynccontextmanager
    async def changes(self, watched: Watched, since: str) -> AsyncIterator[AsyncGenerator[ObjectChange]]:
        self._note(since)
        steps = self._connections.pop(0) if self._connections else [LONG]
        if steps and isinstance(steps[0], Exception):
            raise steps[0]
        yield _played(steps)

    @property
    def versions(self) -> list[str]:
        return [version for _, version in self.asked]

    @property
    def pauses(self) -> list[float]:
        times = [time for time, _ in self.asked]
        return [after - before for before, after in pairwise(times)]

    def _note(self, asked: str) -> None:
        self.asked.append((asyncio.get_running_loop().time(), asked))


async def _played(steps: Iterable[Step]) -> AsyncGenerator[ObjectChange]:
    for step in steps:
        if isinstance(step, Exception):
            raise step
        if isinstance(step, ObjectChange):
            yield step
        else:
            await asyncio.sleep(step)


class Stage:
    """The watches, and what came of them."""

    def __init__(self, watch: ScriptedWatch, streams: Mapping[str, Watched]) -> None:
        self.watch = watch
        self.seen: list[tuple[str, str, bool]] = []
        self.standing: list[str] = []
        self.missed: list[str] = []
        self.mistakes = 0
        self.children = ChildWatches(
            watch,
            streams,
            listener=self,
            stands=self.standing.append,
            missed=self.missed.append,
            random=lambda: 1.0,
        )
        self.tasks = self.children.start()

    def child(self, kind: str, manifest: Mapping[str, Any], *, deleted: bool) -> None:
        if self.mistakes:
            self.mistakes -= 1
            raise ZeroDivisionError("a mistake")
        self.seen.append((kind, manifest["metadata"]["name"], deleted))


@asynccontextmanager
async def watching(watch: ScriptedWatch, streams: Mapping[str, Watched] | None = None) -> AsyncIterator[Stage]:
    stage = Stage(watch, streams or {NAME: SERVICES})
    try:
        yield stage
        assert not [task for task in stage.tasks if task.done()], "a watch never ends"
    finally:
        for task in stage.tasks:
            task.cancel()
        await asyncio.wait(stage.tasks)


def test_every_change_is_passed_on_and_a_bookmark_only_moves_the_version() -> None:
    async def main() -> None:
        watch = ScriptedWatch([change("2"), change("3", deleted=True), ObjectChange("9"), 300.0])
        async with watching(watch) as stage:
            await stage.children.until_all_stand()
            await asyncio.sleep(400)
            assert stage.seen == [("Service", "churn", False), ("Service", "churn", True)]
            assert watch.versions == ["latest", "1", "9"]
            assert (stage.standing, stage.missed) == ([NAME, NAME], [])

    run_virtually(main())


def test_a_stream_that_the_server_ended_in_time_is_taken_up_at_once() -> None:
    async def main() -> None:
        watch = ScriptedWatch([300.0], [300.0])
        async with watching(watch):
            await asyncio.sleep(700)
            assert watch.pauses == [0.0, 300.0, 300.0]

    run_virtually(main())


def test_a_connection_that_broke_goes_on_from_its_last_change() -> None:
    async def main() -> None:
        cut = ClusterUnavailable("the connection broke")
        watch = ScriptedWatch([change("2"), cut], [change("3"), LONG])
        async with watching(watch) as stage:
            await stage.children.until_all_stand()
            await asyncio.sleep(10)
            assert watch.versions == ["latest", "1", "2"]
            assert len(stage.seen) == 2
            assert stage.missed == [], "nothing is missed, so nothing is looked for"

    run_virtually(main())


def test_what_was_missed_is_looked_for_once_the_new_watch_stands() -> None:
    """The version that the watch begins anew at is older than the look, so nothing is between the two."""

    async def main() -> None:
        gone = ClusterRefused("410 Expired")
        watch = ScriptedWatch(
            [change("2"), gone], [ClusterUnavailable("not yet")], [change("8"), LONG], versions=("1", "7")
        )
        async with watching(watch) as stage:
            await stage.children.until_all_stand()
            await asyncio.sleep(10)
            assert watch.versions == ["latest", "1", "latest", "7", "7"]
            assert stage.missed == [NAME]
            assert stage.standing == [NAME, NAME]

    run_virtually(main())


def test_a_version_that_is_refused_when_the_watch_is_taken_up_is_given_up_too() -> None:
    async def main() -> None:
        watch = ScriptedWatch([change("2"), 300.0], [ClusterRefused("410 Gone")], versions=("1", "7"))
        async with watching(watch) as stage:
            await stage.children.until_all_stand()
            await asyncio.sleep(400)
            assert watch.versions == ["latest", "1", "2", "latest", "7"]
            assert stage.missed == [NAME]

    run_virtually(main())


@pytest.mark.parametrize("outage", [ClusterUnavailable("no answer"), ClusterRefused("403")])
def test_attempts_that_fail_at_once_come_ever_more_seldom(outage: Exception) -> None:
    async def main() -> None:
        watch = ScriptedWatch(versions=[outage] * 9 + ["1"])
        async with watching(watch) as stage:
            await asyncio.sleep(200)
            assert watch.pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 0.0]
            assert stage.standing == [NAME]

    run_virtually(main())


def test_streams_that_end_as_soon_as_they_stand_are_no_busy_loop() -> None:
    async def main() -> None:
        watch = ScriptedWatch(*([] for _ in range(50)))
        async with watching(watch):
            await asyncio.sleep(60)
            assert len(watch.asked) <= 14

    run_virtually(main())


def test_after_a_long_life_the_first_pause_is_short_again() -> None:
    async def main() -> None:
        cut = ClusterUnavailable("cut")
        watch = ScriptedWatch([cut], [cut], [cut], [LONGEST_PAUSE + 1.0, cut], [cut])
        async with watching(watch):
            await asyncio.sleep(60)
            assert watch.pauses == [0.0, 0.25, 0.5, 1.0, LONGEST_PAUSE + 1.0, 0.25]

    run_virtually(main())


def test_a_mistake_of_ours_ends_no_watch_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        watch = ScriptedWatch([change("2"), LONG], [change("8"), LONG], versions=("1", "7"))
        async with watching(watch) as stage:
            stage.mistakes = 1
            await stage.children.until_all_stand()
            await asyncio.sleep(10)
            assert [name for _, name, _ in stage.seen] == ["churn"]
            assert watch.versions == ["latest", "1", "latest", "7"], "not the same change again"
            assert stage.missed == [NAME]

    with caplog.at_level(logging.ERROR):
        run_virtually(main())
    assert "a mistake in the operator" in caplog.text


def test_work_begins_when_all_stand() -> None:
    async def main() -> None:
        late = ClusterUnavailable("not yet")
        streams = {"one": SERVICES, "other": SERVICES}
        watch = ScriptedWatch(versions=[late, late, "1"])
        async with watching(watch, streams) as stage:
            await stage.children.until_all_stand()
            assert sorted(stage.standing) == ["one", "other"]
            assert stage.missed == []

    run_virtually(main())


def test_work_does_not_wait_for_ever_and_looks_again_when_the_last_watch_stands() -> None:
    async def main() -> None:
        watch = ScriptedWatch(versions=[*[ClusterRefused("403")] * 8, "1"])
        async with watching(watch) as stage:
            await stage.children.until_all_stand()
            assert asyncio.get_running_loop().time() == START_SECONDS
            assert (stage.standing, stage.missed) == ([], [])
            await asyncio.sleep(100)
            assert (stage.standing, stage.missed) == ([NAME], [NAME])

    run_virtually(main())


# ---- which watches there are


def test_every_kind_of_child_is_watched_in_every_namespace() -> None:
    everywhere = child_streams(())
    assert {one.resource for one in everywhere.values()} == {row.resource for row in CHILD_KINDS}
    assert {one.namespace for one in everywhere.values()} == {None}
    two = child_streams(("ml", "ads"))
    assert len(two) == 2 * len(everywhere)
    assert two["ml/services"] == Watched(SERVICES.resource, "ml", "app.kubernetes.io/managed-by=viridian")


def test_what_may_be_gone_as_soon_as_it_has_ended_is_watched_whole() -> None:
    assert {name for name, one in child_streams(()).items() if one.whole} == {"jobs", "pods of runs"}


def test_no_pod_is_in_two_watches_and_each_is_in_one() -> None:
    pods = {name: one.selector for name, one in child_streams(()).items() if one.resource.kind == "Pod"}
    ours = "app.kubernetes.io/managed-by=viridian"
    assert pods == {"pods": f"{ours},!viridian.dev/run", "pods of runs": f"{ours},viridian.dev/run"}
