"""Ten kinds of checks on 1,000,000 rows of 50 columns from Parquet: Viridian beside the same checks in pandas.

Each program runs in a process of its own; the time is that of the whole process, the memory its peak. The rows have six
faults, and both programs must find exactly these. It ends with 1 where Viridian takes more than 2 s (median) or 200 MB.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.checks.rows import COLUMNS, FAULTS
from benchmarks.spread import spread
from localcluster.paths import REPOSITORY, cache_root

MOST_SECONDS = 2.0
MOST_MEGABYTES = 200.0
_SENTENCE = re.compile(r"^([a-zA-Z]+), column ([^:]+): ")


@dataclass(frozen=True)
class Run:
    """One run of one program."""

    seconds: float
    processor_seconds: float
    megabytes: float
    found: frozenset[tuple[str, str]]


def data(rows: int) -> Path:
    """The folder with rows and checks; written once."""
    folder = cache_root() / "bench" / f"checks-{rows}"
    if not (folder / "checks.json").exists():
        subprocess.run([sys.executable, "-m", "benchmarks.checks.rows", str(folder), str(rows)], check=True)
    return folder


def run(command: Sequence[str], expected_code: int) -> tuple[Run, str]:
    """The program in a process of its own, and what it prints."""
    surroundings = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'operator'}:{REPOSITORY}"}
    with tempfile.TemporaryFile("w+") as printed:
        redirected = [(os.POSIX_SPAWN_DUP2, printed.fileno(), target) for target in (1, 2)]
        began = time.perf_counter()
        pid = os.posix_spawn(command[0], list(command), surroundings, file_actions=redirected)
        _, status, used = os.wait4(pid, 0)
        seconds = time.perf_counter() - began
        printed.seek(0)
        text = printed.read()
    if os.waitstatus_to_exitcode(status) != expected_code:
        raise RuntimeError(f"{' '.join(command)} failed: {text[-2000:]}")
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, frozenset()), text


def viridian(folder: Path) -> Run:
    """The command of the trainer image; 64 means that it has found something."""
    command = [sys.executable, "-m", "viridian.training.check_data", "--checks", str(folder / "checks.json")]
    measured, text = run([*command, str(folder / "rows.parquet")], 64)
    found = frozenset(match.groups() for line in text.splitlines() if (match := _SENTENCE.match(line)))
    return Run(measured.seconds, measured.processor_seconds, measured.megabytes, frozenset((a, b) for a, b in found))


def in_pandas(folder: Path) -> Run:
    command = [sys.executable, "-m", "benchmarks.checks.in_pandas", str(folder / "rows.parquet")]
    measured, text = run([*command, str(folder / "checks.json")], 0)
    found = frozenset(
        (check, column) for check, _, column in (line.partition("\t") for line in text.splitlines() if "\t" in line)
    )
    return Run(measured.seconds, measured.processor_seconds, measured.megabytes, found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args(arguments)
    folder = data(chosen.rows)
    print(f"{chosen.rows} x {len(COLUMNS)}; min / median / max of whole processes, and the median as a multiple")
    usual = 0.0
    missed = False
    for name, program in (("Viridian", viridian), ("pandas and scikit-learn", in_pandas)):
        runs = [program(folder) for _ in range(chosen.rounds)]
        seconds, megabytes = [one.seconds for one in runs], max(one.megabytes for one in runs)
        median = statistics.median(seconds)
        usual = usual or median
        right = all(one.found == FAULTS for one in runs)
        print(
            f"{name}: {spread(seconds, 's')} ({median / usual:.1f} x), processor "
            f"{spread([one.processor_seconds for one in runs], 's')}, {megabytes:.0f} MB; "
            f"{'all six faults and nothing else' if right else f'found {sorted(runs[0].found)}'}",
            flush=True,
        )
        ours = program is viridian
        missed = missed or not right or (ours and (median > MOST_SECONDS or megabytes > MOST_MEGABYTES))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
