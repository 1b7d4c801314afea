"""What has to be read from the registry before deciding. At rest that is nothing."""

from __future__ import annotations

from datetime import datetime

from viridian.api.stage import ExitCode, parse_report
from viridian.retraining.checks import collects, first_problem, followed_model
from viridian.retraining.progress import untraced
from viridian.retraining.results import Ending, JobState, exit_code
from viridian.retraining.runs import Run
from viridian.retraining.situation import RetrainingState, read
from viridian.retraining.snapshot import PolicyFacts, Questions


def ask(facts: PolicyFacts, now: datetime) -> Questions:
    """The questions of a pass; ask again with the same `now` and they are the same."""
    if facts.spec is None or facts.deleting:
        return Questions()
    situation = read(facts, facts.spec, now)
    return Questions() if first_problem(situation) else questions(situation)


def questions(situation: RetrainingState) -> Questions:
    """The questions that a situation leaves open."""
    run, experiment = situation.active, experiment_of(situation.facts)
    if run is None:
        return Questions()
    if run.ending is not None:
        return _about_ending(situation, run, run.ending, experiment)
    if not untraced(run, situation.now):
        return Questions()
    may_begin = not run.note.job and collects(situation.facts)
    rows_of = situation.spec.model_deployment if may_begin else ""
    followed = followed_model(situation.facts) if not run.note.job else None
    return Questions(
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


def _about_ending(situation: RetrainingState, run: Run, ending: Ending, experiment: str) -> Questions:
    # The script of a run that was cancelled may have registered a version by itself.
    has_version = may_have_candidate(ending) or ending.state is JobState.CANCELLED
    followed = followed_model(situation.facts) if has_version else None
    deployment = situation.facts.deployment
    return Questions(
        experiment=experiment,
        key=run.id,
        mlflow_run=run.note.mlflow_run,
        model=followed.name if followed else "",
        owners_of=followed.name if followed else "",
        reported=parse_report(ending.said).model_uri if may_have_candidate(ending) else "",
        champion=deployment.champion_version if followed and deployment else "",
    )
