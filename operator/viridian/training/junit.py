"""The team's own test suite as a stage: it runs, its JUnit XML is read, and the report names the tests that failed.

    python -m viridian.training.junit -- pytest -q tests/      run the command, then read $VIRIDIAN_OUT_DIR/junit.xml
    python -m viridian.training.junit results/                 read files of another program

It ends with 0 where at least one test ran and none failed, with 65 where one failed, and with 2 where there is no
report to read; 1 would mean that tests failed. It needs the package without any extra.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from viridian.api.stage import MAX_FAILURES, MAX_REPORT_BYTES, ExitCode, StageReport
from viridian.api.texts import one_line
from viridian.training import stage_exit
from viridian.training.junit_xml import SuiteResult, UnreadableReport, read_junit

FILE_NAME: Final = "junit.xml"
_BROKEN: Final = 2
_MAX_NAME: Final = 110
"""Characters of a test's name that a report shows: four of them fit even where each takes six bytes of JSON."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the stage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m viridian.training.junit", description=__doc__)
    parser.add_argument(
        "paths", nargs="*", type=Path, help=f"JUnit XML, or folders of it [$VIRIDIAN_OUT_DIR/{FILE_NAME}]"
    )
    command = given[given.index("--") + 1 :] if "--" in given else []
    paths = parser.parse_args(given[: given.index("--")] if "--" in given else given).paths or [_default()]
    code = _run(command, paths[0]) if command else 0
    try:
        return _ended(_read(paths), code)
    except UnreadableReport as error:
        ending = f"; the command ended with exit code {code}" if command else ""
        return _error(f"{error}{ending}")


def _default() -> Path:
    return Path(os.environ.get("VIRIDIAN_OUT_DIR") or ".") / FILE_NAME


def _run(command: Sequence[str], report: Path) -> int:
    """The command's exit code. A report that an attempt before has left is not the report of this one."""
    report.unlink(missing_ok=True)
    asked = shlex.join([f"--junitxml={report.absolute()}"])
    options = " ".join(filter(None, [os.environ.get("PYTEST_ADDOPTS", ""), asked]))
    try:
        process = subprocess.Popen(command, env={**os.environ, "PYTEST_ADDOPTS": options})
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)


def _read(paths: Iterable[Path]) -> SuiteResult:
    files = [file for path in paths for file in (sorted(path.rglob("*.xml")) if path.is_dir() else [path])]
    if not files:
        raise UnreadableReport("there is no JUnit XML in the folder")
    return SuiteResult.of(read_junit(file) for file in files)


def _ended(result: SuiteResult, code: int) -> int:
    if result.failed:
        shown = [f"test {_short(name)} failed" for name in result.failed]
        for sentence in shown:
            sys.stderr.write(f"{sentence}\n")
        more = [f"and {len(shown) - MAX_FAILURES + 1} more of {result.ran} tests"]
        failures = shown if len(shown) <= MAX_FAILURES else [*shown[: MAX_FAILURES - 1], *more]
        stage_exit.write(StageReport(failures=tuple(failures)))
        return int(ExitCode.BAD_CANDIDATE)
    if code:
        return _error(f"no test failed, but the command ended with exit code {code}")
    if not result.ran:
        return _error("no test ran: a suite that runs nothing shows nothing")
    sys.stderr.write(f"{result.ran} tests passed\n")
    stage_exit.write(StageReport())
    return int(ExitCode.DONE)


def _error(sentence: str) -> int:
    sys.stderr.write(f"{one_line(sentence, MAX_REPORT_BYTES)}\n")
    stage_exit.write(StageReport(failures=(sentence,)))
    return _BROKEN


def _short(name: str) -> str:
    """The end of a long name: it says which test, where the beginning only says in which folder."""
    line = one_line(name, MAX_REPORT_BYTES)
    return line if len(line) <= _MAX_NAME else f"…{line[-_MAX_NAME:]}"


if __name__ == "__main__":
    sys.exit(main())
