"""Drift of 1,000,000 x 50 numbers against 1,000,000 x 50 others, from Parquet: Viridian beside SciPy and Evidently.

Every program reads the same two files in a process of its own, and says which columns have drifted; 15 of the 50 have,
by 0.1, 0.2 and 0.8 standard deviations, five each. The time is that of the whole process, the memory its peak.
Viridian is measured twice: with the reference profile that ships with a version, as in operation, and with making it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.drift.shifts import COLUMNS, SHIFTS
from benchmarks.environments import environment
from benchmarks.spread import spread
from localcluster.paths import REPOSITORY, cache_root

PROGRAMS = Path(__file__).parent / "programs"
_OWN = str(Path(sys.executable).parent)


@dataclass(frozen=True)
class Program:
    """Something that says which columns have drifted."""

    name: str
    script: str
    lock: str | None = None
    """Of the environment that it needs; None: ours."""
    rounds: int | None = None
    """Fewer where one takes minutes."""


PROGRAM_LIST = (
    Program("Viridian, reference profile at hand", "viridian_verdicts"),
    Program("Viridian, reference profile made anew", "viridian_profile"),
    Program("SciPy: exact KS and Wasserstein", "scipy_exact", rounds=1),
    Program("Evidently 0.7.23: data drift preset", "evidently_preset", lock="bench/drift", rounds=1),
)


@dataclass(frozen=True)
class Run:
    """One run of one program."""

    seconds: float
    processor_seconds: float
    megabytes: float
    drifted: tuple[int, ...]


def data(rows: int) -> Path:
    """The folder with both files; written once."""
    folder = cache_root() / "bench" / f"drift-{rows}"
    if not (folder / "current.parquet").exists():
        subprocess.run([sys.executable, "-m", "benchmarks.drift.data", str(folder), str(rows)], check=True)
    return folder


def run(program: Program, folder: Path) -> Run:
    """The program in a process of its own."""
    binaries = environment(program.lock) if program.lock else Path(_OWN)
    out = folder / "drifted.json"
    out.unlink(missing_ok=True)
    command = [str(binaries / "python"), str(PROGRAMS / f"{program.script}.py"), str(folder), str(out)]
    surroundings = {**os.environ, "PYTHONPATH": str(REPOSITORY / "operator"), "DO_NOT_TRACK": "1"}
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, surroundings)
    _, status, used = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    if status != 0:
        raise RuntimeError(f"{program.name} failed")
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, tuple(json.loads(out.read_text())))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="of what takes seconds (default: 5)")
    parser.add_argument("--only", nargs="*", help="names of programs, such as viridian_verdicts")
    chosen = parser.parse_args(arguments)
    programs = [one for one in PROGRAM_LIST if not chosen.only or one.script in chosen.only]
    folder = data(chosen.rows)
    run(Program("the profile that ships with a version", "viridian_profile"), folder)
    print(f"{chosen.rows} x {COLUMNS} against as many; min / median / max, and medians as multiples of the first")
    first = 0.0
    for program in programs:
        runs = [run(program, folder) for _ in range(min(chosen.rounds, program.rounds or chosen.rounds))]
        found = ", ".join(
            f"{sum(SHIFTS.get(number) == shift for number in runs[0].drifted)} of 5 at {shift} std"
            for shift in sorted(set(SHIFTS.values()))
        )
        false = sum(number not in SHIFTS for number in runs[0].drifted)
        usual = statistics.median(one.seconds for one in runs)
        first = first or usual
        print(
            f"{program.name}: {spread([one.seconds for one in runs], 's')} ({usual / first:.1f} x), "
            f"processor {spread([one.processor_seconds for one in runs], 's')}, "
            f"{max(one.megabytes for one in runs):.0f} MB; drifted: {found}, {false} of 35 unshifted",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
