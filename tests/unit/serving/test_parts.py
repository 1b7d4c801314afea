"""Small parts that have rules of their own: ids, CPU limits, settings, logs, and where work runs."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from viridian.json_logs import JsonLines
from viridian.serving import cpus, server_settings
from viridian.serving.errors import Busy, FetchFailed, TookTooLong, TurnMissed
from viridian.serving.execution.batch_size import MAX_BATCH, BatchSizer
from viridian.serving.execution.executor import (
    QUICK_SECONDS,
    ROUND_SECONDS,
    SMALL_BYTES,
    PredictionExecutor,
    WorkLimits,
)
from viridian.serving.logs import ModelErrors
from viridian.serving.prediction_ids import prediction_id
from viridian.serving.termination import LIMIT, explain


def test_prediction_ids_are_uuids_of_version_7_that_sort_by_time() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid.UUID(prediction_id()) for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 1000
    for found in made:
        assert (found.version, found.variant) == (7, uuid.RFC_4122)
        assert before <= found.int >> 80 <= after
    assert [found.int >> 80 for found in made] == sorted(found.int >> 80 for found in made)


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "100000 100000"}, 1),
        ({"kubepods/pod1/cpu.max": "100000 100000", "cpu.max": "900000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "20000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu.max": "garbage"}, None),
    ],
    ids=str,
)
def test_the_containers_limit_counts(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    own = tmp_path / "own"
    own.write_text("0::/kubepods/pod1\n")
    for name, content in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(content)
    unlimited = cpus.available(tmp_path / "nothing", tmp_path / "nothing")
    assert cpus.available(tmp_path / "cgroup", own) == (unlimited if limit is None else limit)


def test_settings_come_from_flags_then_environment() -> None:
    environment = {"VIRIDIAN_MODEL_NAME": "from there", "VIRIDIAN_SLOT": "blue", "VIRIDIAN_DRAIN_SECONDS": "0.5"}
    found = server_settings.parse(["--model-name", "from here", "--port", "0"], environment)
    assert (found.name, found.slot, found.drain_seconds, found.port) == ("from here", "blue", 0.5, 0)
    assert found.model_dir == Path("/model")


def test_a_service_called_viridian_does_not_break_the_settings() -> None:
    """Kubernetes would set VIRIDIAN_PORT to its address."""
    assert server_settings.parse([], {"VIRIDIAN_PORT": "tcp://10.0.0.1:80"}).port == 8080


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--port", "70000"], "--port is a port"),
        (["--port", "http"], "invalid int value"),
        (["--drain-seconds", "-1"], "--drain-seconds is a number of seconds"),
        (["--drain-seconds", "nan"], "--drain-seconds is a number of seconds"),
        (["--max-body-bytes", "0"], "--max-body-bytes is at least 1"),
    ],
)
def test_settings_that_make_no_sense(flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        server_settings.parse(flags, {})
    assert raised.value.code == 2
    assert words in capsys.readouterr().err


def test_help_names_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        server_settings.parse(["--help"], {"VIRIDIAN_MODEL_NAME": "100% sure"})
    assert raised.value.code == 0
    told = capsys.readouterr().out
    assert "VIRIDIAN_DRAIN_SECONDS" in told
    assert "100% sure" in told


def test_a_log_line_never_carries_the_text_of_an_exception() -> None:
    try:
        raise ValueError("s3cret")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "it broke", (), (ValueError, error, None))
    record.fields = {"slot": "blue"}
    entry = json.loads(JsonLines().format(record))
    assert (entry["message"], entry["exception"], entry["slot"]) == ("it broke", "ValueError", "blue")
    assert "s3cret" not in json.dumps(entry)


def test_a_model_that_always_raises_does_not_drown_the_log(caplog: pytest.LogCaptureFixture) -> None:
    errors = ModelErrors()
    for _ in range(100):
        errors.note("ValueError", "p")
    errors.note("KeyError", "p")
    assert [record.fields["exception"] for record in caplog.records] == ["ValueError", "KeyError"]  # type: ignore[attr-defined]


def test_the_termination_log_is_cut_between_characters(tmp_path: Path) -> None:
    explain(tmp_path / "log", FetchFailed("ü" * LIMIT))
    said = (tmp_path / "log").read_text()
    assert said.startswith("ModelUnavailable: üü")
    assert LIMIT - 2 < len(said.encode()) <= LIMIT
    explain(tmp_path / "no" / "such" / "place", FetchFailed("nobody hears this"))


def test_no_file_is_left_among_the_devices() -> None:
    path = Path("/dev/viridian-no-such-termination-log")
    explain(path, FetchFailed("nobody hears this"))
    assert not path.exists()


ROOM = WorkLimits(requests=100, bytes=1_000_000, seconds=60.0)


class Task:
    """Work that keeps the processor busy for a while, and notes where it was done."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.on_loop: list[bool] = []

    def __call__(self, items: Sequence[str]) -> Sequence[str | Exception]:
        self.on_loop.append(threading.current_thread() is threading.main_thread())
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass
        return [KeyError(item) if item == "bad" else item for item in items]


