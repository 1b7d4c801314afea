"""Viridian's model server against bare FastAPI, MLServer, KServe's SDK, `mlflow models serve` and BentoML.

Same models, same rows, same core, one worker each. Servers take turns, in another order each round. Every answer is
checked; one wrong answer ends the benchmark. Viridian counts profiles and metrics and sends its headers throughout.
Beside it stand `uncounted`, the same without a live profile, and `sending`, which sends every row to a collector too.
What counting and sending cost is too little for this comparison: see `python -m benchmarks.serving.counting` and
`python -m benchmarks.serving.sending`.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import signal
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.environments import LOCKS
from benchmarks.serving import passes as measuring
from benchmarks.serving import report
from benchmarks.serving.models import ESTIMATORS, Model, fitted
from benchmarks.serving.passes import Pass
from benchmarks.serving.servers import DEFAULT, SERVERS, binaries

RESULTS = Path(__file__).parent.parent / "results"
VERSIONS = ("viridian", "fastapi", "uvicorn", "mlserver", "kserve", "mlflow", "bentoml", "scikit-learn", "onnxruntime")


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parsed(arguments)
    # Whoever ends the benchmark ends its servers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    for name in chosen.servers:
        binaries(SERVERS[name])
    measuring.pin_to_other_cores(chosen.core)
    done: list[Pass] = []
    with tempfile.TemporaryDirectory(prefix="bench-models-") as scratch:
        models = [_fit(name, Path(scratch) / name) for name in chosen.models]
        for number in range(chosen.rounds):
            for model in models:
                for name in _turned(chosen.servers, number):
                    done.append(
                        measuring.measured(
                            number,
                            SERVERS[name],
                            model,
                            connections=chosen.connections,
                            seconds=chosen.seconds,
                            core=chosen.core,
                        )
                    )
                    print(_line(done[-1]), flush=True)
    for model in models:
        print()
        print("\n".join(report.table(model.name, chosen.servers, done, chosen.connections)))
    _save(chosen.out, chosen, models, done)
    return 0


def _parsed(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each loop (default: 8)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16], help="default: 1 16")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(DEFAULT), metavar="SERVER",
                        help=f"of {', '.join(SERVERS)}; default: all but kserve-v2")  # fmt: skip
    parser.add_argument("--models", nargs="+", choices=ESTIMATORS, default=list(ESTIMATORS), metavar="MODEL",
                        help=f"of {', '.join(ESTIMATORS)}; default: all")  # fmt: skip
    parser.add_argument("--core", type=int, default=0, help="the servers' core (default: 0); the load runs on others")
    parser.add_argument("--out", type=Path, default=RESULTS / "serving.json", help="raw passes as JSON")
    return parser.parse_args(arguments)


def _fit(name: str, folder: Path) -> Model:
    folder.mkdir()
    model = fitted(name, folder)
    print(f"{name}: Viridian serves it as {model.payload} {model.reason}".rstrip(), flush=True)
    return model


def _turned(servers: Sequence[str], number: int) -> list[str]:
    """Another one begins in each round."""
    first = number % len(servers)
    return [*servers[first:], *servers[:first]]


def _line(one: Pass) -> str:
    loops = "; ".join(
        f"{loop.connections} conn {loop.per_second:,.0f}/s p50 {loop.p50:.2f} p99 {loop.p99:.2f} ms "
        f"cpu {loop.cpu:.3f} ms foreign {loop.foreign:.2f}"
        for loop in one.loops
    )
    return f"{one.round + 1} {one.model:9} {one.server:10} start {one.start:5.2f} s {one.megabytes:5.0f} MB; {loops}"


def _save(out: Path, chosen: Any, models: Sequence[Model], done: Sequence[Pass]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "command": f"python -m benchmarks.serving --rounds {chosen.rounds} --seconds {chosen.seconds:g} "
        f"--connections {' '.join(map(str, chosen.connections))} --servers {' '.join(chosen.servers)}",
        "computer": {"cpu": _cpu(), "kernel": platform.release(), "python": platform.python_version()},
        "versions": _versions(chosen.servers),
        "payloads": {model.name: [model.payload, model.reason] for model in models},
        "passes": [one.document() for one in done],
    }
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\nraw passes: {out}", file=sys.stderr)


def _versions(servers: Sequence[str]) -> dict[str, dict[str, str]]:
    """Of each tool's environment, what matters."""
    found = {}
    for name in servers:
        pins = re.findall(r"^([a-z0-9-]+)==(\S+)", (LOCKS / f"{SERVERS[name].lock}.txt").read_text(), flags=re.M)
        found[name] = {package: number for package, number in pins if package in VERSIONS}
    return {**found, "load": {"python": platform.python_version(), "uvloop": version("uvloop")}}


def _cpu() -> str:
    text = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.M)
    return found.group(1) if found else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
