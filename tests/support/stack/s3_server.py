"""A bucket with versions at an S3 server, versitygw, which checks each signature and keeps objects as files."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from localcluster.binaries import program
from localcluster.ports import free_port
from tests.support.stack.environment import environment
from tests.support.stack.server import served
from tests.support.stack.systems import StackSystem

_LOGIN: Final = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}
_CALL: Final = """
import boto3, json, sys
operation, arguments = sys.argv[1:]
print(json.dumps(getattr(boto3.client("s3"), operation)(Bucket="data", **json.loads(arguments)), default=str))
"""


@dataclass(frozen=True)
class S3Bucket:
    """What clients of the bucket `data` are given, and what a team does in it."""

    address: str
    python: Path
    """Of an environment with boto3."""

    @property
    def variables(self) -> Mapping[str, str]:
        """As the Secret of a team has them."""
        region = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
        return {"AWS_ENDPOINT_URL": self.address, **region, **_LOGIN}

    def put(self, key: str, content: str) -> str:
        """The version id of the object that is there now."""
        return str(self.call("put_object", Key=key, Body=content)["VersionId"])

    def delete(self, key: str, version: str) -> None:
        """That version is gone for good, as a rule of the life cycle removes it."""
        self.call("delete_object", Key=key, VersionId=version)

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """What boto3 answers."""
        command = [str(self.python), "-c", _CALL, operation, json.dumps(arguments)]
        given = {**os.environ, **self.variables}
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@contextmanager
def s3_bucket(system: StackSystem, folder: Path) -> Iterator[S3Bucket]:
    """An empty one, at a server of its own."""
    port, objects = free_port(), [folder / name for name in ("objects", "versions", "attributes")]
    for place in objects:
        place.mkdir()
    root, versions, attributes = map(str, objects)
    listening = (f"--port=127.0.0.1:{port}", "--quiet", "--health=/health")
    command = [program("versitygw"), *listening, "posix", "--versioning-dir", versions, "--sidecar", attributes, root]
    login = {"ROOT_ACCESS_KEY": _LOGIN["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": _LOGIN["AWS_SECRET_ACCESS_KEY"]}
    with served(command, folder, f"http://127.0.0.1:{port}", settings=login) as address:
        bucket = S3Bucket(address, environment(system) / "python")
        bucket.call("create_bucket")
        bucket.call("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
        yield bucket
