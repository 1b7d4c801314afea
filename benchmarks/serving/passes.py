"""One pass: a server is started, asked, measured and ended."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.load import Answers, Question, closed_loop
from benchmarks.processes import Tree, busy_seconds, launched
from benchmarks.serving.models import Model
from benchmarks.serving.servers import Server, Start, binaries

WARM_UP_SECONDS = 1.0
START_SECONDS = 120.0


@dataclass(frozen=True)
class Loop:
    """A closed loop with so many connections."""

    connections: int
    requests: int
    per_second: float
    p50: float
    """Milliseconds."""
    p99: float
    cpu: float
    """Milliseconds of the server's whole process tree for one request."""
    foreign: float
    """Cores that neither the server nor the load used, but somebody else."""


@dataclass(frozen=True)
class Pass:
    """What one start of one server gave."""

    round: int
    model: str
    server: str
    start: float
    """Seconds from the start of the process to its first correct answer."""
    megabytes: float
    """Of the whole process tree, after all loops."""
    loops: tuple[Loop, ...]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def measured(
    number: int, server: Server, model: Model, *, connections: Sequence[int], seconds: float, core: int
) -> Pass:
    """One pass; RuntimeError for anything but correct answers."""
    programs = binaries(server)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        start = server.start(programs, model, folder)
        with launched(
            start.command, core=core, log=folder / "server.log", folder=folder, variables=start.variables
        ) as tree:
            questions = server.questions(model)
            ready = first_answer(tree, start.port, server, questions[0])
            loops: list[Loop] = []
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                for count in (connections[0], *connections):
                    warm = not loops
                    loops.append(
                        runner.run(
                            _loop(tree, start.port, server, questions, count, WARM_UP_SECONDS if warm else seconds)
                        )
                    )
            asked = sum(loop.requests for loop in loops) + 1
            _everything_was_on(server, start, asked)
            return Pass(number, model.name, server.name, ready, tree.megabytes(), tuple(loops[1:]))


def first_answer(tree: Tree, port: int, server: Server, question: Question) -> float:
    """Waits for it; the seconds that it took."""
    body = question.request.partition(b"\r\n\r\n")[2]
    headers = {"content-type": "application/json"}
    until = tree.started + START_SECONDS
    while time.perf_counter() < until:
        tree.check()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError), contextlib.closing(connection):
            connection.request("POST", server.path, body, headers)
            answer = connection.getresponse()
            if answer.status == 200 and server.read(json.loads(answer.read())) == question.expected:
                return time.perf_counter() - tree.started
        time.sleep(0.005)
    raise RuntimeError(f"{server.name} gave no correct answer:\n{tree.log.read_text(errors='replace')[-3000:]}")


async def _loop(
    tree: Tree, port: int, server: Server, questions: Sequence[Question], connections: int, seconds: float
) -> Loop:
    theirs, ours, all_ = tree.cpu_seconds(), time.process_time(), busy_seconds()
    answers = await closed_loop(port, questions, server.read, connections=connections, seconds=seconds)
    theirs, ours = tree.cpu_seconds() - theirs, time.process_time() - ours
    foreign = (busy_seconds() - all_ - theirs - ours) / answers.seconds
    _no_errors(server, answers)
    return Loop(
        connections=connections,
        requests=len(answers.latencies),
        per_second=answers.per_second,
        p50=answers.milliseconds(50),
        p99=answers.milliseconds(99),
        cpu=theirs / len(answers.latencies) * 1000,
        foreign=max(0.0, foreign),
    )


def _no_errors(server: Server, answers: Answers) -> None:
    if answers.failed:
        raise RuntimeError(f"{server.name}: {answers.failed} answers were wrong, such as {answers.problems}")


def _everything_was_on(server: Server, start: Start, asked: int) -> None:
    """Viridian's metrics and profile tell of every request: with them switched off it would be another server."""
    if not start.management_port:
        return
    lines = _managed(start, "/metrics").decode().splitlines()
    counted = sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("viridian_requests_total{") and 'code="2xx"' in line
    )
    profiled = json.loads(_managed(start, "/profile"))["rows"]
    if not counted == profiled == asked:
        raise RuntimeError(f"{server.name} counted {counted:.0f} and profiled {profiled} of {asked} requests")


def _managed(start: Start, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", start.management_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read()


def pin_to_other_cores(core: int) -> None:
    """The load never runs where the server does."""
    others = os.sched_getaffinity(0) - {core}
    if not others:
        raise SystemExit("this benchmark needs two cores: one for the server, one for the load")
    os.sched_setaffinity(0, others)
