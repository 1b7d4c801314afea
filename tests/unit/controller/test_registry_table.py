"""The registry as it was read last: lookups wait for nothing, and what is missing is read beside the passes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.support.memory_registry import MemoryRegistry, download_uri
from tests.support.virtual_time import run_virtually
from viridian.api import reasons
from viridian.api.model_source import ModelSource, RegistryModel
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.registry import TAG_DIGEST, ModelHistory, ModelVersion, RegisteredModel
from viridian.controller.breaker import breaking
from viridian.controller.registries import ByNamespace
from viridian.controller.registry_reader import AT_A_TIME, LONGEST_SECONDS, MANY, RegistryReader
from viridian.controller.registry_table import AGE_SECONDS, NotAnswered, NotRead, Question, RegistryTable
from viridian.controller.registry_watch import RegistryWatch
from viridian.controller.resolve import Resolver
from viridian.ports.registry import RegistryRefused, RegistryUnavailable
from viridian.rollout.input import UNREAD, Unresolved
from viridian.rollout.records import RevisionOutcome, RevisionRecord, ServedModel

FOLLOWED = RegistryModel(name="churn", alias="candidate")
PINNED = RegistryModel(name="churn", version="1")
URI = "mlflow-artifacts:/0/models/m-1/artifacts"


class Stage:
    """A registry with a model, and what is known of it."""

    def __init__(self, *, followed: tuple[str, ...] = ("churn",)) -> None:
        self.registry = MemoryRegistry()
        for _ in range(2):
            self.registry.add_version("churn", source="models:/m-1", run_id="r1")
        self.registry.move_alias("churn", "candidate", "1")
        self.woken: list[str] = []
        self.watch = RegistryWatch(
            self.registry, followed=lambda: followed, moved=lambda names: self.woken.extend(names)
        )
        self.resolver = Resolver(ByNamespace(self.watch.table), configured=True)

    def resolve(
        self, model: RegistryModel = FOLLOWED, *records: RevisionRecord, signed: bool = False
    ) -> ServedModel | Unresolved:
        """As a pass does."""
        spec = ModelDeploymentSpec(model=ModelSource(registry=model))
        resolver = Resolver(self.resolver.tables, configured=True, signed_in=lambda _: signed)
        return resolver.resolve(spec, "default", records)

    async def read(self) -> None:
        await self.watch.reader.read_all()

    @property
    def calls(self) -> Mapping[str, int]:
        return dict(self.registry.calls)


def record(version: str = "1", *, promoted: bool = True, uri: str = URI, run: str | None = "r1") -> RevisionRecord:
    outcomes = (RevisionOutcome(reasons.PROMOTED, "2026-01-01T00:00:00Z"),) if promoted else ()
    model = ServedModel(uri, "churn", version, "sha256:1", run)
    manifest = {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}
    return RevisionRecord("abc", "1", 1, model, {}, outcomes, manifest)


def resolved(found: ServedModel | Unresolved) -> ServedModel:
    assert isinstance(found, ServedModel), found
    return found


async def test_a_new_model_is_read_once_and_whole_and_then_its_followers_look() -> None:
    stage = Stage()
    assert [stage.resolve() for _ in range(3)] == [UNREAD] * 3
    await stage.read()
    assert stage.woken == ["churn"]
    assert resolved(stage.resolve()).version == "1"
    assert stage.calls == {"model": 1, "version": 1}


async def test_a_signed_one_is_compared_with_the_first_version_of_its_run() -> None:
    stage = Stage()
    stage.registry.move_alias("churn", "candidate", "2")
    assert stage.resolve(signed=True) is UNREAD
    await stage.read()
    found = stage.resolve(signed=True)
    assert isinstance(found, Unresolved)
    assert found.reason == reasons.BAD_SIGNATURE
    assert stage.calls == {"model": 1, "version": 1, "version_of_run": 1}


async def test_a_run_of_which_the_registry_finds_no_version_refuses_none() -> None:
    stage = Stage()
    await stage.watch.poller.sweep()
    stage.watch.table.learn_detail(Question("churn", run="r1"), None, stage.watch.table.stamp())
    assert resolved(stage.resolve(FOLLOWED, record("1"), signed=True)).version == "1"


async def test_what_a_record_holds_is_not_read() -> None:
    stage = Stage()
    await stage.watch.poller.sweep()
    assert stage.resolve(FOLLOWED, record("1", promoted=False)) == record("1").model
    assert stage.resolve(PINNED, record("1")) == record("1").model
    assert stage.calls == {"models": 1}
    assert not stage.watch.table.to_read


@pytest.mark.parametrize(
    "lacking",
    [record("2"), record("1", uri="https://models.example/churn?…"), record("1", uri="https://models.example/churn")],
    ids=["another version", "an address that is not whole", "an address that may not be whole"],
)
async def test_what_a_record_does_not_hold_is_read(lacking: RevisionRecord) -> None:
    stage = Stage()
    await stage.watch.poller.sweep()
    assert stage.resolve(FOLLOWED, lacking) is UNREAD


async def test_a_record_of_an_older_release_does_not_stand_for_a_signed_version() -> None:
    stage = Stage()
    await stage.watch.poller.sweep()
    assert stage.resolve(FOLLOWED, record("1", run=None), signed=True) is UNREAD


def test_a_pinned_version_that_is_deleted_before_it_has_served_is_noticed() -> None:
    async def main() -> None:
        stage, tried = Stage(), record("1", promoted=False)
        await stage.watch.poller.sweep()
        assert stage.resolve(PINNED, tried) == tried.model, "nothing is held up while it is read"
        await stage.read()
        stage.registry.delete_version("churn", "1")
        await asyncio.sleep(AGE_SECONDS)
        assert isinstance(stage.resolve(PINNED, tried), ServedModel)
        await stage.read()
        found = stage.resolve(PINNED, tried)
        assert isinstance(found, Unresolved)
        assert (found.reason, stage.woken) == (reasons.VERSION_NOT_FOUND, ["churn"])

    run_virtually(main())


def test_a_failure_is_reported_and_read_anew_when_a_pass_needs_it_later() -> None:
    async def main() -> None:
        stage = Stage()
        stage.registry.refusal = "403"
        assert stage.resolve() is UNREAD
        await stage.read()
        refused = stage.resolve()
        assert isinstance(refused, Unresolved)
        assert (refused.reason, refused.lasting, refused.watched) == (reasons.REGISTRY_REFUSED, True, False)
        stage.registry.refusal = None
        assert stage.resolve() == refused
        await stage.read()
        assert stage.calls == {"model": 1}, "not in every pass"
        await asyncio.sleep(AGE_SECONDS)
        assert stage.resolve() == refused
        await stage.read()
        assert stage.woken == ["churn", "churn"]
        assert stage.resolve() is UNREAD, "its version"
        await stage.read()
        assert resolved(stage.resolve()).version == "1"

    run_virtually(main())


async def test_a_silent_registry_takes_back_nothing_that_it_has_said() -> None:
    stage = Stage()
    stage.resolve()
    await stage.read()
    stage.registry.unavailable = True
    stage.watch.table.wrote("churn")
    await stage.read()
    assert resolved(stage.resolve()).version == "1"


async def test_after_a_write_the_model_is_read_at_once_and_a_page_from_before_does_not_count() -> None:
    stage = Stage()
    stage.resolve()
    await stage.read()
    table, stamp = stage.watch.table, stage.watch.table.stamp()
    stage.registry.move_alias("churn", "candidate", "2")
    table.wrote("churn")
    before = RegisteredModel(name="churn", aliases={"candidate": "1"})
    assert not table.learn_model("churn", before, stamp)
    await stage.read()
    assert not table.learn_model("churn", before, stamp)
    assert table.aliases("churn") == {"candidate": "2"}
    assert stage.woken == ["churn", "churn"]


def test_a_first_answer_from_before_a_write_does_not_count_either() -> None:
    async def main() -> None:
        stage = Stage()
        stage.resolve()
        reading = asyncio.create_task(stage.read())
        stage.registry.latency = lambda: 1.0
        await asyncio.sleep(0.5)
        stage.watch.table.wrote("churn")
        await reading
        assert resolved(stage.resolve()).version == "1"
        assert stage.calls == {"model": 2, "version": 1}

    run_virtually(main())


async def test_a_write_to_a_model_that_nobody_follows_is_not_looked_at() -> None:
    stage = Stage()
    stage.watch.table.wrote("churn")
    assert not stage.watch.table.to_read


async def test_versions_are_bounded() -> None:
    table = RegistryTable(lambda: 0.0, most=10)
    for number in range(100):
        table.learn_detail(Question("churn", version=str(number)), None, table.stamp())
    assert table.version("churn", "99", may_vanish=False) is None
    with pytest.raises(NotRead):
        table.version("churn", "0", may_vanish=False)


def test_when_nobody_reads_any_more_all_is_forgotten() -> None:
    async def main() -> None:
        stage = Stage()
        running = asyncio.create_task(stage.watch.run())
        stage.resolve()
        await asyncio.sleep(1)
        assert resolved(stage.resolve()).version == "1"
        running.cancel()
        await asyncio.wait([running])
        assert stage.resolve() is UNREAD
        await stage.watch.poller.sweep()
        assert stage.resolve() is UNREAD
        await stage.read()
        assert resolved(stage.resolve()).version == "1"

    run_virtually(main())


# ---- a registry that begins anew


def lose_model(registry: MemoryRegistry) -> None:
    """The registered model is deleted and made again: version 1 is of another run, and has the alias."""
    registry.delete_model("churn")
    registry.add_version("churn", source="models:/m-9", run_id="r9")
    registry.move_alias("churn", "candidate", "1")


def restore_backup(registry: MemoryRegistry) -> None:
    """Versions 2 and 3 are younger than the backup that is restored; another version 2 is registered since."""
    for version in ("3", "2"):
        registry.delete_version("churn", version)
    registry.restart_numbers("churn", after=1)
    registry.add_version("churn", source="models:/m-9", run_id="r9")
    registry.move_alias("churn", "candidate", "2")


def restore_backup_and_go_on(registry: MemoryRegistry) -> None:
    """The same, and by the time that somebody looks there is another version 3 as well."""
    restore_backup(registry)
    registry.add_version("churn", source="models:/m-10", run_id="r10")


BEGIN_ANEW = {"1": lose_model, "2": restore_backup}


def three_versions(at: str) -> Stage:
    stage = Stage()
    stage.registry.add_version("churn", source="models:/m-3", run_id="r3")
    stage.registry.move_alias("churn", "candidate", at)
    return stage


@pytest.mark.parametrize("number", BEGIN_ANEW)
async def test_a_number_that_is_given_again_leads_to_the_new_version(number: str) -> None:
    stage = three_versions(number)
    stage.resolve()
    await stage.read()
    assert resolved(stage.resolve()).run == "r1"
    await stage.watch.poller.sweep()
    BEGIN_ANEW[number](stage.registry)
    stage.woken.clear()
    calls = stage.registry.calls.total()
    await stage.watch.poller.sweep()
    assert stage.registry.calls.total() == calls + 1, "a sweep is one page, as ever"
    assert stage.woken == ["churn"], "though the alias has the number that it had"
    assert stage.resolve() is UNREAD
    await stage.read()
    assert resolved(stage.resolve()).run == "r9"


async def test_after_an_outage_versions_are_read_again_since_a_backup_may_have_been_restored() -> None:
    stage = three_versions("2")
    stage.resolve()
    await stage.read()
    await stage.watch.poller.sweep()
    stage.registry.unavailable = True
    await stage.watch.poller.sweep()
    stage.registry.unavailable = False
    restore_backup_and_go_on(stage.registry)
    await stage.watch.poller.sweep()
    assert stage.resolve() is UNREAD
    await stage.read()
    assert resolved(stage.resolve()).run == "r9"


def test_an_answer_that_was_under_way_meanwhile_does_not_count() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.watch.poller.sweep()
        assert stage.resolve() is UNREAD
        before = await stage.registry.version("churn", "1")
        assert before is not None
        stamp = stage.watch.table.stamp()
        lose_model(stage.registry)
        await stage.watch.poller.sweep()
        assert stage.watch.table.learn_detail(Question("churn", version="1"), ServedModel.registered(before), stamp)
        assert stage.resolve() is UNREAD
        await stage.read()
        assert resolved(stage.resolve()).run == "r9"

    run_virtually(main())


async def test_what_nobody_follows_any_more_keeps_no_versions() -> None:
    stage = Stage()
    stage.resolve()
    await stage.read()
    stage.watch.table.keep(())
    with pytest.raises(NotRead):
        stage.watch.table.version("churn", "1", may_vanish=False)


HOUR = 3_600_000
MADE = 1_767_225_600_000
"""2026-01-01: when the records of these tests were made, in milliseconds."""


@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize("number", BEGIN_ANEW)
async def test_a_record_of_the_version_before_does_not_stand_for_the_new_one(number: str, restarted: bool) -> None:
    """An alias was set on the new version by somebody: that is a rollout like any other."""
    stage, old = three_versions(number), record(number)
    if not restarted:
        await stage.watch.poller.sweep()
        assert stage.resolve(FOLLOWED, old) == old.model
    stage.registry.milliseconds = MADE + HOUR
    BEGIN_ANEW[number](stage.registry)
    await stage.watch.poller.sweep()
    assert stage.resolve(FOLLOWED, old) is UNREAD
    await stage.read()
    found = resolved(stage.resolve(FOLLOWED, old))
    assert (found.version, found.run) == (number, "r9")
    tried = replace(old, model=found, outcomes=(), manifest={"metadata": {"creationTimestamp": "2026-01-02T00:00:00Z"}})
    assert resolved(stage.resolve(FOLLOWED, old, tried)).run == "r9", "by its own record from now on"


async def test_a_pinned_number_that_is_another_version_by_now_is_told_and_not_deployed() -> None:
    stage, old = Stage(), record("1")
    stage.registry.milliseconds = MADE + HOUR
    lose_model(stage.registry)
    await stage.watch.poller.sweep()
    assert stage.resolve(PINNED, old) is UNREAD
    await stage.read()
    found = stage.resolve(PINNED, old)
    assert isinstance(found, Unresolved)
    assert (found.reason, found.lasting) == (reasons.VERSION_REPLACED, True)
    assert "version 1 of the registered model 'churn' is not the one that was deployed here" in found.message
    assert "pin its number" in found.message


@pytest.mark.parametrize("pin", [FOLLOWED, PINNED])
@pytest.mark.parametrize("tags", [{TAG_DIGEST: "sha256:1"}, {}], ids=["the same bytes", "the same run"])
async def test_what_is_registered_again_under_its_number_goes_on(pin: RegistryModel, tags: dict[str, str]) -> None:
    stage, old = Stage(), record("1")
    stage.registry.milliseconds = MADE + HOUR
    stage.registry.delete_model("churn")
    stage.registry.add_version("churn", tags, source="models:/m-9", run_id="r9" if tags else "r1")
    stage.registry.move_alias("churn", "candidate", "1")
    await stage.watch.poller.sweep()
    stage.resolve(pin, old)
    await stage.read()
    moved = replace(old.model, uri=download_uri("models:/m-9")) if tags else old.model
    assert stage.resolve(pin, old) == moved, "the same revision, for pods that are made anew from where it is now"


async def test_a_pinned_champion_whose_number_is_not_given_again_goes_on() -> None:
    stage, old = three_versions("1"), record("3")
    await stage.watch.poller.sweep()
    stage.registry.delete_version("churn", "3")
    await stage.watch.poller.sweep()
    pinned = RegistryModel(name="churn", version="3")
    assert stage.resolve(pinned, old) is UNREAD
    await stage.read()
    assert stage.resolve(pinned, old) == old.model


@pytest.mark.parametrize("skew", [-HOUR, 0, 999])
async def test_a_record_that_is_younger_than_its_version_is_believed_without_a_question(skew: int) -> None:
    stage = Stage()
    stage.registry.delete_model("churn")
    stage.registry.milliseconds = MADE + skew - 2
    stage.registry.add_version("churn", source="models:/m-1", run_id="r1")
    stage.registry.move_alias("churn", "candidate", "1")
    await stage.watch.poller.sweep()
    assert stage.resolve(FOLLOWED, record("1")) == record("1").model
    assert stage.calls == {"models": 1}


@pytest.mark.parametrize(
    ("before", "now", "from_number"),
    [
        (ModelHistory(5, 3, 7), ModelHistory(5, 3, 7), None),
        (ModelHistory(5, 3, 7), ModelHistory(5, 4, 9), None),
        (ModelHistory(), ModelHistory(5, 4, 9), None),
        (ModelHistory(5), ModelHistory(5, 1, 9), None),
        (ModelHistory(5, 3, 7), ModelHistory(6, 4, 9), 1),
        (ModelHistory(5, 3, 7), ModelHistory(), 1),
        (ModelHistory(5, 3, 7), ModelHistory(5, 2, 6), 3),
        (ModelHistory(5, 3, 7), ModelHistory(5, 3, 8), 3),
        (ModelHistory(0, 3, 0), ModelHistory(0, 3, 0), None),
    ],
)
def test_which_numbers_may_be_given_again(before: ModelHistory, now: ModelHistory, from_number: int | None) -> None:
    assert before.first_replaced(now) == from_number


class SlowRegistry:
    """Answers after a while, with what its fields say."""

    def __init__(self) -> None:
        self.takes = 1.0
        self.error: Exception | None = None
        self.calls: Counter[str] = Counter()
        self.under_way, self.most = 0, 0

    async def model(self, name: str) -> RegisteredModel:
        self.calls["model"] += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.under_way -= 1
        if self.error is not None:
            raise self.error
        return RegisteredModel(name=name, aliases={"candidate": "1"})

    async def version(self, name: str, version: str) -> ModelVersion:
        return ModelVersion(name=name, version=version, source="models:/m-1", uri=URI)


async def working(registry: Any, table: RegistryTable) -> asyncio.Task[None]:
    return asyncio.create_task(RegistryReader(registry, table, answered=lambda _: None).work())


@pytest.mark.parametrize("error", [None, RegistryUnavailable("silent"), ZeroDivisionError()])
def test_a_few_questions_are_under_way_at_a_time_and_none_of_them_ends_the_work(error: Exception | None) -> None:
    async def main() -> None:
        registry, table = SlowRegistry(), RegistryTable(asyncio.get_running_loop().time)
        registry.error = error
        work = await working(registry, table)
        for number in range(4 * AT_A_TIME):
            table.note(Question(f"model-{number}"))
        await asyncio.sleep(4.5)
        assert registry.calls["model"] == 4 * AT_A_TIME
        assert registry.most == AT_A_TIME
        assert not work.done()
        work.cancel()
        await asyncio.wait([work])

    run_virtually(main())


def test_a_registry_that_never_answers_is_a_failure_in_the_end() -> None:
    async def main() -> None:
        registry, table = SlowRegistry(), RegistryTable(asyncio.get_running_loop().time)
        registry.takes = 1e9
        work = await working(registry, table)
        table.note(Question("churn"))
        await asyncio.sleep(LONGEST_SECONDS + 1)
        with pytest.raises(NotAnswered, match="did not answer within"):
            table.aliases("churn")
        work.cancel()
        await asyncio.wait([work])

    run_virtually(main())


def test_many_models_wait_for_the_first_sweep_which_reads_them_all() -> None:
    async def main() -> None:
        registry, table = SlowRegistry(), RegistryTable(asyncio.get_running_loop().time)
        work = await working(registry, table)
        for number in range(MANY + 1):
            table.note(Question(f"model-{number}"))
        await asyncio.sleep(5)
        assert registry.calls["model"] == 0
        table.filled.set()
        await asyncio.sleep(20)
        assert registry.calls["model"] == MANY + 1
        work.cancel()
        await asyncio.wait([work])

    run_virtually(main())


# ---- a registry that does not answer


def test_a_silent_registry_is_left_alone_for_a_moment() -> None:
    async def main() -> None:
        registry = SlowRegistry()
        registry.error, registry.takes = RegistryUnavailable("nobody answers"), 5.0
        held = breaking(registry, rest=10)  # type: ignore[arg-type]
        for _ in range(3):
            with pytest.raises(RegistryUnavailable, match="nobody answers"):
                await held.model("churn")
        assert asyncio.get_running_loop().time() == 5.0
        await asyncio.sleep(10)
        registry.error = None
        assert await held.model("churn") is not None

    run_virtually(main())


def test_without_a_registry_everything_says_what_to_configure() -> None:
    async def main() -> None:
        with pytest.raises(RegistryRefused, match="--mlflow-uri"):
            await breaking(None).model("churn")

    run_virtually(main())
