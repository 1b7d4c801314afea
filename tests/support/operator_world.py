"""The operator's real passes over a cluster in memory, on a clock that the test moves.

One `OperatorWorld` holds what survives the operator (cluster, registry, users) and one operator process. `restart`
throws the process away with everything it remembered; `run` lets time pass, with the cluster's own controllers, the
users' requests and the operator at work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.access import ACCESS
from tests.support.clock_loop import ClockLoop
from tests.support.memory_cluster import Killed, ManualClock, MemoryCluster
from tests.support.memory_collector import MemoryBundles, MemoryCollector
from tests.support.memory_pods import MemoryPods
from tests.support.memory_registry import MemoryRegistry
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.controller.act import Actor
from viridian.controller.backoff import Backoff
from viridian.controller.breaker import BreakingRegistry
from viridian.controller.keys import Key
from viridian.controller.kinds import Kind
from viridian.controller.last_seen import LastSeen
from viridian.controller.monitoring_metrics import MonitoringMetrics
from viridian.controller.monitors import Monitors
from viridian.controller.observe_model_deployment import ModelDeployments
from viridian.controller.observe_retrain_policy import RetrainPolicies
from viridian.controller.queue import Ending, Gone, Retry, Settled
from viridian.controller.reconcile import PassResult, Reconciler
from viridian.controller.reference_profiles import ReferenceProfiles
from viridian.controller.registry_view import RegistryView
from viridian.controller.resolve import Resolver
from viridian.controller.samples import Samples
from viridian.controller.status import StatusWriter
from viridian.rollout.input import OperatorSettings

SETTINGS = OperatorSettings(server_image="viridian-server:1", mlflow_uri="http://mlflow:5000", access=ACCESS)
MOST_PASSES_AT_ONCE = 40
RESYNC = 60.0
BACKOFF = Backoff(random=lambda: 1.0)
_CRDS = Path(__file__).parents[2] / "crds"


@cache
def definitions() -> tuple[Mapping[str, Any], ...]:
    return tuple(yaml.safe_load(path.read_text()) for path in sorted(_CRDS.glob("viridian.dev_*.yaml")))


class Mistake(AssertionError):
    """A pass ended with an exception that nobody expected, or the operator found no rest."""


@dataclass
class _Observer:
    """Fails the test where a pass failed by a mistake of ours."""

    outcomes: list[PassResult]

    def reconciled(self, key: Key, outcome: PassResult, seconds: float) -> None:
        self.outcomes.append(outcome)

    def seen(self, key: Key, status: Mapping[str, Any]) -> None:
        """Nothing to learn."""

    def forget(self, key: Key) -> None:
        """Nothing is kept."""


class OperatorWorld:
    """Starts with an empty cluster, an empty registry and a running operator that looks at the objects `churn`."""

    def __init__(self, *, settings: OperatorSettings = SETTINGS, rate: float = 50.0, copies: bool = False) -> None:
        """`copies`: the operator gets copies of what is stored, which is slower; it is not supposed to change any."""
        self.clock = ManualClock()
        self.cluster = MemoryCluster(self.clock, definitions=definitions())
        if not copies:
            self.cluster.handed_out = lambda found: found
        self.registry = MemoryRegistry()
        self.pods = MemoryPods(self.cluster, rate=rate)
        self.collector = MemoryCollector()
        self.bundles = MemoryBundles()
        self.monitoring = MonitoringMetrics()
        self.settings = settings
        self.keys = [Key(MODEL_DEPLOYMENT, "default", "churn")]
        """What is looked at; a RetrainPolicy has to be added."""
        self.outcomes: list[PassResult] = []
        self.restarts = 0
        self.passes = 0
        self.mistakes_expected = False
        """Whether the test makes the operator fail."""
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

    def step(self) -> bool:
        """One pass over every key; whether anything in the cluster changed by it. A killed operator is restarted."""
        before = self.cluster.present().version
        for key in self.keys:
            self.in_pass = True
            try:
                self._ended(key, self._loop.run(self._reconciler(key)))
            except Killed:
                self.restart()
                self._ended(key, Settled(0.0))
            finally:
                self.in_pass = False
            self.passes += 1
            if self.outcomes and self.outcomes[-1] is PassResult.ERROR and not self.mistakes_expected:
                raise Mistake(f"the pass over {key} ended with a mistake; its traceback is in the log")
        return self.cluster.present().version != before

    def settle_now(self) -> None:
        """Passes and controllers in turn until neither changes anything at this very moment."""
        for _ in range(MOST_PASSES_AT_ONCE):
            self.cluster.run_controllers()
            if not self.step():
                return
        raise Mistake(f"no rest after {MOST_PASSES_AT_ONCE} passes at one moment:\n{self.story(last=30)}")

    def run(self, seconds: float, *, until: Callable[[], bool] | None = None, most: float = 5.0) -> bool:
        """Let so much time pass, or less if the condition comes true before; whether it did."""
        end = self.clock().timestamp() + seconds
        while True:
            self.settle_now()
            if until is not None and until():
                return True
            left = end - self.clock().timestamp()
            if left <= 1e-6:
                return until is None
            self._pass_time(min(left, most, self._sleep()))

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
        self.clock.advance(seconds)
        self.pods.pass_time(seconds)

    def _sleep(self) -> float:
        """Until the first key is due."""
        return min(self._waits.values(), default=RESYNC)

    def _ended(self, key: Key, ending: Ending) -> None:
        """Note when the key is due, as the work queue does."""
        self._failures[key] = self._failures[key] + 1 if isinstance(ending, Retry) else 0
        self._waits[key] = _due(ending, self._failures[key])

    def _start(self) -> None:
        registry = BreakingRegistry(self.registry)
        view = RegistryView(registry, max_age=0.9 * self.settings.registry_poll.total_seconds())
        statuses = StatusWriter(self.cluster)
        self._waits: dict[Key, float] = {}
        self._failures: Counter[Key] = Counter()
        self._reconciler = Reconciler(
            cluster=self.cluster,
            kinds=self._kinds(registry, view),
            actor=Actor(self.cluster, registry, self.pods, ended_late=view.invalidate),
            statuses=statuses,
            observer=_Observer(self.outcomes),
            resync=lambda: RESYNC,
            registry_written=lambda _, models: _each(view.invalidate, models),
            forget=lambda _: None,
        )

    def _kinds(self, registry: BreakingRegistry, view: RegistryView) -> dict[str, Kind[Any]]:
        resolver = Resolver(view, self.settings.mlflow_uri is not None)
        return {
            MODEL_DEPLOYMENT: ModelDeployments(
                self.cluster, resolver, Samples(self.pods), self.settings, self.clock, self._monitors()
            ),
            RETRAIN_POLICY: RetrainPolicies(
                self.cluster,
                registry,
                self.collector,
                self.settings.mlflow_uri,
                self.clock,
                self._watched(),
                registry_models=self.settings.registry_models,
            ),
        }

    def _watched(self) -> LastSeen:
        """What this process sees of the Jobs; the one before it has stopped looking."""
        seen = LastSeen()
        self.cluster.on_change[:] = [lambda kind, found: seen.saw(found, kind == "DELETED")]
        return seen

    def _monitors(self) -> Monitors:
        return Monitors(self.collector, ReferenceProfiles(self.bundles), self.monitoring)


def _each(tell: Callable[[str], None], models: Iterable[str]) -> None:
    for model in models:
        tell(model)


def _due(ending: Ending, failures: int) -> float:
    """Seconds until the key is looked at again after so many failures in a row."""
    match ending:
        case Gone():
            return RESYNC
        case Settled(after):
            return max(0.05, RESYNC if after is None else after)
        case Retry(at_once=True) if failures == 1:
            return 0.05
        case Retry(at_least=at_least, at_most=at_most):
            return max(at_least, min(at_most, BACKOFF.delay(failures)))
