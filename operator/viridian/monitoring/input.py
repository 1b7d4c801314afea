"""Everything that a pass over the monitors of a ModelDeployment has read. Nothing else plays a part in a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.monitoring import Monitor
from viridian.core.obstacles import NO_OBSTACLES, Obstacles
from viridian.judgement.figures import MonitorVerdict
from viridian.monitoring.monitor_report import MonitoringReport


@dataclass(frozen=True, slots=True)
class MonitoredRevision:
    """The champion, whose part of each window is evaluated."""

    revision: str
    record: str = ""
    """Name of its record; empty while there is none, and the status alone remembers."""
    annotation: str = ""
    """What its record remembers of its monitors."""


@dataclass(frozen=True, slots=True)
class EvaluationFailure:
    """Why the newest window was not evaluated: a reason of `viridian.api.reasons`, and a sentence for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringInput:
    """A ModelDeployment, as its monitors see it."""

    name: str
    namespace: str
    generation: int
    spec: ModelDeploymentSpec | None
    """None where the stored object does not fit the present schema."""
    status: Mapping[str, Any] = field(default_factory=dict)
    reviewed: str = ""
    """The review that a person says to have answered, by the time in the message of ReviewRequired."""
    created: datetime | None = None
    """When the object was."""
    review_annotation: str = ""
    """The review of the whole model that a person has noted."""
    champion: MonitoredRevision | None = None
    evaluation: MonitoringReport | EvaluationFailure | None = None
    """Of the newest complete window; None where there is nothing to evaluate."""
    counted: frozenset[str] = frozenset()
    """The monitors whose windows are counted while they fire, since triggers of RetrainPolicies name them."""
    outdated_records: tuple[str, ...] = ()
    """Names of records that still remember monitors although their revision is not the champion any more."""
    next_pass: datetime | None = None
    """When the next window is complete, a failed evaluation is due again, or the collector gets its rules again."""
    obstacles: Obstacles = field(default_factory=lambda: NO_OBSTACLES)

    @property
    def monitors(self) -> tuple[Monitor, ...]:
        """Those of the spec, in its order."""
        return self.spec.monitoring.monitors if self.spec is not None and self.spec.monitoring is not None else ()

    @property
    def report(self) -> MonitoringReport | None:
        return self.evaluation if isinstance(self.evaluation, MonitoringReport) else None

    @property
    def fires(self) -> bool:
        """Whether a monitor has fired in the newest window."""
        results = self.report.results if self.report is not None else ()
        return any(result.verdict is MonitorVerdict.FIRED for result in results)

    @property
    def failure(self) -> EvaluationFailure | None:
        return self.evaluation if isinstance(self.evaluation, EvaluationFailure) else None
