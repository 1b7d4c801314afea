"""Small parts that have rules of their own: ids, CPU limits, settings, logs, and where work runs."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from pathlib import Path

import pytest

from viridian.serving import cpus, settings
from viridian.serving.errors import FetchFailed
from viridian.serving.identifiers import prediction_id
from viridian.serving.logs import JsonLines, ModelErrors
from viridian.serving.termination import LIMIT, explain
from viridian.serving.work import QUICK_SECONDS, Work


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
    found = settings.parse(["--model-name", "from here", "--port", "0"], environment)
    assert (found.name, found.slot, found.drain_seconds, found.port) == ("from here", "blue", 0.5, 0)
    assert found.model_dir == Path("/model")


def test_a_service_called_viridian_does_not_break_the_settings() -> None:
    """Kubernetes would set VIRIDIAN_PORT to its address."""
    assert settings.parse([], {"VIRIDIAN_PORT": "tcp://10.0.0.1:80"}).port == 8080


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
        settings.parse(flags, {})
    assert raised.value.code == 2
    assert words in capsys.readouterr().err


def test_help_names_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        settings.parse(["--help"], {"VIRIDIAN_MODEL_NAME": "100% sure"})
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


class Task:
    """Work that keeps the processor busy for a while, and notes where it was done."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.on_loop: list[bool] = []

    def __call__(self) -> None:
        self.on_loop.append(threading.current_thread() is threading.main_thread())
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass


async def test_quick_work_moves_to_the_loop_and_slow_work_leaves_it() -> None:
    work, task = Work(1), Task()
    await work.run(100, task)
    assert task.on_loop == [False], "a size that was not seen yet is not trusted"
    while not task.on_loop[-1]:
        await work.run(100, task)
    task.seconds = 10 * QUICK_SECONDS
    while task.on_loop[-1]:
        await work.run(100, task)
    slow = len(task.on_loop)
    await work.run(100, task)
    assert not task.on_loop[-1], "it stays away"
    await work.run(100_000, task)
    assert not task.on_loop[-1], "another size is another question"
    task.seconds = 0.0
    while not task.on_loop[-1]:
        await work.run(100, task)
    assert len(task.on_loop) > slow + 50, "trust comes back slowly"
    work.close()


async def test_refusals_do_not_make_a_slow_model_look_quick() -> None:
    work, task = Work(1), Task()
    task.seconds = 10 * QUICK_SECONDS

    def refuse() -> None:
        raise ValueError

    await work.run(100, task)
    for _ in range(500):
        with pytest.raises(ValueError):
            await work.run(100, refuse)
    await work.run(100, task)
    assert task.on_loop == [False, False]
    work.close()


async def test_work_that_raises_raises_in_the_caller() -> None:
    work = Work(1)

    def call() -> None:
        raise KeyError("no")

    for _ in range(3):
        with pytest.raises(KeyError):
            await work.run(1, call)
    work.close()
