"""What has to be read from the registry before deciding. At rest that is nothing."""

from __future__ import annotations

from viridian.retraining.checks import collects
from viridian.retraining.input import PolicyFacts, RegistryQuery
from viridian.retraining.progress import leaves_no_trace
from viridian.retraining.run_report import may_have_candidate, run_report
from viridian.retraining.runs import Run
from viridian.retraining.stages.state import StageOutcome, StageResult
from viridian.retraining.state import RetrainingState


def query_of(state: RetrainingState) -> RegistryQuery:
    """What the state leaves open; computed again with the same `now` it is the same."""
    run = state.active
    if run is None:
        return RegistryQuery()
    if run.result is not None:
        return _about_ended_run(state, run, run.result)
    if not leaves_no_trace(run, state.now):
        return RegistryQuery()
    may_begin = not run.stage.note.seen
    followed = state.facts.followed if may_begin else None
    return RegistryQuery(
        experiment=experiment_of(state.facts),
        key=run.id,
        mlflow_run=run.mlflow_run,
        owners_of=followed.name if followed else "",
        rows_of=state.spec.model_deployment if may_begin and collects(state.facts) else "",
    )


def experiment_of(facts: PolicyFacts) -> str:
    """The MLflow experiment of a policy's runs."""
    return f"{facts.namespace}/{facts.name}"


def _about_ended_run(state: RetrainingState, run: Run, result: StageResult) -> RegistryQuery:
    # The script of a run that was cancelled may have registered a version by itself.
    has_version = may_have_candidate(run) or result.outcome is StageOutcome.CANCELLED
    followed = state.facts.followed if has_version else None
    deployment = state.facts.deployment
    return RegistryQuery(
        experiment=experiment_of(state.facts),
        key=run.id,
        mlflow_run=run.mlflow_run,
        model=followed.name if followed else "",
        owners_of=followed.name if followed else "",
        reported=run_report(run).model_uri if may_have_candidate(run) else "",
        champion=deployment.champion_version if followed and deployment else "",
        champion_digest=deployment.champion_digest if followed and deployment and deployment.champion_version else "",
    )
