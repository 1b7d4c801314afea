"""Versions of an object in a bucket, with the resolver and boto3. versitygw stands in for Amazon S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack.data_polls import last_seen, poll, resolved, trained, trainings, watching
from tests.support.stack.s3_server import S3Bucket, s3_bucket
from tests.support.stack.stage_run import StackRun
from tests.support.stack.systems import named
from viridian.api.stage import ExitCode

pytestmark = pytest.mark.needs_programs
SYSTEM = named("s3")
KEY = "churn/train.csv"
FIRST, SECOND = "age,leaves\n31,0\n47,1\n", "age,leaves\n31,0\n47,1\n52,0\n"


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[S3Bucket]:
    with s3_bucket(SYSTEM, tmp_path) as made:
        yield made


@pytest.fixture
def first(bucket: S3Bucket) -> str:
    """The version with the first rows."""
    return bucket.put(KEY, FIRST)


@pytest.fixture
def run(first: str, tmp_path: Path) -> StackRun:
    return watching(SYSTEM, tmp_path / "run")


def rows(run: StackRun, bucket: S3Bucket) -> str:
    """What the stage fetches."""
    ended = run.work(**bucket.variables)
    assert ended.code == ExitCode.DONE, ended.log
    (file,) = run.folder.rglob(f"{len(run.world.made) - 1}-features/out/train.csv")
    return file.read_text()


def test_a_new_object_starts_a_run_that_gets_its_version(run: StackRun, bucket: S3Bucket, first: str) -> None:
    found = resolved(run, **bucket.variables)
    assert found["revision"] == first
    assert found["digest"].startswith("etag:")
    assert rows(run, bucket) == FIRST
    assert run.at_work == "training"


def test_the_same_content_under_a_new_version_starts_nothing(run: StackRun, bucket: S3Bucket, first: str) -> None:
    resolved(run, **bucket.variables)
    rows(run, bucket)
    trained(run)
    second = bucket.put(KEY, FIRST)
    poll(run, **bucket.variables)
    assert second[:12] in last_seen(run)
    assert second != first
    assert trainings(run) == 1


def test_a_run_trains_on_its_version_while_a_newer_one_comes(run: StackRun, bucket: S3Bucket, first: str) -> None:
    resolved(run, **bucket.variables)
    second = bucket.put(KEY, SECOND)
    assert rows(run, bucket) == FIRST
    trained(run)
    assert resolved(run, **bucket.variables)["revision"] == second
    assert rows(run, bucket) == SECOND


def test_an_earlier_version_is_trained_on_when_the_policy_names_it(
    bucket: S3Bucket, first: str, tmp_path: Path
) -> None:
    bucket.put(KEY, SECOND)
    run = watching(SYSTEM, tmp_path / "run", revision=first)
    assert resolved(run, **bucket.variables)["revision"] == first
    assert rows(run, bucket) == FIRST


def test_a_version_that_is_gone_is_not_trained_on(run: StackRun, bucket: S3Bucket, first: str) -> None:
    resolved(run, **bucket.variables)
    bucket.put(KEY, SECOND)
    bucket.delete(KEY, first)
    ended = run.container(**bucket.variables)
    assert ended.code == 1
    assert "NoSuchVersion" in ended.log


def test_a_wrong_secret_fails_the_stage_and_stands_in_no_log(run: StackRun, bucket: S3Bucket, first: str) -> None:
    resolved(run, **bucket.variables)
    ended = run.container(**{**bucket.variables, "AWS_SECRET_ACCESS_KEY": "not-the-secret"})
    assert ended.code == 1
    assert "SignatureDoesNotMatch" in ended.log
    assert "not-the-secret" not in ended.log
