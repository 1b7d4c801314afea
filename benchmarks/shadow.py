"""What users notice of a shadow: nothing, whatever the challenger does.

One champion on a core of its own, under steady load; every request is offered to the shadow. In turn there is no
challenger, a good one, and bad ones. Every live answer is checked; one wrong answer ends the benchmark.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import uvloop

from benchmarks.load import Answers, closed_loop
from benchmarks.processes import Tree, launched
from benchmarks.serving import passes
from benchmarks.serving.models import Model, fitted
from benchmarks.serving.servers import SERVERS, Start, binaries, proven
from benchmarks.spread import spread
from tests.support import challengers as bad

OURS: Final = SERVERS["viridian"]
GOOD: Final = "good"
NONE: Final = "none"
BAD: Final[Mapping[str, bad.Behaviour]] = {
    "answers 500": bad.answers(500, bad.POISON),
    "sleeps": bad.sleeps,
    "closes": bad.closes,
    "rubbish": bad.writes(b"\x00\xff" + bad.POISON),
    "byte by byte": bad.trickles,
    "floods": bad.floods,
}
SITUATIONS: Final = (NONE, GOOD, *BAD)


@dataclass(frozen=True)
class Pass:
    """One situation in one round."""

    situation: str
    connections: int
    per_second: float
    p50: float
    p99: float
    cpu: float
    """Milliseconds of the champion for one live request, its share of the shadow included."""
    compared: float
    failed: float
    dropped: float
    megabytes: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shadow", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each loop (default: 4)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16], help="default: 1 16")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "shadow.json")
    chosen = parser.parse_args(arguments)
    programs = binaries(OURS)
    passes.pin_to_other_cores(0)
    done: list[Pass] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, contextlib.ExitStack() as stack:
        model = fitted("logistic", Path(scratch))
        good, _ = stack.enter_context(_served(programs, model, Path(scratch), core=1))
        ports = {GOOD: good.port, **{name: stack.enter_context(_misbehaving(name)) for name in BAD}}
        for number in range(chosen.rounds):
            for situation in (*SITUATIONS[number % len(SITUATIONS) :], *SITUATIONS[: number % len(SITUATIONS)]):
                port = ports.get(situation)
                # A server copies to the one address that it was given at its start.
                with _served(programs, model, Path(scratch), core=0, target=port) as (start, tree):
                    for connections in chosen.connections:
                        revision = f"{situation} {number} {connections}"
                        done.append(_measured(start, tree, model, situation, port, revision, connections, chosen))
    for connections in chosen.connections:
        _print(connections, [one for one in done if one.connections == connections])
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps([vars(one) for one in done], indent=1) + "\n")
    return 0


def _measured(
    start: Start,
    tree: Tree,
    model: Model,
    situation: str,
    port: int | None,
    revision: str,
    connections: int,
    chosen: Any,
) -> Pass:
    if port is not None:
        order = {"target": f"http://127.0.0.1:{port}", "revision": revision, "share": 100, "seconds": 600}
        if situation == GOOD:
            order["revision"] = "4c1d90ab"
        _manage(start, "POST", "/shadow", order)
    before, cpu = _counts(start), tree.cpu_seconds()
    answers: Answers
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answers = runner.run(
            closed_loop(start.port, OURS.questions(model), OURS.read, connections=connections, seconds=chosen.seconds)
        )
    if answers.failed:
        raise RuntimeError(f"{situation}: {answers.failed} live answers were wrong, such as {answers.problems}")
    after, cpu = _counts(start), tree.cpu_seconds() - cpu
    compared, failed, dropped = (after[name] - before[name] for name in ("compared", "failures", "dropped"))
    _manage(start, "DELETE", "/shadow")
    if situation == GOOD and not compared:
        raise RuntimeError("nothing was compared: this measures nothing")
    return Pass(
        situation,
        connections,
        answers.per_second,
        answers.milliseconds(50),
        answers.milliseconds(99),
        cpu / len(answers.latencies) * 1000,
        compared,
        failed,
        dropped,
        tree.megabytes(),
    )


@contextlib.contextmanager
def _served(
    programs: Path, model: Model, scratch: Path, core: int, target: int | None = None
) -> Iterator[tuple[Start, Tree]]:
    folder = scratch / f"server-{core}"
    folder.mkdir(exist_ok=True)
    start = OURS.start(programs, model, folder)
    command = [*start.command, *([] if target is None else [f"--shadow-target=http://127.0.0.1:{target}"])]
    with launched(command, core=core, log=folder / "log", folder=folder, variables=start.variables) as tree:
        passes.first_answer(tree, start.port, OURS, OURS.questions(model)[0])
        yield start, tree


@contextlib.contextmanager
def _misbehaving(name: str) -> Iterator[int]:
    """A challenger in a process of its own, so that it takes no time from the load's event loop; its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_misbehave, args=(name, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _misbehave(name: str, told: Connection) -> None:
    async def serve() -> None:
        async with bad.challenged(BAD[name]) as challenger:
            told.send(challenger.port)
            await asyncio.Event().wait()

    asyncio.run(serve())


def _manage(start: Start, method: str, path: str, body: Any = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", start.management_port, timeout=10)
    with contextlib.closing(connection):
        content = b"" if body is None else json.dumps(body).encode()
        connection.request(method, path, content, proven(method, path, content))
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text!r}")
        return text


def _counts(start: Start) -> dict[str, float]:
    """Compared, failed and dropped copies, about the challenger of the newest order."""
    lines = _manage(start, "GET", "/metrics").decode().splitlines()
    return {
        name: sum(
            float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"viridian_shadow_{name}_total{{")
        )
        for name in ("compared", "failures", "dropped")
    }


def _print(connections: int, done: Sequence[Pass]) -> None:
    print(f"\n== {connections} connections, every live answer correct ==")
    for situation in SITUATIONS:
        mine = [one for one in done if one.situation == situation]
        compared, failed, dropped = (
            sum(getattr(one, what) for one in mine) for what in ("compared", "failed", "dropped")
        )
        print(f"{situation}: compared {compared:.0f}, failed {failed:.0f}, dropped {dropped:.0f} copies")
        print(f"  p50 {spread([one.p50 for one in mine], 'ms')}, p99 {spread([one.p99 for one in mine], 'ms')}")
        print(
            f"  {spread([one.per_second for one in mine], 'requests/s')}, CPU {spread([one.cpu for one in mine], 'ms')}"
        )
        print(f"  at most {max(one.megabytes for one in mine):.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