async def test_quick_work_moves_to_the_loop_and_slow_work_leaves_it() -> None:
    task = Task()
    work = PredictionExecutor(task, 1, ROOM)
    await work.run("x", 100)
    assert task.on_loop == [False], "a size that was not seen yet is not trusted"
    while not task.on_loop[-1]:
        await work.run("x", 100)
    task.seconds = 10 * QUICK_SECONDS
    while task.on_loop[-1]:
        await work.run("x", 100)
    slow = len(task.on_loop)
    await work.run("x", 100)
    assert not task.on_loop[-1], "it stays away"
    await work.run("x", 100_000)
    assert not task.on_loop[-1], "another size is another question"
    task.seconds = 0.0
    while not task.on_loop[-1]:
        await work.run("x", 100)
    assert len(task.on_loop) > slow + 50, "trust comes back slowly"
    work.close()


async def test_refusals_do_not_make_a_slow_model_look_quick() -> None:
    task = Task()
    work = PredictionExecutor(task, 1, ROOM)
    task.seconds = 10 * QUICK_SECONDS
    await work.run("x", 100)
    task.seconds = 0.0
    for _ in range(500):
        with pytest.raises(KeyError):
            await work.run("bad", 100)
    await work.run("x", 100)
    assert not any(task.on_loop)
    work.close()


