"""Packages that Quilt's own client pushes, and the stage that fetches them. versitygw stands in for Amazon S3."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack.data_polls import last_seen, poll, resolved, trained, trainings, watching
from tests.support.stack.environment import environment
from tests.support.stack.s3_server import S3Bucket, s3_bucket
from tests.support.stack.stage_run import StackRun
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

pytestmark = pytest.mark.needs_programs
SYSTEM = named("quilt")
FIRST, SECOND = "age,leaves\n31,0\n47,1\n", "age,leaves\n31,0\n47,1\n52,0\n"
PUSH = """
import sys, quilt3
message, folder = sys.argv[1:]
package = quilt3.Package().set_dir("/", folder)
print(package.push("team/churn", registry="s3://data", message=message, force=True).top_hash)
"""


class Team:
    """The people who push packages to the bucket."""

    def __init__(self, bucket: S3Bucket, folder: Path) -> None:
        self.bucket, self.rows = bucket, folder / "rows-of-the-team"
        self.rows.mkdir()
        self._variables = {"HOME": str(folder), "QUILT_DISABLE_USAGE_METRICS": "true", **bucket.variables}

    def push(self, rows: str, message: str = "weekly") -> str:
        """The top hash of the package with these rows, which is the latest one now."""
        (self.rows / "train.csv").write_text(rows)
        command = [str(environment(SYSTEM) / "python"), "-c", PUSH, message, str(self.rows)]
        given = {**os.environ, **self._variables}
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with s3_bucket(SYSTEM, tmp_path) as bucket:
        yield Team(bucket, tmp_path)


@pytest.fixture
def first(team: Team) -> str:
    return team.push(FIRST)


@pytest.fixture
def run(first: str, tmp_path: Path) -> StackRun:
    return watching(SYSTEM, tmp_path / "run")


def rows(run: StackRun, team: Team) -> str:
    """What the stage fetches."""
    ended = run.work(HOME=str(run.folder), **team.bucket.variables)
    assert ended.code == ExitCode.DONE, ended.log
    (file,) = run.folder.rglob(f"{len(run.world.made) - 1}-features/out/rows/train.csv")
    return file.read_text()


def test_a_pushed_package_starts_a_run_that_gets_its_top_hash(run: StackRun, team: Team, first: str) -> None:
    found = resolved(run, **team.bucket.variables)
    assert (found["revision"], found["digest"]) == (first, f"quilt:{first}")
    assert rows(run, team) == FIRST
    assert run.at_work == "training"


def test_the_same_package_pushed_again_starts_nothing(run: StackRun, team: Team, first: str) -> None:
    resolved(run, **team.bucket.variables)
    rows(run, team)
    trained(run)
    assert team.push(FIRST) == first
    poll(run, **team.bucket.variables)
    assert first[:12] in last_seen(run)
    assert trainings(run) == 1


def test_another_message_is_another_top_hash_and_starts_a_run(run: StackRun, team: Team, first: str) -> None:
    resolved(run, **team.bucket.variables)
    rows(run, team)
    trained(run)
    second = team.push(FIRST, "checked by hand")
    assert resolved(run, **team.bucket.variables)["revision"] == second != first


def test_a_run_trains_on_its_package_while_a_newer_one_is_pushed(run: StackRun, team: Team, first: str) -> None:
    resolved(run, **team.bucket.variables)
    second = team.push(SECOND)
    assert rows(run, team) == FIRST
    trained(run)
    assert resolved(run, **team.bucket.variables)["revision"] == second
    assert rows(run, team) == SECOND
