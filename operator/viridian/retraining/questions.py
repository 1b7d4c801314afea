"""What has to be read from the registry before deciding. At rest that is nothing."""

from __future__ import annotations

from datetime import datetime

from viridian.api.stage import ExitCode
from viridian.retraining.checks import collects, first_problem, followed_model
from viridian.retraining.results import JobState, exit_code
from viridian.retraining.runs import Run
from viridian.retraining.situation import Situation, read
from viridian.retraining.snapshot import Facts, Questions


def ask(facts: Facts, now: datetime) -> Questions:
    """The questions of a pass; ask again with the same `now` and they are the same."""
    if facts.spec is None or facts.deleting:
        return Questions()
    situation = read(facts, facts.spec, now)
    return Questions() if first_problem(situation) else questions(situation)


def questions(situation: Situation) -> Questions:
    """The questions that a situation leaves open."""
    experiment = experiment_of(situation.facts)
    if situation.vanished is not None:
        gone = situation.vanished
        return Questions(experiment=experiment, key=gone.id, mlflow_run=gone.mlflow_run or "")
    if situation.active is not None:
        return _about_ending(situation, situation.active, experiment)
    if situation.start is not None:
        rows_of = situation.spec.model_deployment if collects(situation.facts) else ""
        return Questions(experiment=experiment, key=situation.start.id, rows_of=rows_of)
    return Questions()


def experiment_of(facts: Facts) -> str:
    """The MLflow experiment of a policy's runs."""
    return f"{facts.namespace}/{facts.name}"


def may_have_candidate(run: Run) -> bool:
    """Whether the run came as far as making a model."""
    return exit_code(run.result, run.ending) in (ExitCode.DONE, ExitCode.BAD_CANDIDATE)


def _about_ending(situation: Situation, run: Run, experiment: str) -> Questions:
    if run.ending.state is JobState.RUNNING:
        return Questions()
    followed = followed_model(situation.facts) if may_have_candidate(run) else None
    deployment = situation.facts.deployment
    return Questions(
        experiment=experiment,
        key=run.id,
        mlflow_run=run.origin.mlflow_run,
        model=followed.name if followed else "",
        champion=deployment.champion_version if followed and deployment else "",
    )
