"""Another process: what does not end is ended, what crashes is named, and the script does not run twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from viridian.training import converters, isolated_call, time_limits
from viridian.training.not_expressible import NotExpressible
from viridian.training.rows import DatasetColumn

LONG_ENOUGH = 60.0
ENDLESS = "while True: pass"


def test_it_is_another_process_and_the_same_one_again() -> None:
    first = isolated_call.call(os.getpid, seconds=LONG_ENOUGH)
    assert first != os.getpid()
    assert isolated_call.call(os.getpid, seconds=LONG_ENOUGH) == first


@pytest.mark.parametrize(("function", "argument"), [(exec, ENDLESS), (time.sleep, LONG_ENOUGH)])
def test_what_does_not_end_is_ended(function: Any, argument: Any) -> None:
    helper = isolated_call.call(os.getpid, seconds=LONG_ENOUGH)
    with pytest.raises(isolated_call.NotDone, match="it takes longer than 1 s"):
        isolated_call.call(function, argument, seconds=1)
    with pytest.raises(ProcessLookupError):
        os.kill(helper, 0)
    assert isolated_call.call(os.getpid, seconds=LONG_ENOUGH) != helper


@pytest.mark.parametrize(("code", "how"), [("os.abort()", "SIGABRT"), ("os._exit(7)", "exit code 7")])
def test_how_it_ended_is_told(code: str, how: str) -> None:
    with pytest.raises(isolated_call.NotDone, match=f"its process ended: {how}"):
        isolated_call.call(exec, f"import os; {code}", seconds=LONG_ENOUGH)


def test_more_memory_than_there_is_fails_there() -> None:
    with pytest.raises(MemoryError):
        isolated_call.call(bytearray, 1 << 50, seconds=LONG_ENOUGH)


def test_what_the_function_raises_is_raised_here() -> None:
    class Unsendable(Exception):
        def __init__(self, one: str, two: str) -> None:
            super().__init__(one)

    def refusing() -> None:
        raise Unsendable("a", "b")

    with pytest.raises(ValueError, match="invalid literal"):
        isolated_call.call(int, "four", seconds=LONG_ENOUGH)
    with pytest.raises(isolated_call.NotDone, match="cannot be handed over"):
        isolated_call.call(refusing, seconds=LONG_ENOUGH)


def test_a_function_without_a_name_goes_with_its_code() -> None:
    factor = 3
    assert isolated_call.call(lambda number: factor * number, 14, seconds=LONG_ENOUGH) == 42


def test_what_cannot_be_handed_over_is_told() -> None:
    with pytest.raises(isolated_call.NotDone, match="cannot be handed to another process: TypeError"):
        isolated_call.call(len, (number for number in [1]), seconds=LONG_ENOUGH)


def test_a_process_that_left_is_started_anew() -> None:
    helper = isolated_call.call(os.getpid, seconds=LONG_ENOUGH)
    os.kill(helper, 9)
    assert isolated_call.call(len, "four", seconds=LONG_ENOUGH) == 4


def test_a_converter_that_does_not_end_has_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(time_limits.SETTING, "1")

    def spinning(*_: Any) -> Any:
        while True:
            pass

    with pytest.raises(NotExpressible, match="the conversion failed: it takes longer than 1 s"):
        converters.converted(spinning, "a model", (DatasetColumn("x", "double"),))


def test_a_converter_that_needs_more_memory_than_there_is_has_no_graph() -> None:
    def hungry(*_: Any) -> Any:
        return bytearray(1 << 50)

    with pytest.raises(NotExpressible, match="the conversion failed: MemoryError"):
        converters.converted(hungry, "a model", (DatasetColumn("x", "double"),))


@pytest.mark.parametrize(("given", "seconds"), [("", 60.0), ("2.5", 2.5), ("soon", 60.0), ("-1", 60.0), ("inf", 60.0)])
def test_the_setting(monkeypatch: pytest.MonkeyPatch, given: str, seconds: float) -> None:
    monkeypatch.setenv(time_limits.SETTING, given)
    assert time_limits.seconds_for(0) == seconds
    assert time_limits.seconds_for(1000) == seconds + 10


SCRIPT = """
import json, os, sys
from helper import double
from viridian.training import isolated_call

class Mine:
    def __init__(self): self.number = 4
    def __call__(self): return [os.getpid(), double(self.number)]

with open(sys.argv[1], "a") as log:
    log.write("ran\\n")
print(json.dumps([os.getpid(), *isolated_call.call(Mine(), seconds=60)]))
"""


def test_a_script_runs_once_and_its_own_classes_and_modules_go_over(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def double(number):\n    return 2 * number\n")
    (tmp_path / "train.py").write_text(SCRIPT)
    log = tmp_path / "log"
    done = subprocess.run([sys.executable, "train.py", str(log)], cwd=tmp_path, capture_output=True, check=True)
    script, other, number = json.loads(done.stdout)
    assert (log.read_text(), number, script == other) == ("ran\n", 8, False)
    assert done.stderr == b""
    with pytest.raises(ProcessLookupError):
        os.kill(other, 0)
