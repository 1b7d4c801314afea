"""What has to be read from the registry before deciding. At rest that is nothing."""

from __future__ import annotations

from datetime import datetime

from viridian.api.stage import ExitCode, parse_report
from viridian.retraining.checks import collects, first_problem, followed_model
from viridian.retraining.input import PolicyFacts, RegistryQuery
from viridian.retraining.runs import Run
from viridian.retraining.stages.progress import untraced
from viridian.retraining.stages.result import Ending, JobState, exit_code
from viridian.retraining.state import RetrainingState, read_state


def queries_for(facts: PolicyFacts, now: datetime) -> RegistryQuery:
    """What a pass has to read from registry and collector; with the same `now` it is the same again."""
    if facts.spec is None or facts.deleting:
        return RegistryQuery()
    state = read_state(facts, facts.spec, now)
    return RegistryQuery() if first_problem(state) else query_of(state)


def query_of(state: RetrainingState) -> RegistryQuery:
    """What the state leaves open."""
    run, experiment = state.active, experiment_of(state.facts)
    if run is None:
        return RegistryQuery()
    if run.ending is not None:
        return _about_ended_run(state, run, run.ending, experiment)
    if not untraced(run, state.now):
        return RegistryQuery()
    may_begin = not run.note.job and collects(state.facts)
    rows_of = state.spec.model_deployment if may_begin else ""
    followed = followed_model(state.facts) if not run.note.job else None
    return RegistryQuery(
        experiment=experiment,
        key=run.id,
        mlflow_run=run.note.mlflow_run,
        owners_of=followed.name if followed else "",
        rows_of=rows_of,
    )


def experiment_of(facts: PolicyFacts) -> str:
    """The MLflow experiment of a policy's runs."""
    return f"{facts.namespace}/{facts.name}"


def may_have_candidate(ending: Ending) -> bool:
    """Whether the stage came as far as making a model that is to be registered."""
    return exit_code(ending) in (ExitCode.DONE, ExitCode.BAD_CANDIDATE)


def _about_ended_run(state: RetrainingState, run: Run, ending: Ending, experiment: str) -> RegistryQuery:
    # The script of a run that was cancelled may have registered a version by itself.
    has_version = may_have_candidate(ending) or ending.state is JobState.CANCELLED
    followed = followed_model(state.facts) if has_version else None
    deployment = state.facts.deployment
    return RegistryQuery(
        experiment=experiment,
        key=run.id,
        mlflow_run=run.note.mlflow_run,
        model=followed.name if followed else "",
        owners_of=followed.name if followed else "",
        reported=parse_report(ending.said).model_uri if may_have_candidate(ending) else "",
        champion=deployment.champion_version if followed and deployment else "",
    )
