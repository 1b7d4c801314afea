"""`python -m checks --programs FOLDER`: 0 without new findings, 1 with them, 2 where a scanner did not work."""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checks.findings import Finding, Unreasoned, complaints, read_exceptions
from checks.rendered import render
from checks.scanners import Broken, bandit, checkov, kube_score
from localcluster.errors import LocalClusterError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m checks", description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="folder with checkov and bandit")
    programs = parser.parse_args().programs
    try:
        exceptions, findings = read_exceptions(), found(programs)
    except (Broken, Unreasoned, LocalClusterError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    said = complaints(findings, exceptions)
    for line in said:
        print(line)
    return 1 if said else 0


def found(programs: Path) -> list[Finding]:
    """All findings of all scanners, which run beside each other."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(3) as pool:
        files = render(Path(folder))
        running = [
            pool.submit(checkov, files, programs),
            pool.submit(bandit, programs),
            pool.submit(kube_score, files),
        ]
        return [finding for one in running for finding in one.result()]


if __name__ == "__main__":
    sys.exit(main())
