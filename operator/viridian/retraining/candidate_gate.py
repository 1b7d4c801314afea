"""What a candidate is judged by, and which champion it is compared with; `judgement.gate` judges."""

from __future__ import annotations

from collections.abc import Mapping

from viridian.api.registry import ALIAS_CHAMPION, TAG_HOLDOUT, TAG_METRICS, ModelVersion, TrainingRun
from viridian.api.stage import StageReport, parse_report
from viridian.judgement.gate import Candidate, Champion, GateVerdict, judge
from viridian.retraining.input import RegistryResult
from viridian.retraining.runs import Run
from viridian.retraining.state import RetrainingState


def gate(
    state: RetrainingState, run: Run, report: StageReport, registry: RegistryResult, candidate: ModelVersion
) -> GateVerdict:
    """The gate's verdict about what the run made."""
    champion = _champion(registry, candidate)
    return judge(
        state.spec.gate,
        Candidate(
            metrics=reported(report, registry.run),
            holdout=report.holdout or (registry.run.tags.get(TAG_HOLDOUT, "") if registry.run else ""),
            judged_present_champion=champion is None or champion.version == run.origin.champion,
            champion_problem=report.champion_problem,
        ),
        champion,
    )


def _champion(registry: RegistryResult, candidate: ModelVersion) -> Champion | None:
    """Whom to compare with. A candidate that was handed over before may already serve: it is not its own rival."""
    version = registry.query.champion or registry.aliases.get(ALIAS_CHAMPION, "")
    if not version or version == candidate.version:
        return None
    tags = registry.champion.tags if registry.champion else {}
    return Champion(version=version, metrics=_recorded(tags.get(TAG_METRICS, "")), holdout=tags.get(TAG_HOLDOUT, ""))


def _recorded(text: str) -> Mapping[str, float]:
    """The numbers that a version's tag remembers."""
    return dict(parse_report(f'{{"metrics": {text}}}').metrics) if text else {}


def reported(report: StageReport, run: TrainingRun | None) -> Mapping[str, float]:
    """All numbers of a run: what it logged, and what it reported at the end, which counts where both differ."""
    return {**(run.metrics if run else {}), **report.metrics}
