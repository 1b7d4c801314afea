"""`python -m release.chart [oci://REGISTRY]`: the chart as one file in dist, and pushed where a registry is named.

Helm's own login is used: `helm registry login registry.example.com`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from localcluster.binaries import program
from localcluster.builder import ensure
from release.pins import ROOT

DIST = ROOT / "dist"


class ChartFailed(Exception):
    """What Helm answered."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m release.chart", description=__doc__)
    parser.add_argument("registry", nargs="?", default="", help="oci://…, to which the chart is pushed")
    parser.add_argument("--insecure", action="store_true", help="the registry has no TLS")
    options = parser.parse_args(arguments)
    if options.registry and not options.registry.startswith("oci://"):
        parser.error(f"{options.registry} must begin with oci://, such as oci://registry.example.com/viridian")
    try:
        chart = package(DIST)
        print(chart)
        if options.registry:
            plain = ("--plain-http",) if options.insecure else ()
            print(_helm("push", str(chart), options.registry, *plain))
    except ChartFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def package(folder: Path) -> Path:
    """The chart as one file in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    said = _helm("package", "charts/viridian", f"--destination={folder}")
    return Path(said.rpartition(": ")[2].strip())


def _helm(*arguments: str) -> str:
    """What it prints, which of a push is on the other stream."""
    ensure(["helm"])
    done = subprocess.run([program("helm"), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ChartFailed(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
    return (done.stdout or done.stderr).strip()


if __name__ == "__main__":
    sys.exit(main())
