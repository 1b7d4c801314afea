"""A policy whose trigger `newData` looks at data in a system: what a poll finds, and the runs that follow from it."""

from __future__ import annotations

from pathlib import Path

from tests.support.stack.stage_run import StackRun, policy_of
from tests.support.stack.systems import StackSystem
from viridian.api.stage import ExitCode


def watching(system: StackSystem, folder: Path, **data: object) -> StackRun:
    """The example's policy, with these parts of `spec.data` in the place of its own; its first poll is at work."""
    return StackRun(system, folder, spec={"data": {**policy_of(system)["spec"]["data"], **data}})


def poll(run: StackRun, **variables: str) -> None:
    """The poll that is due has found out what the name of the data stands for now."""
    if not run.world.made[-1].endswith("-poll"):
        run.world.later(minutes=10).settle()
    assert run.world.made[-1].endswith("-poll")
    ended = run.work(**variables)
    assert ended.code == ExitCode.DONE, ended.log


def resolved(run: StackRun, **variables: str) -> dict[str, str]:
    """A poll has started a run, whose stage `data` has found this."""
    poll(run, **variables)
    assert run.at_work == "data"
    ended = run.work(**variables)
    assert ended.code == ExitCode.DONE, ended.log
    return dict(ended.report.data)


def trained(run: StackRun) -> None:
    """The training at work ends well, and with it the run."""
    assert run.at_work == "training"
    run.world.train(auc=0.9).settle()


def trainings(run: StackRun) -> int:
    """How many runs have come as far as training."""
    return sum(name.endswith("-training") for name in run.world.made)


def last_seen(run: StackRun) -> str:
    """The revision that the newest poll has found, as the status shows it."""
    (trigger,) = run.world.status["triggers"]
    return str(trigger["lastSeen"])
