"""A process is ended by its identity; a pid that belongs to another one by now is left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localcluster.errors import LocalClusterError
from localcluster.processes import Process, Roll, kill_all, parse_start_time, require_alive, spawn, start_time, stop


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = spawn("sleeper", ["sleep", "600"], tmp_path / "log")
    yield process
    stop(process)


def test_the_start_time_is_found_behind_a_name_with_brackets() -> None:
    fields = " ".join(["S", *map(str, range(4, 22)), "4711", "23"])
    assert parse_start_time(f"12 (a (b) c) {fields}") == 4711


def test_a_dead_process_that_nobody_collected_has_no_start_time() -> None:
    assert parse_start_time(f"12 (x) Z {' '.join(map(str, range(4, 30)))}") is None


def test_a_process_runs_in_a_session_of_its_own_and_can_be_ended(sleeper: Process) -> None:
    assert sleeper.alive
    assert os.getsid(sleeper.pid) == sleeper.pid
    stop(sleeper)
    assert not sleeper.alive
    assert start_time(sleeper.pid) is None


def test_a_recycled_pid_is_not_ended(sleeper: Process) -> None:
    namesake = replace(sleeper, started=sleeper.started - 1)
    assert not namesake.alive
    stop(namesake)
    assert sleeper.alive


def test_a_process_of_before_the_last_boot_is_not_alive(sleeper: Process) -> None:
    assert not replace(sleeper, boot="another boot").alive


def test_ending_what_is_gone_already_is_harmless(sleeper: Process) -> None:
    stop(sleeper)
    stop(sleeper)
    kill_all([sleeper.pid])
    assert not sleeper.alive


def test_killing_waits_until_each_is_gone(tmp_path: Path) -> None:
    both = [spawn(name, ["sleep", "600"], tmp_path / name) for name in ("a", "b")]
    kill_all(process.pid for process in both)
    assert [process.alive for process in both] == [False, False]
    for process in both:
        stop(process)


def test_a_process_that_ended_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    process = spawn("talker", ["sh", "-c", "echo the reason; exit 3"], tmp_path / "log")
    os.waitpid(process.pid, 0)
    with pytest.raises(LocalClusterError, match=r"talker ended unexpectedly(.|\n)*the reason"):
        require_alive(process)


def test_the_roll_keeps_the_last_process_of_each_name(tmp_path: Path) -> None:
    roll = Roll(tmp_path / "processes.json")
    assert roll.read() == []
    first, second = Process("a", 1, 10, "boot", ""), Process("b", 2, 20, "boot", "")
    restarted = replace(first, pid=3)
    for process in (first, second, restarted):
        roll.add(process)
    assert roll.read() == [second, restarted]
    assert roll.get("a") == restarted
    assert roll.get("c") is None
    roll.clear()
    assert roll.read() == []
