"""The resolver of lakeFS held to lakeFS's own published client. No lakeFS server can be had; a stand-in answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lakefs_stand_in import LakefsStandIn, lakefs_stand_in
from tests.support.stack.data_polls import last_seen, poll, resolved, trained, trainings, watching
from tests.support.stack.environment import environment
from tests.support.stack.stage_run import StackRun
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

pytestmark = pytest.mark.needs_programs
SYSTEM = named("lakefs")
FIRST, SECOND = "age,leaves\n31,0\n47,1\n", "age,leaves\n31,0\n47,1\n52,0\n"
FILE = "rows/train.csv"
ASK = """
import json, os
from lakefs_sdk import Configuration
from lakefs_sdk.client import LakeFSClient
login = Configuration(
    host=os.environ["LAKECTL_SERVER_ENDPOINT_URL"],
    username=os.environ["LAKECTL_CREDENTIALS_ACCESS_KEY_ID"],
    password=os.environ["LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"],
)
client = LakeFSClient(login)
branch = client.repositories_api.get_repository("churn").default_branch
commit = client.refs_api.log_commits("churn", branch, amount=1).results[0].id
"""
ASK_FOR_A_FILE = """
print(json.dumps([commit, client.objects_api.stat_object("churn", commit, "rows/train.csv").checksum]))
"""
ASK_FOR_A_FOLDER = """
from lakefs_sdk.exceptions import NotFoundException
try:
    client.objects_api.stat_object("churn", commit, "rows")
except NotFoundException:
    after, names = "", []
    while True:
        page = client.objects_api.list_objects("churn", commit, prefix="rows/", after=after, amount=1000)
        names += [one.path for one in page.results]
        after = page.pagination.next_offset
        if not page.pagination.has_more:
            break
print(json.dumps([commit, names]))
"""


@pytest.fixture
def repository() -> Iterator[LakefsStandIn]:
    with lakefs_stand_in() as made:
        made.commit({FILE: FIRST})
        yield made


@pytest.fixture
def run(repository: LakefsStandIn, tmp_path: Path) -> StackRun:
    return watching(SYSTEM, tmp_path / "run")


def resolver_asks(run: StackRun, repository: LakefsStandIn) -> tuple[list[tuple[str, dict[str, str]]], dict[str, str]]:
    """The requests of the resolver, and what it has found."""
    repository.asked.clear()
    found = run.container(**repository.variables).report.data
    return repository.asked.copy(), dict(found)


def published_client(repository: LakefsStandIn, question: str) -> list[str]:
    """What lakeFS's own client makes of the answers, all of which it holds to its models."""
    command = [str(environment(SYSTEM) / "python"), "-c", ASK + question]
    given = {**os.environ, **repository.variables}
    repository.asked.clear()
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def rows(run: StackRun, repository: LakefsStandIn) -> str:
    """What the stage fetches."""
    ended = run.work(**repository.variables)
    assert ended.code == ExitCode.DONE, ended.log
    (file,) = run.folder.rglob(f"{len(run.world.made) - 1}-features/out/train.csv")
    return file.read_text()


def test_about_a_file_the_resolver_asks_what_the_published_client_asks(
    repository: LakefsStandIn, tmp_path: Path
) -> None:
    asked, found = resolver_asks(watching(SYSTEM, tmp_path / "run", revision=""), repository)
    commit, checksum = published_client(repository, ASK_FOR_A_FILE)
    assert repository.asked == asked
    assert (found["revision"], found["digest"]) == (commit, f"lakefs:{checksum}")


def test_about_a_folder_it_asks_for_the_same_pages(repository: LakefsStandIn, tmp_path: Path) -> None:
    files = {f"rows/{number}.csv": str(number) for number in range(5)}
    repository.commit({**files, "rows2/other.csv": "1"})
    asked, found = resolver_asks(watching(SYSTEM, tmp_path / "run", uri="lakefs://churn/rows", revision=""), repository)
    assert published_client(repository, ASK_FOR_A_FOLDER) == [found["revision"], sorted(files)]
    assert repository.asked == asked
    assert len(asked) == 6, "three pages of two objects"


def test_new_content_starts_a_run_that_gets_its_commit(run: StackRun, repository: LakefsStandIn) -> None:
    assert resolved(run, **repository.variables)["revision"] == repository.branches["main"]
    assert rows(run, repository) == FIRST
    assert run.at_work == "training"


def test_the_same_content_under_a_new_commit_starts_nothing(run: StackRun, repository: LakefsStandIn) -> None:
    resolved(run, **repository.variables)
    rows(run, repository)
    trained(run)
    second = repository.commit({FILE: FIRST, "README.md": "Rows of customers."})
    poll(run, **repository.variables)
    assert second[:12] in last_seen(run)
    assert trainings(run) == 1


def test_a_run_trains_on_its_commit_while_the_branch_moves_on(run: StackRun, repository: LakefsStandIn) -> None:
    resolved(run, **repository.variables)
    second = repository.commit({FILE: SECOND})
    assert rows(run, repository) == FIRST
    trained(run)
    assert resolved(run, **repository.variables)["revision"] == second
    assert rows(run, repository) == SECOND
