"""What the gate is given, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from viridian.api.evaluation import HoldoutEvaluation, MetricComparison
from viridian.api.metric_names import CHAMPION_PREFIX

NUMBERS_ALONE: Final = "numbers alone"
"""The method of a comparison that no evaluation made: two numbers on the same holdout."""


class GateOutcome(StrEnum):
    """The gravest is first."""

    REJECTED = "Rejected"
    INCOMPARABLE = "Incomparable"
    """Nothing is known against it, and it could not be compared with the champion: it is not handed over."""
    INCONCLUSIVE = "Inconclusive"
    """It was compared, and the holdout is too small to show what the rule asks for: it is not handed over."""
    PASSED = "Passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The version that serves now, and what was recorded when it was the candidate."""

    version: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    holdout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a run reported."""

    metrics: Mapping[str, float]
    holdout: str = ""
    # Whether the `champion.…` among the metrics, and the evaluation, are about the version that is the champion now.
    judged_present_champion: bool = True
    # Why the run could not judge the champion, in its own words.
    champion_problem: str = ""
    # Candidate and champion beside each other, with intervals; None where only numbers were reported.
    evaluation: HoldoutEvaluation | None = None
    # Digest of the rows that the policy means; empty where it names none.
    meant_holdout: str = ""
    # How many candidates were judged on the same holdout, this one included.
    asked: int = 1

    def value(self, name: str) -> float | None:
        """Its own number; the evaluation counts first, since its rows are those of the comparison."""
        evaluated = self.evaluation.metrics.get(name) if self.evaluation else None
        return self.metrics.get(name) if evaluated is None else evaluated.candidate

    def beside(self, champion: Champion, name: str) -> MetricComparison | None:
        """One metric of both on the candidate's holdout; None where the champion's number is not known there.

        From the evaluation, else from what the run reported, else from when the champion was judged on the same rows.
        """
        value = self.value(name)
        if value is None:
            return None
        evaluated = self.evaluation.metrics.get(name) if self.evaluation else None
        if evaluated is not None and evaluated.champion is not None and self.judged_present_champion:
            return evaluated
        other = self.metrics.get(f"{CHAMPION_PREFIX}{name}") if self.judged_present_champion else None
        same_rows = bool(self.holdout) and self.holdout == champion.holdout
        recorded = champion.metrics.get(name) if same_rows else None
        known = recorded if other is None else other
        return None if known is None else MetricComparison(candidate=value, champion=known, method=NUMBERS_ALONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFinding:
    """What the gate says of one number."""

    name: str
    outcome: GateOutcome
    sentence: str
    value: float | None = None
    champion: float | None = None
    # Whether two numbers without an interval were compared.
    points_alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """All findings, and the one sentence for people: what spoke against it, or else what spoke for it."""

    outcome: GateOutcome
    sentence: str
    findings: tuple[MetricFinding, ...] = ()

    @property
    def passed(self) -> bool:
        return self.outcome is GateOutcome.PASSED


def number_text(value: float) -> str:
    return f"{value:.6g}"


def percent(share: float) -> str:
    """A share as people read it: 0.975 is 97.5 %."""
    return f"{100 * share:.6g} %"