class Gate:
    """Work that takes as long as the test likes, and notes what it was given at once."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = threading.Event()
        self.portions: list[list[str]] = []

    def __call__(self, items: Sequence[str]) -> Sequence[str | Exception]:
        self.portions.append(list(items))
        self.begun.set()
        self.open.wait(60)
        return list(items)


async def held(
    gate: Gate, limits: WorkLimits, sizes: Sequence[int]
) -> tuple[PredictionExecutor[str, str], list[asyncio.Task[str]]]:
    """One thread is busy with the first item; the others wait, in this order."""
    work = PredictionExecutor(gate, 1, limits)
    tasks = []
    for number, size in enumerate(sizes):
        tasks.append(asyncio.create_task(work.run(str(number), size)))
        await asyncio.sleep(0)
        if number == 0:
            await asyncio.to_thread(gate.begun.wait)
    return work, tasks


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        (WorkLimits(requests=2, bytes=1000, seconds=60), [1, 1, 1]),
        (WorkLimits(requests=100, bytes=10, seconds=60), [1, 5, 5]),
    ],
)
async def test_what_finds_no_room_is_told_at_once_and_when_to_come_back(limits: WorkLimits, sizes: list[int]) -> None:
    gate = Gate()
    work, tasks = await held(gate, limits, sizes)
    assert work.waiting == 2
    with pytest.raises(Busy) as refused:
        await work.run("late", 1)
    assert (refused.value.status, refused.value.retry_after) == (429, 1)
    gate.open.set()
    assert await asyncio.gather(*tasks) == ["0", "1", "2"]
    assert await work.run("late", 1) == "late", "there is room again"
    work.close()


async def test_who_waits_too_long_is_told_whether_the_model_was_asked() -> None:
    gate = Gate()
    work, tasks = await held(gate, WorkLimits(requests=9, bytes=1000, seconds=0.01), [1, 1])
    asked, waited = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(asked, TookTooLong)
    assert isinstance(waited, TurnMissed)
    assert (asked.status, waited.status, waited.retry_after) == (504, 503, 1)
    assert work.waiting == 0
    gate.open.set()
    work.close()
    assert gate.portions == [["0"]], "what nobody waits for is not done"


async def test_small_requests_that_wait_are_answered_together_large_ones_alone() -> None:
    gate = Gate()
    gate.open.set()
    work = PredictionExecutor(gate, 1, ROOM)
    await work.run("warm", 1)
    gate.open.clear()
    gate.begun.clear()
    work._seconds = [None] * len(work._seconds)  # as of a slow model
    gate.portions.clear()
    for number, size in enumerate([1, 1, 1, SMALL_BYTES + 1, 1]):
        task = asyncio.create_task(work.run(str(number), size))
        await asyncio.sleep(0)
        if number == 0:
            await asyncio.to_thread(gate.begun.wait)
    gate.open.set()
    await task
    assert gate.portions == [["0"], ["1", "2"], ["3"], ["4"]]
    assert work.together == 2
    work.close()


async def test_a_fault_of_ours_is_told_to_everybody_who_waits() -> None:
    def call(items: Sequence[str]) -> Sequence[str | Exception]:
        if "fault" in items:
            raise MemoryError
        return items

    work = PredictionExecutor(call, 1, ROOM)
    for _ in range(2):
        with pytest.raises(MemoryError):
            await work.run("fault", 100)
        assert await work.run("x", 100) == "x"
    work.close()


async def test_quick_requests_of_one_round_are_answered_together_and_never_for_long() -> None:
    task, portions = Task(), list[int]()

    def call(items: Sequence[str]) -> Sequence[str | Exception]:
        portions.append(len(items))
        return task(items)

    work = PredictionExecutor(call, 1, ROOM)
    while not (task.on_loop and task.on_loop[-1]):
        await work.run("x", 100)
    task.seconds = QUICK_SECONDS / 10  # for a call, however many rows it has
    portions.clear()
    answers = await asyncio.gather(*(work.run(str(number), 100) for number in range(7)))
    assert answers == [str(number) for number in range(7)], "everybody gets his own"
    assert portions == [7]
    bad = await asyncio.gather(work.run("good", 100), work.run("bad", 100), return_exceptions=True)
    assert bad[0] == "good", "nobody fails for the sake of another"
    assert isinstance(bad[1], KeyError)
    work._seconds[(100).bit_length()] = ROUND_SECONDS / 12.5
    portions.clear()
    await asyncio.gather(*(work.run("x", 100) for _ in range(16)))
    assert portions == [12, 4], "one round does not hold up everything else for long"
    work.close()


def cost(each_call: float, each_row: float, calls: int = 1000) -> list[int]:
    """How many are answered together, call by call, by a model with such costs under a full queue."""
    together, sizes = BatchSizer(), []
    for _ in range(calls):
        sizes.append(together.most)
        together.took(sizes[-1], each_call + each_row * sizes[-1])
    return sizes


def test_requests_are_answered_together_where_that_makes_them_cheaper() -> None:
    assert cost(each_call=0.007, each_row=0.0)[:7] == [1, 2, 4, 8, 16, 32, 32]
    assert cost(each_call=0.007, each_row=0.00005)[-1] == MAX_BATCH
    alone = cost(each_call=0.0, each_row=0.005)
    assert alone.count(1) > 0.98 * len(alone), "nothing is won, so nobody waits for another"
    assert 2 in alone[500:], "it is tried again now and then"
    some = cost(each_call=0.010, each_row=0.004)
    assert 2 <= sorted(some)[len(some) // 2] <= 8, "as many as pay"
