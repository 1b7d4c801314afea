"""The operator's real passes over a cluster in memory, on a clock that the test moves.

One `OperatorWorld` holds what survives the operator (cluster, registry, users) and one operator process. `restart`
throws the process away with everything it remembered; `run` lets time pass, with the cluster's own controllers, the
users' requests and the operator at work.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from tests.support.access import ACCESS
from tests.support.clock_loop import ClockLoop
from tests.support.documents import document
from tests.support.memory_cluster import Killed, ManualClock, MemoryCluster
from tests.support.memory_collector import MemoryBundles, MemoryCollector
from tests.support.memory_pods import MemoryPods
from tests.support.memory_registry import MemoryRegistry
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.controller.backoff import Backoff
from viridian.controller.controller import Controller
from viridian.controller.environment import Environment
from viridian.controller.keys import Key
from viridian.controller.loop import Loop, assemble
from viridian.controller.queue import Ending, Gone, Retry, Settled
from viridian.controller.reconcile import SOONEST, PassResult
from viridian.controller.telemetry import ReconcilerTelemetry, Telemetry
from viridian.core.selectors import EVERYTHING
from viridian.ports.event_sink import EventSink
from viridian.rollout.input import OperatorSettings

SETTINGS = OperatorSettings(server_image="viridian-server:1", mlflow_uri="http://mlflow:5000", access=ACCESS)
MOST_PASSES_AT_ONCE = 40
RESYNC = 60.0
BACKOFF = Backoff(random=lambda: 1.0)
Port = TypeVar("Port")
_CRDS = Path(__file__).parents[2] / "crds"


@cache
def definitions() -> tuple[Mapping[str, Any], ...]:
    return tuple(document(path.read_text()) for path in sorted(_CRDS.glob("viridian.dev_*.yaml")))


class Mistake(AssertionError):
    """A pass ended with an exception that nobody expected, or the operator found no rest."""


class _Telemetry(Telemetry):
    """Remembers how passes ended."""

    def __init__(self, outcomes: list[PassResult]) -> None:
        super().__init__()
        self._outcomes = outcomes

    def of(self, reconciler: str, kind: str) -> ReconcilerTelemetry:
        observer = super().of(reconciler, kind)
        told = observer.reconciled

        def reconciled(key: Key, outcome: PassResult, seconds: float) -> None:
            self._outcomes.append(outcome)
            told(key, outcome, seconds)

        observer.reconciled = reconciled  # type: ignore[method-assign]
        return observer


class OperatorWorld:
    """Starts with an empty cluster, an empty registry and a running operator that looks at the objects `churn`."""

    def __init__(
        self,
        *,
        settings: OperatorSettings = SETTINGS,
        rate: float = 50.0,
        copies: bool = False,
        sink: EventSink | None = None,
    ) -> None:
        """`copies`: the operator gets copies of what is stored, which is slower; it is not supposed to change any."""
        self.clock = ManualClock()
        self.cluster = MemoryCluster(self.clock, definitions=definitions())
        if not copies:
            self.cluster.handed_out = lambda found: found
        self.registry = MemoryRegistry()
        self.pods = MemoryPods(self.cluster, rate=rate)
        self.collector = MemoryCollector()
        self.bundles = MemoryBundles()
        self.sink = sink
        self.settings = settings
        self.selector = EVERYTHING
        """What the operator serves, from its next start on."""
        self.resync = RESYNC
        """Seconds after which the operator looks at everything again, from its next start on."""
        self.keys = [Key(MODEL_DEPLOYMENT, "default", "churn")]
        """What is looked at; a RetrainPolicy has to be added."""
        self.outcomes: list[PassResult] = []
        self.restarts = 0
        self.passes = 0
        self.mistakes_expected = False
        """Whether the test makes the operator fail."""
        self._passed = 0.0
        """Seconds that have passed, whatever the clock says."""
        self._rested: int | None = None
        """The version of the world when nobody had anything left to do; None where somebody was woken since."""
        self.in_pass = False
        """Whether it is the operator that acts now, and not a person."""
        self._loop = ClockLoop(self.clock)
        self._start()

    def close(self) -> None:
        self._loop.finish()

    # ---- the operator's process

    def restart(self) -> None:
        """The process dies with its memory, and another one begins."""
        self.restarts += 1
        self._loop.finish()
        self._loop = ClockLoop(self.clock)
        self._start()

    def step(self, *, due_alone: bool = False) -> bool:
        """A pass of every reconciler over every key; whether anything changed by it, or was read beside it.

        `due_alone`: of those alone that wanted to look again by now.
        """
        before = self.cluster.present().version
        for key in self.keys:
            for number in range(len(self._controllers)):
                if not due_alone or self._is_due(number, key):
                    self._pass(number, key)
        read = [self._loop.run(watch.reader.read_all()) for watch in self._assembled.registry_watches]
        return any(read) or self.cluster.present().version != before

    @property
    def passes_a_step(self) -> int:
        """A pass of every reconciler over each key of its kind."""
        return sum(controller.kind == key.kind for controller in self._controllers for key in self.keys)

    def look(self, reconciler: str) -> None:
        """One pass of this reconciler over every key."""
        for number, controller in enumerate(self._controllers):
            for key in self.keys if controller.name == reconciler else ():
                self._pass(number, key)

    def settle_now(self) -> None:
        """Passes and controllers in turn until neither changes anything at this very moment."""
        for _ in range(MOST_PASSES_AT_ONCE):
            self.cluster.run_controllers()
            if not self.step():
                self._rested = self.cluster.present().version
                return
        raise Mistake(f"no rest after {MOST_PASSES_AT_ONCE} passes at one moment:\n{self.story(last=30)}")

    def run(self, seconds: float, *, until: Callable[[], bool] | None = None, most: float = 5.0) -> bool:
        """Let so much time pass, or less if the condition comes true before; whether it did."""
        end = self.clock().timestamp() + seconds
        while True:
            self._look_again()
            if until is not None and until():
                return True
            left = end - self.clock().timestamp()
            if left <= 1e-6:
                return until is None
            self._pass_time(min(left, most, self._sleep()))

    def _look_again(self) -> None:
        """Where the world is as all reconcilers have left it, nobody looks but those who wanted to by now."""
        self.cluster.run_controllers()
        if self.cluster.present().version != self._rested or self.step(due_alone=True):
            self.settle_now()

    def pass_time_without_operator(self, seconds: float) -> None:
        """The cluster and the users go on; nobody decides anything."""
        for _ in range(int(seconds)):
            self.cluster.run_controllers()
            self._pass_time(1.0)

    def rest(self, resyncs: int = 3) -> None:
        """P2: over so many resyncs the operator asks for no change at all, Events included."""
        self.settle_now()
        self.cluster.forget_calls()
        writes = list(self.registry.writes)
        self.run(resyncs * RESYNC, most=RESYNC)
        said = [str(call) for call in self.cluster.writes]
        assert not said, f"writes at rest: {said}\n{self.story(last=10)}"
        assert self.registry.writes == writes

    @contextmanager
    def registry_down(self) -> Iterator[None]:
        self.registry.unavailable = True
        yield
        self.registry.unavailable = False

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What someone else does through an asynchronous port, such as moving an alias."""
        return self._loop.run(work)

    def story(self, last: int = 60) -> str:
        """What happened to the cluster lately, for the message of a failed test."""
        return "\n".join(world.cause for world in self.cluster.worlds[-last:])

    # ---- inside

    def _pass_time(self, seconds: float) -> None:
        self._passed += seconds
        self.clock.advance(seconds)
        self.pods.pass_time(seconds)
        for watch in self._assembled.registry_watches:
            self._loop.run(watch.poller.sweep())

    def _sleep(self) -> float:
        """Until the first key is due."""
        return max(SOONEST, min(self._due.values(), default=math.inf) - self._passed)

    def _is_due(self, number: int, key: Key) -> bool:
        due = self._due.get((self._controllers[number].name, key), -math.inf)
        return due <= self._passed + 1e-6

    def _pass(self, number: int, key: Key) -> None:
        """One reconciler looks at the key. A killed operator is restarted."""
        controller = self._controllers[number]
        if controller.kind != key.kind:
            return
        self._tell_of_changes(key)
        self.in_pass = True
        try:
            ending = self._loop.run(self._reconciled(controller, key))
        except Killed:
            self.restart()
            ending = Settled(0.0)
        finally:
            self.in_pass = False
        self._ended((controller.name, key), ending)
        self.passes += 1
        if self.outcomes and self.outcomes[-1] is PassResult.ERROR and not self.mistakes_expected:
            raise Mistake(f"the pass over {key} ended with a mistake; its traceback is in the log")

    def _tell_of_changes(self, key: Key) -> None:
        """What a watch would tell of the object itself: each of its states once."""
        found = self.cluster.find(key.kind, key.name)
        if found is not None and found is not self._told.get(key):
            self._told[key] = found
            self._assembled.wakes.own(key.kind, found, deleted=False)

    async def _reconciled(self, controller: Controller, key: Key) -> Ending:
        return await controller.reconciler(key)

    def _ended(self, due: tuple[str, Key], ending: Ending) -> None:
        """Note when the key is due, as the work queue does."""
        self._failures[due] = self._failures[due] + 1 if isinstance(ending, Retry) else 0
        self._due[due] = self._passed + _seconds_until_due(ending, self._failures[due], self.resync)

    def _start(self) -> None:
        self._due: dict[tuple[str, Key], float] = {}
        self._rested = None
        self._failures: Counter[tuple[str, Key]] = Counter()
        self._told: dict[Key, Mapping[str, Any]] = {}
        self.telemetry = _Telemetry(self.outcomes)
        self.monitoring = self.telemetry.monitoring
        self._assembled = self._loop.run(self._built())
        self._controllers = self._assembled.controllers
        self._hear_of_the_registry()
        # What this process sees of the children; the one before it has stopped looking.
        self.cluster.on_change[:] = [self._hear]

    async def _built(self) -> Loop:
        environment = Environment(
            cluster=self._reached(self.cluster),
            registry=self._reached(self.registry),
            pods=self._reached(self.pods),
            bundles=self.bundles,
            feedback=self.collector,
            sink=self.sink,
            clock=self.clock,
            random=lambda: 1.0,
        )
        resync = timedelta(seconds=self.resync)
        return assemble(environment, self.settings, self.telemetry, resync=resync, selector=self.selector)

    def _reached(self, port: Port) -> Port:
        """The port as the operator has it."""
        return port

    def _hear_of_the_registry(self) -> None:
        """What has moved there wakes everybody."""
        wakes = self._assembled.wakes
        heard = wakes.registry_changed

        def moved(models: frozenset[str]) -> None:
            self._rested = None
            heard(models)

        wakes.registry_changed = moved  # type: ignore[method-assign]

    def _hear(self, kind: str, found: Mapping[str, Any]) -> None:
        for controller in self._controllers:
            if found["kind"] in controller.children:
                controller.saw(found, kind == "DELETED")


def _seconds_until_due(ending: Ending, failures: int, resync: float) -> float:
    """Seconds until the key is looked at again after so many failures in a row."""
    match ending:
        case Gone():
            return resync
        case Settled(after):
            return max(SOONEST, resync if after is None else after)
        case Retry(at_once=True) if failures == 1:
            return SOONEST
        case Retry(at_least=at_least, at_most=at_most):
            return max(at_least, min(at_most, BACKOFF.delay(failures)))
