"""DVC with a real repository, a remote, and `git daemon`: new content starts a run, and a commit alone starts none."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster.ports import free_port
from tests.support.kube import eventually
from tests.support.mlflow_server import end_group
from tests.support.stack.environment import environment
from tests.support.stack.stage_run import StackRun
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

pytestmark = pytest.mark.needs_programs
SYSTEM = named("dvc")
FIRST, SECOND = "age,leaves\n31,0\n47,1\n", "age,leaves\n31,0\n47,1\n52,0\n"
SETTINGS = {"DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}


class DataRepository:
    """A repository with `data/train.csv`, tracked by DVC with a folder as remote; what is released can be cloned."""

    def __init__(self, root: Path) -> None:
        self.work, self.remote = root / "work", root / "remote"
        self._run("git", "init", "-q", "-b", "main", str(self.work), where=root)
        self._dvc("init", "-q")
        self._dvc("remote", "add", "-q", "-d", "storage", str(self.remote))
        (self.work / "data").mkdir()
        self._run("git", "clone", "-q", "--bare", str(self.work), str(root / "data.git"), where=root)
        self._run("git", "remote", "add", "origin", str(root / "data.git"))

    def release(self, tag: str, rows: str) -> str:
        """The commit with these rows, which are in the remote too."""
        (self.work / "data" / "train.csv").write_text(rows)
        self._dvc("add", "-q", "data/train.csv")
        self._dvc("push", "-q")
        return self.commit(tag)

    def commit(self, tag: str) -> str:
        """The commit with all that has changed."""
        self._run("git", "add", "-A")
        author = ("-c", "user.name=data", "-c", "user.email=data@acme.example")
        self._run("git", *author, "commit", "-q", "-m", tag)
        self._run("git", "tag", tag)
        self._run("git", "push", "-q", "--tags", "origin", "main")
        return self._run("git", "rev-parse", "HEAD")

    def _dvc(self, *arguments: str) -> None:
        self._run(str(environment(SYSTEM) / "dvc"), *arguments)

    def _run(self, *command: str, where: Path | None = None) -> str:
        settings = {**os.environ, **SETTINGS}
        done = subprocess.run(command, cwd=where or self.work, env=settings, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> DataRepository:
    return DataRepository(tmp_path)


@pytest.fixture
def server(repository: DataRepository, tmp_path: Path) -> Iterator[str]:
    """The address of the repository at `git daemon`."""
    port = free_port()
    where = ("--listen=127.0.0.1", f"--port={port}", f"--base-path={tmp_path}")
    command = ["git", "daemon", "--reuseaddr", "--export-all", *where]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as daemon:
        try:
            eventually(lambda: answers(port), what="git daemon")
            yield f"git://127.0.0.1:{port}/data.git"
        finally:
            end_group(daemon)


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def run(repository: DataRepository, server: str, tmp_path: Path) -> StackRun:
    """The policy on that repository; its first poll is at work."""
    repository.release("v1", FIRST)
    data = {"uri": f"dvc+{server}//data/train.csv", "revision": "main", "resolver": {}}
    return StackRun(SYSTEM, tmp_path / "run", spec={"data": data})


def polled(run: StackRun) -> None:
    """The poll that is due has found out what the branch stands for now."""
    if not run.world.made[-1].endswith("-poll"):
        run.world.later(minutes=10).settle()
    assert run.world.made[-1].endswith("-poll")
    assert run.work().code == ExitCode.DONE


def test_new_content_starts_a_run_that_gets_it_from_the_remote(run: StackRun, repository: DataRepository) -> None:
    polled(run)
    assert run.at_work == "data"
    assert run.work().report.data["digest"].startswith("md5:")
    assert run.at_work == "features"
    ended = run.work()
    assert ended.code == ExitCode.DONE, ended.log
    (rows,) = run.folder.rglob("*-features/out/train.csv")
    assert rows.read_text() == FIRST
    assert run.at_work == "training"


def test_the_same_content_under_a_new_commit_starts_nothing(run: StackRun, repository: DataRepository) -> None:
    through(run)
    (repository.work / "README.md").write_text("Rows of customers.\n")
    second = repository.commit("v1-described")
    polled(run)
    (trigger,) = run.world.status["triggers"]
    assert second[:12] in trigger["lastSeen"], "it was seen"
    assert sum(name.endswith("-training") for name in run.world.made) == 1


def test_a_run_trains_on_its_commit_while_the_branch_moves_on(run: StackRun, repository: DataRepository) -> None:
    polled(run)
    first = run.work().report.data["revision"]
    second = repository.release("v2", SECOND)
    assert run.work().code == ExitCode.DONE
    (rows,) = run.folder.rglob("*-features/out/train.csv")
    assert rows.read_text() == FIRST
    run.world.train(auc=0.9).settle()
    polled(run)
    assert run.work().report.data["revision"] == second != first


def test_content_that_dvc_did_not_note_is_not_trained_on(run: StackRun, repository: DataRepository) -> None:
    polled(run)
    run.work()
    (stored,) = (path for path in repository.remote.rglob("*") if path.is_file())
    stored.chmod(0o644)
    stored.write_text(SECOND)
    ended = run.container()
    assert ended.code not in (ExitCode.DONE, ExitCode.BAD_DATA, ExitCode.NOTHING_TO_DO)


def through(run: StackRun) -> None:
    """A first run, to its end."""
    polled(run)
    run.work()
    run.work()
    run.world.train(auc=0.9).settle()
