"""A bucket with versions at moto, which stands in for Amazon S3: it has the interface, and keeps all in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from benchmarks.environments import LOCKS, environment
from localcluster.ports import free_port
from tests.support.stack.server import served

_LOGIN: Final = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261129/us-east-1/s3/aws4_request"}
_SECONDS: Final = 60
_ENABLED: Final = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


@dataclass(frozen=True)
class S3Bucket:
    """What clients of the bucket `data` are given, and what happens in it."""

    address: str

    @property
    def variables(self) -> Mapping[str, str]:
        """As the Secret of a team has them. moto asks for a login and compares it with nothing."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
        }

    def put(self, key: str, content: str) -> str:
        """The version id of the object that is there now."""
        answer = httpx.put(f"{self.address}/data/{key}", content=content, headers=_LOGIN, timeout=_SECONDS)
        return str(answer.raise_for_status().headers["x-amz-version-id"])

    def delete(self, key: str, version: str) -> None:
        """That version is gone for good, as a rule of the life cycle removes it."""
        place = f"{self.address}/data/{key}"
        httpx.delete(place, params={"versionId": version}, headers=_LOGIN, timeout=_SECONDS).raise_for_status()

    def empty(self) -> None:
        """There is no object and no version in it any more."""
        with httpx.Client(base_url=self.address, headers=_LOGIN, timeout=_SECONDS) as client:
            client.post("/moto-api/reset").raise_for_status()
            client.put("/data").raise_for_status()
            client.put("/data", params={"versioning": ""}, content=_ENABLED).raise_for_status()


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Bucket]:
    """The bucket has to be emptied before its first use, too."""
    port = free_port()
    command = [str(environment("moto") / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with served(command, folder, f"http://127.0.0.1:{port}", health="/moto-api/") as address:
        yield S3Bucket(address)


def moto_version() -> str:
    """The version that the lock pins."""
    (pinned,) = (line for line in (LOCKS / "moto.txt").read_text().splitlines() if line.startswith("moto=="))
    return pinned.removeprefix("moto==").removesuffix(" \\")
