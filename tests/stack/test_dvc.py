"""DVC with a real repository, a remote, and `git daemon`: new content starts a run, and a commit alone starts none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack.data_polls import last_seen, poll, resolved, trained, trainings, watching
from tests.support.stack.environment import environment
from tests.support.stack.git_server import GitRepository, git_daemon
from tests.support.stack.stage_run import StackRun
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

pytestmark = pytest.mark.needs_programs
SYSTEM = named("dvc")
FIRST, SECOND = "age,leaves\n31,0\n47,1\n", "age,leaves\n31,0\n47,1\n52,0\n"


class DataRepository(GitRepository):
    """A repository with `data/train.csv`, tracked by DVC with a folder as remote."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, {"DVC_NO_ANALYTICS": "1"})
        self.remote = root / "remote"
        self._dvc("init", "-q")
        self._dvc("remote", "add", "-q", "-d", "storage", str(self.remote))

    def release(self, tag: str, rows: str) -> str:
        """The commit with these rows, which are in the remote too."""
        self.write("data/train.csv", rows)
        self._dvc("add", "-q", "data/train.csv")
        self._dvc("push", "-q")
        return self.commit(tag)

    def _dvc(self, *arguments: str) -> None:
        self.run(str(environment(SYSTEM) / "dvc"), *arguments)


@pytest.fixture
def repository(tmp_path: Path) -> DataRepository:
    return DataRepository(tmp_path)


@pytest.fixture
def run(repository: DataRepository, tmp_path: Path) -> Iterator[StackRun]:
    """The policy on that repository; its first poll is at work."""
    repository.release("v1", FIRST)
    with git_daemon(tmp_path) as address:
        yield watching(SYSTEM, tmp_path / "run", uri=f"dvc+{address}//data/train.csv")


def rows(run: StackRun) -> str:
    (file,) = run.folder.rglob("*-features/out/train.csv")
    return file.read_text()


def test_new_content_starts_a_run_that_gets_it_from_the_remote(run: StackRun) -> None:
    assert resolved(run)["digest"].startswith("md5:")
    assert run.at_work == "features"
    ended = run.work()
    assert ended.code == ExitCode.DONE, ended.log
    assert rows(run) == FIRST
    assert run.at_work == "training"


def test_the_same_content_under_a_new_commit_starts_nothing(run: StackRun, repository: DataRepository) -> None:
    resolved(run)
    run.work()
    trained(run)
    repository.write("README.md", "Rows of customers.\n")
    second = repository.commit("v1-described")
    poll(run)
    assert second[:12] in last_seen(run)
    assert trainings(run) == 1


def test_a_run_trains_on_its_commit_while_the_branch_moves_on(run: StackRun, repository: DataRepository) -> None:
    first = resolved(run)["revision"]
    second = repository.release("v2", SECOND)
    assert run.work().code == ExitCode.DONE
    assert rows(run) == FIRST
    trained(run)
    assert resolved(run)["revision"] == second != first


def test_content_that_dvc_did_not_note_is_not_trained_on(run: StackRun, repository: DataRepository) -> None:
    resolved(run)
    (stored,) = (path for path in repository.remote.rglob("*") if path.is_file())
    stored.chmod(0o644)
    stored.write_text(SECOND)
    ended = run.container()
    assert ended.code not in (ExitCode.DONE, ExitCode.BAD_DATA, ExitCode.NOTHING_TO_DO)
