"""Where the figures come from that a revision is judged on: one small interface, so that a judge need not know.

A source is pure. It says which queries it needs; the observer runs them and puts the results into the input of the
pass; then the source makes evidence of them. There are two ways to be judged: counts of good and bad answers, from
which chance can be separated from failure, and values that another system has computed, which are taken as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from viridian.api import durations
from viridian.api.canary_metric import Metric
from viridian.api.modeldeployment import Analysis
from viridian.api.samples import PodSample, PodTarget, ScrapeFailure
from viridian.judgement.beside_champion import BesideChampion
from viridian.judgement.counts import Counts
from viridian.judgement.detector import Memory
from viridian.judgement.disagreement import Disagreement
from viridian.judgement.estimates import Estimates, Shift
from viridian.judgement.values import Values
from viridian.rollout.analysis.judged import JudgedRevision
from viridian.rollout.answers import Answers, Question

Query = PodTarget | Question
"""What the observer can be asked to read: pods within the pass, everything else beside it."""
Result = PodSample | ScrapeFailure
Results = Mapping[str, Sequence[Result]]
"""Results by the uid of a query's pod, oldest first, as far back as the analysis looks."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a subject: what is known of it now."""

    analysis: Analysis
    subject: JudgedRevision
    results: Results
    now: datetime
    answers: Answers = field(default_factory=dict)
    """To the queries that are no pods."""

    @property
    def window(self) -> timedelta:
        return durations.parse(self.analysis.window)

    @property
    def interval(self) -> timedelta:
        return durations.parse(self.analysis.interval)


@dataclass(frozen=True, slots=True)
class Counted:
    """Good and bad answers within the window as it is now, as it was one interval earlier, and so on."""

    windows: tuple[Counts, ...]
    memories: tuple[Memory, ...] = ()
    """What is known of the whole trial at each of these looks; empty where the window is all that is known."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The source could not be read, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Silent:
    """The source answered that it has no figure, and why: neither health nor a breach."""

    why: str


Evidence = Counted | Values | Estimates | Shift | Disagreement | Missing | Silent


class MetricSource(Protocol):
    """How metrics become queries, and results evidence."""

    def queries(self, look: Look) -> Sequence[Query]:
        """What has to be read for such a look; the same in every pass that is decided alike."""

    def evidence(self, metric: Metric, look: Look) -> Evidence:
        """What the results say about one metric of the subject."""

    def beside_champion(self, metric: Metric, look: Look) -> BesideChampion | None:
        """What the champion answered at the same time; None where nobody can tell."""

    def breach_began(self, metric: Metric, look: Look) -> datetime | None:
        """When the results first showed the breach that the metric has now; None where nobody can tell."""
