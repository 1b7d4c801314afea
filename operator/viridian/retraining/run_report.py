"""What the stages of a run report together: the number of a later stage counts, and the model is what training made."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from viridian.api.stage import StageName, StageReport, parse_report
from viridian.retraining.runs import Run, RunStage
from viridian.retraining.stages.meaning import Meaning, meaning

_MADE_A_CANDIDATE = (Meaning.DONE, Meaning.BAD_CANDIDATE)


def run_report(run: Run) -> StageReport:
    """The reports of its stages as one. What is reported as a failure is that of the stage that ended the run."""
    reports = [_report(stage) for stage in run.stages]
    ending, trained = _report(run.stage), run.named(StageName.TRAINING)
    training = _report(trained) if trained is not None else StageReport()
    return replace(
        reduce(_joined, reports, StageReport()),
        model_uri=training.model_uri,
        model_digest=training.model_digest,
        data=training.data or next((report.data for report in reports if report.data), {}),
        failures=ending.failures,
        message=ending.message,
    )


def _report(stage: RunStage) -> StageReport:
    return parse_report(stage.result.termination_message) if stage.result is not None else StageReport()


def _joined(earlier: StageReport, later: StageReport) -> StageReport:
    return replace(
        earlier,
        metrics={**earlier.metrics, **later.metrics},
        holdout=later.holdout or earlier.holdout,
        features=later.features or earlier.features,
        champion_problem=later.champion_problem or earlier.champion_problem,
        evaluation=later.evaluation or earlier.evaluation,
    )


def may_have_candidate(run: Run) -> bool:
    """Whether the run came as far as making a model that is to be registered."""
    result, trained = run.result, run.named(StageName.TRAINING)
    if result is None or trained is None:
        return False
    if result.restored:
        return meaning(run.stage.name, result) is Meaning.DONE
    made = trained.result is not None and meaning(trained.name, trained.result) in _MADE_A_CANDIDATE
    return made and meaning(run.stage.name, result) in _MADE_A_CANDIDATE
