"""Git itself with `git daemon`: a branch, two tags, and a training that fetches the commit of its run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.mlflow_server import MlflowServer
from tests.support.stack.data_polls import last_seen, poll, resolved, trained, trainings, watching
from tests.support.stack.git_server import GitRepository, git_daemon
from tests.support.stack.stage_run import StackRun
from tests.support.stack.systems import named
from tests.support.stack.trained_run import trained_in

pytestmark = pytest.mark.needs_programs
SYSTEM = named("git")
PRINT_ROWS = "import git_rows, pathlib; print(git_rows.rows_of_the_run(pathlib.Path('.')).read_text())"


def customers(count: int) -> str:
    lines = (f"{20 + number % 50},{number % 7},{int(number % 7 > 3)}" for number in range(count))
    return "age,complaints,leaves\n" + "\n".join(lines) + "\n"


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    made = GitRepository(tmp_path)
    made.write("train.csv", customers(80))
    made.commit("v1")
    return made


@pytest.fixture
def start(repository: GitRepository, tmp_path: Path) -> Iterator[Callable[[str], StackRun]]:
    """The example's policy on that repository with this revision."""
    with git_daemon(tmp_path) as address:

        def policy(revision: str) -> StackRun:
            return watching(SYSTEM, tmp_path / "run", uri=f"git+{address}//train.csv", revision=revision)

        yield policy


def rows_of(run: StackRun) -> int:
    """How many rows the training at work fetches."""
    ended = run.python(PRINT_ROWS)
    assert ended.code == 0, ended.log
    return len(ended.log.split()) - 1


def test_new_rows_start_a_run_and_its_model_is_trained_on_them(
    start: Callable[[str], StackRun], repository: GitRepository, mlflow: MlflowServer, note_program: Callable[..., None]
) -> None:
    note_program("git", repository.run("git", "--version").split()[2])
    run = start("main")
    found = resolved(run)
    assert found["revision"] == repository.run("git", "rev-parse", "HEAD")
    assert found["digest"] == f"git-blob:{repository.run('git', 'rev-parse', 'HEAD:train.csv')}"
    assert trained_in(run, mlflow.url).run.params["rows"] == "80"


def test_the_same_rows_under_a_new_commit_start_nothing(
    start: Callable[[str], StackRun], repository: GitRepository
) -> None:
    run = start("main")
    resolved(run)
    trained(run)
    repository.write("README.md", "Rows of customers.\n")
    second = repository.commit("v1-described")
    poll(run)
    assert second[:12] in last_seen(run)
    assert trainings(run) == 1


def test_a_run_trains_on_its_commit_while_the_branch_moves_on(
    start: Callable[[str], StackRun], repository: GitRepository
) -> None:
    run = start("main")
    first = resolved(run)
    repository.write("train.csv", customers(90))
    second = repository.commit("v2")
    assert rows_of(run) == 80
    trained(run)
    assert resolved(run)["revision"] == second != first["revision"]
    assert rows_of(run) == 90


def test_a_tag_stays_with_its_rows_and_another_tag_starts_a_run(
    start: Callable[[str], StackRun], repository: GitRepository
) -> None:
    repository.write("train.csv", customers(90))
    repository.commit("v2")
    run = start("v1")
    resolved(run)
    assert rows_of(run) == 80
    trained(run)
    run.world.edit(data={**run.world.policy["spec"]["data"], "revision": "v2"})
    resolved(run)
    assert rows_of(run) == 90


def test_rows_that_are_not_those_of_the_digest_are_not_trained_on(start: Callable[[str], StackRun]) -> None:
    run = start("main")
    resolved(run)
    ended = run.container(VIRIDIAN_DATA_DIGEST="git-blob:" + "0" * 40)
    assert ended.code == 1
    assert "the run was given git-blob:0000" in ended.log
