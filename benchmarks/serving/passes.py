"""One pass: a server is started, asked, measured and ended."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.load import Question, closed_loop
from benchmarks.processes import Tree, busy_seconds, launched
from benchmarks.serving.models import Model
from benchmarks.serving.servers import Server, Start, binaries, proven
from viridian.serving.observation.recorder import COUNTED_PER_SECOND

WARM_UP_SECONDS = 1.0
START_SECONDS = 120.0
SENDING_SECONDS = 30.0


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
    behind: int = 0
    """Rows that were answered and not yet sent when the loop ended, of a server that sends them."""


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
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, started(server, model, Path(folder), core) as trial:
        loops = tuple(trial.warm_loop(count, seconds) for count in connections)
        trial.check_what_was_on()
        return Pass(number, model.name, server.name, trial.ready, trial.tree.megabytes(), loops)


@contextlib.contextmanager
def started(server: Server, model: Model, folder: Path, core: int) -> Iterator[Trial]:
    """The server on its core, once it has given a correct answer; nothing of it is left afterwards."""
    programs = binaries(server)
    with contextlib.ExitStack() as stack:
        start = server.start(programs, model, folder)

        def running(command: Sequence[str], name: str, core: int, variables: Mapping[str, str]) -> Tree:
            log = folder / f"{name}.log"
            return stack.enter_context(launched(command, core=core, log=log, folder=folder, variables=variables))

        helper = running(start.beside, "beside", min(os.sched_getaffinity(0)), {}) if start.beside else None
        tree = running(start.command, "server", core, start.variables)
        ready = first_answer(tree, start.port, server, server.questions(model)[0])
        yield Trial(server, start, tree, helper, server.questions(model), ready)


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


@dataclass
class Trial:
    """One running server, and how often it was asked."""

    server: Server
    start: Start
    tree: Tree
    helper: Tree | None
    questions: Sequence[Question]
    ready: float
    """Seconds from the start of the process to its first correct answer."""
    asked: int = 1
    """The first answer was one, too."""
    helper_began: float = field(init=False)
    """Processor seconds of what runs beside the server, when the server was ready."""

    def __post_init__(self) -> None:
        self.helper_began = self._helper_seconds()

    def warm_loop(self, connections: int, seconds: float) -> Loop:
        """A loop after a short one like it, which is not told of."""
        self.loop(connections, WARM_UP_SECONDS)
        return self.loop(connections, seconds)

    def loop(self, connections: int, seconds: float) -> Loop:
        """A closed loop; RuntimeError for anything but correct answers."""
        theirs, helper, load, all_ = (
            self.tree.cpu_seconds(),
            self._helper_seconds(),
            time.process_time(),
            busy_seconds(),
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            answers = runner.run(
                closed_loop(self.start.port, self.questions, self.server.read, connections=connections, seconds=seconds)
            )
        theirs, helper = self.tree.cpu_seconds() - theirs, self._helper_seconds() - helper
        foreign = (busy_seconds() - all_ - theirs - helper - (time.process_time() - load)) / answers.seconds
        if answers.failed:
            raise RuntimeError(f"{self.server.name}: {answers.failed} answers were wrong, such as {answers.problems}")
        self.asked += len(answers.latencies)
        return Loop(
            connections=connections,
            requests=len(answers.latencies),
            per_second=answers.per_second,
            p50=answers.milliseconds(50),
            p99=answers.milliseconds(99),
            cpu=theirs / len(answers.latencies) * 1000,
            foreign=max(0.0, foreign),
            behind=self.asked - self._sent() if self.server.sends else 0,
        )

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Neither it nor what runs beside it does anything."""
        trees = [tree for tree in (self.tree, self.helper) if tree is not None]
        processes = [process for tree in trees for process in tree.processes()]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def _helper_seconds(self) -> float:
        return self.helper.cpu_seconds() if self.helper else 0.0

    def helper_milliseconds(self) -> float:
        """Processor time of what runs beside the server for each request, since the server was ready."""
        return (self._helper_seconds() - self.helper_began) / self.asked * 1000

    def check_what_was_on(self) -> None:
        """Viridian's metrics and collector know of every request, its profile of a sample: all of it was on."""
        if not self.start.management_port:
            return
        found = {"answered": _metric(self.start, "viridian_requests_total", 'code="2xx"')}
        expected = {"answered": self.asked}
        if (profiled := self._profiled()) < (min(self.asked, COUNTED_PER_SECOND) if self.server.counts else 0):
            raise RuntimeError(f"{self.server.name}: {profiled} of {self.asked} rows were profiled")
        if self.server.sends:
            found["sent"], expected["sent"] = self._all_sent(), self.asked
        if found != expected:
            raise RuntimeError(f"{self.server.name}: {found} instead of {expected}")

    def _profiled(self) -> int:
        return int(json.loads(_managed(self.start, "/profile")).get("rows", 0))

    def _sent(self) -> int:
        return _metric(self.start, "viridian_feedback_rows_total", 'outcome="sent"')

    def _all_sent(self) -> int:
        """After it had time for what still waited."""
        until = time.perf_counter() + SENDING_SECONDS
        while (sent := self._sent()) < self.asked and time.perf_counter() < until:
            time.sleep(0.1)
        return sent


def _metric(start: Start, name: str, label: str) -> int:
    """The value of the series that has this label."""
    lines = _managed(start, "/metrics").decode().splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(f"{name}{{") and label in line)


def _managed(start: Start, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", start.management_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=proven("GET", path))
        return connection.getresponse().read()


def pin_to_other_cores(core: int) -> None:
    """The load never runs where the server does."""
    others = os.sched_getaffinity(0) - {core}
    if not others:
        raise SystemExit("this benchmark needs two cores: one for the server, one for the load")
    os.sched_setaffinity(0, others)
