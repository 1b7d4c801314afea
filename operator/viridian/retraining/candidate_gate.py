"""What a candidate is judged by, and which champion it is compared with; `judgement.gate` judges."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from viridian.api.evaluation import HoldoutEvaluation, load_evaluation
from viridian.api.gate_spec import Gate, GateRule
from viridian.api.registry import (
    ALIAS_CHAMPION,
    TAG_EVALUATION,
    TAG_HOLDOUT,
    TAG_LABEL_DEFINITION,
    TAG_METRICS,
    ModelVersion,
    TrainingRun,
)
from viridian.api.stage import StageReport, parse_report
from viridian.judgement.gate import judge
from viridian.judgement.gate_findings import Candidate, Champion, GateVerdict
from viridian.retraining.input import RegistryResult
from viridian.retraining.runs import Run
from viridian.retraining.state import RetrainingState


def gate(
    state: RetrainingState, run: Run, report: StageReport, registry: RegistryResult, candidate: ModelVersion
) -> GateVerdict:
    """The gate's verdict about what the run made."""
    return _judged_by(state.spec.gate, state, run, report, registry, candidate)


def is_superior(
    state: RetrainingState, run: Run, report: StageReport, registry: RegistryResult, candidate: ModelVersion
) -> bool:
    """Whether it is better than a champion, as rule Superior asks; the first version has none to be better than."""
    if _champion(registry, candidate, run.label_definition) is None:
        return False
    superior = msgspec.structs.replace(state.spec.gate, rule=GateRule.SUPERIOR)
    return _judged_by(superior, state, run, report, registry, candidate).passed


def _judged_by(
    spec: Gate,
    state: RetrainingState,
    run: Run,
    report: StageReport,
    registry: RegistryResult,
    candidate: ModelVersion,
) -> GateVerdict:
    champion = _champion(registry, candidate, run.label_definition)
    evaluation = evaluated(report, registry.run)
    return judge(
        spec,
        Candidate(
            metrics=reported(report, registry.run),
            holdout=report.holdout or (registry.run.tags.get(TAG_HOLDOUT, "") if registry.run else ""),
            judged_present_champion=champion is None or champion.version == run.origin.champion,
            champion_problem=report.champion_problem,
            evaluation=evaluation,
            meant_holdout=_meant_holdout(state),
            asked=times_asked(state, run, evaluation),
        ),
        champion,
    )


def _meant_holdout(state: RetrainingState) -> str:
    stage = state.spec.stages.evaluation
    return (stage.holdout.digest or "") if stage is not None and stage.holdout is not None else ""


def _champion(registry: RegistryResult, candidate: ModelVersion, label_definition: str) -> Champion | None:
    """Whom to compare with. A candidate that was handed over before may already serve: it is not its own rival.

    Numbers that were measured under another definition of the label do not count. Nor do those of another model that
    has the champion's number, since the registry has begun anew.
    """
    version = registry.query.champion or registry.aliases.get(ALIAS_CHAMPION, "")
    if not version or version == candidate.version:
        return None
    digests = {registry.query.champion_digest, (registry.champion and registry.champion.digest) or ""} - {""}
    tags = registry.champion.tags if registry.champion and len(digests) < 2 else {}
    before = tags.get(TAG_LABEL_DEFINITION, "")
    if label_definition and before and before != label_definition:
        tags = {}
    return Champion(version=version, metrics=_recorded(tags.get(TAG_METRICS, "")), holdout=tags.get(TAG_HOLDOUT, ""))


def _recorded(text: str) -> Mapping[str, float]:
    """The numbers that a version's tag remembers."""
    return dict(parse_report(f'{{"metrics": {text}}}').metrics) if text else {}


def reported(report: StageReport, run: TrainingRun | None) -> Mapping[str, float]:
    """All numbers of a run: what it logged, and what it reported at the end, which counts where both differ."""
    return {**(run.metrics if run else {}), **report.metrics}


def evaluated(report: StageReport, run: TrainingRun | None) -> HoldoutEvaluation | None:
    """The evaluation of a run: as it reported it at the end, else as its MLflow run remembers it."""
    return report.evaluation or load_evaluation(run.tags.get(TAG_EVALUATION, "") if run else "")


def times_asked(state: RetrainingState, run: Run, evaluation: HoldoutEvaluation | None) -> int:
    """How many candidates were judged on this holdout, the present one included; records of runs remember it."""
    if evaluation is None or not evaluation.holdout:
        return 1
    ended = (known.finished for known in state.finished if known.finished is not None and known.id != run.id)
    return 1 + max((one.holdout_asked or 0 for one in ended if one.holdout == evaluation.holdout), default=0)
