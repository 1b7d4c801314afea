"""The versions that runs have made, on one holdout: which of them is the best for the present objective.

Records of runs hold what each candidate scored on its holdout, and what the champion of then scored on the same rows.
So an objective that is weighed anew is answered from these numbers first, before anything is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from viridian.api import reasons
from viridian.api.gate_spec import Direction
from viridian.api.metric_names import CHAMPION_PREFIX, lower_is_better
from viridian.api.objective import Objective
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.version_quality import MAX_COMPARED, ComparedVersion, QualityStatus
from viridian.judgement.version_scores import WeightedMetric, median_slope, score
from viridian.retraining.input import Deployment
from viridian.retraining.runs import JUDGED, Run

_PASSED: Final = (reasons.HANDED_OVER, reasons.SUPERSEDED)
"""Outcomes of runs whose candidate passed the gate and waits for nobody."""
_DIGITS: Final = 6
_Measured = Mapping[str, Mapping[str, float]]
"""Numbers of versions on one holdout, the oldest version first."""


def quality_of(spec: RetrainPolicySpec, finished: Sequence[Run], deployment: Deployment | None) -> QualityStatus | None:
    """Known versions beside the champion; `finished` has the newest first.

    None where nothing says which metrics count, without a champion, and where the champion was measured on no holdout.
    """
    counted = counted_metrics(spec)
    champion = deployment.champion_version if deployment is not None else ""
    if not counted or not champion or deployment is None:
        return None
    label = (spec.objective or Objective()).label_definition
    judged = [run for run in finished if run.finished and run.finished.outcome in JUDGED and _fits(run, label)]
    for holdout in dict.fromkeys(run.finished.holdout for run in judged if run.finished and run.finished.holdout):
        measured = _measured_on(holdout, judged)
        if champion in measured:
            outcomes = {run.finished.version: run.finished.outcome for run in reversed(judged) if run.finished}
            return _status(counted, spec.gate.margin, holdout, measured, outcomes, deployment)
    return None


def counted_metrics(spec: RetrainPolicySpec) -> tuple[WeightedMetric, ...]:
    """The metrics of the objective with their weights; without any, those of the gate, one as important as another."""
    wanted = spec.objective.metrics if spec.objective is not None else ()
    if wanted:
        return tuple(WeightedMetric(one.name, one.weight, one.direction is Direction.LOWER) for one in wanted)
    return tuple(
        WeightedMetric(one.name, 1.0, one.direction is Direction.LOWER if one.direction else lower_is_better(one.name))
        for one in spec.gate.metrics
    )


def _fits(run: Run, label: str) -> bool:
    """What was measured under another definition of the label is no comparison."""
    return not (label and run.label_definition) or run.label_definition == label


def _measured_on(holdout: str, judged: Sequence[Run]) -> _Measured:
    """Each version that was measured on it; of two measurements, the newer one counts."""
    found: dict[str, dict[str, float]] = {}
    for run in reversed(judged):
        ended = run.finished
        if ended is None or ended.holdout != holdout:
            continue
        ours, theirs = _apart(ended.metrics)
        for version, metrics in ((run.origin.champion, theirs), (ended.version or "", ours)):
            if version and metrics:
                found.setdefault(version, {}).update(metrics)
    return found


def _apart(metrics: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """The numbers of the candidate, and those of the champion on the same rows."""
    theirs = {name for name in metrics if name.startswith(CHAMPION_PREFIX)}
    ours = {name: value for name, value in metrics.items() if name not in theirs}
    return ours, {name.removeprefix(CHAMPION_PREFIX): metrics[name] for name in theirs}


def _status(
    counted: Sequence[WeightedMetric],
    margin: float,
    holdout: str,
    measured: _Measured,
    outcomes: Mapping[str | None, str],
    deployment: Deployment,
) -> QualityStatus:
    champion = deployment.champion_version
    shown = list(measured)[-MAX_COMPARED:]
    if champion not in shown:
        shown = [champion, *shown[1:]]
    scores = {version: score(counted, measured[version], measured[champion], margin) for version in shown}
    better = {version: known for version, known in scores.items() if known is not None and known > 0}
    free = [version for version in better if _may_serve(version, outcomes, deployment)]
    served = [known for version, known in scores.items() if known is not None and _served(version, outcomes)]
    return QualityStatus(
        holdout=holdout,
        champion=champion,
        best=max(free, key=lambda version: better[version], default=None),
        trend=_rounded(median_slope(served)),
        versions=tuple(
            ComparedVersion(
                version=version,
                outcome=outcomes.get(version, ""),
                score=_rounded(scores[version]),
                metrics={one.name: measured[version][one.name] for one in counted if one.name in measured[version]},
            )
            for version in shown
        ),
    )


def _may_serve(version: str, outcomes: Mapping[str | None, str], deployment: Deployment) -> bool:
    """Whether it passed its gate, and no rollout has rejected it. What no run has made has been champion."""
    passed = outcomes.get(version, reasons.HANDED_OVER) in _PASSED
    return passed and version not in deployment.rejected_versions


def _served(version: str, outcomes: Mapping[str | None, str]) -> bool:
    return outcomes.get(version, reasons.HANDED_OVER) == reasons.HANDED_OVER


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
