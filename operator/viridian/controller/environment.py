"""What the loop is given from outside, and what all of its reconcilers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from viridian.controller.keys import Key
from viridian.controller.leadership import Alone, Leadership
from viridian.controller.registries import ByNamespace
from viridian.controller.registry_table import RegistryTable
from viridian.controller.telemetry import Telemetry
from viridian.core.selectors import Selector
from viridian.ports.answer_streams import AnswerStreams
from viridian.ports.cluster import Cluster
from viridian.ports.collector import Collector
from viridian.ports.event_sink import EventSink
from viridian.ports.pod_files import Bundles
from viridian.ports.pods import Pods
from viridian.ports.prometheus import Prometheus
from viridian.ports.registry import Registry
from viridian.rollout.input import OperatorSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Everything the loop has from outside: ports, time and chance."""

    cluster: Cluster
    registry: Registry | None
    own_registries: Mapping[str, Registry] = field(default_factory=dict)
    """Of namespaces with an identity of their own in MLflow."""
    pods: Pods
    streams: AnswerStreams | None = None
    """How pods are read that answer while they are judged; without it at intervals alone."""
    bundles: Bundles
    feedback: Collector | None
    prometheus: Prometheus | None = None
    """What answers the queries of triggers and of metrics."""
    sink: EventSink | None = None
    """Where events about transitions go."""
    clock: Callable[[], datetime]
    random: Callable[[], float]
    """Uniform in [0, 1)."""
    leadership: Leadership = field(default_factory=Alone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every reconciler is built with."""

    environment: Environment
    selector: Selector
    """The labels of the objects that this operator serves."""
    settings: OperatorSettings
    telemetry: Telemetry
    registries: ByNamespace[Registry]
    """The environment's, or one that refuses everything where there is none."""
    registry_tables: ByNamespace[RegistryTable]
    """What is known of each, without asking."""
    left_to_sweep: Callable[[Key, bool], bool]
    """Whether a sweep is about to look at an object, so that no pass has to. True stands for: it has just changed."""
    registry_written: Callable[[frozenset[str]], None]
    """Called with the registered models that a pass has written to."""
    forget: Callable[[Key], None]
    """Called when an object is gone."""
    policies_of: Callable[[Key], Iterable[Key]]
    """The RetrainPolicies that are about a ModelDeployment."""
