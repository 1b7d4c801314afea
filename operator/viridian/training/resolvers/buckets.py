"""Objects and folders of an S3 bucket, and the packages that Quilt keeps in one, with the container's login.

Address and login come from the variables of the AWS clients, such as `AWS_ENDPOINT_URL` and `AWS_ACCESS_KEY_ID`, or
from the identity of the service account. An ETag identifies content: the same bytes that are uploaded in other parts
have another one (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from viridian.training.resolvers.resolved_data import (
    CannotResolve,
    ResolvedData,
    digest_of_folder,
    is_hidden,
    state_of_files,
)

_CONNECT_TIMEOUT: Final = timedelta(seconds=10)
_ANSWER_TIMEOUT: Final = timedelta(seconds=60)
_RETRIES: Final = 2
_MAX_POINTER_BYTES: Final = 1024
_TOP_HASH: Final = re.compile(r"[0-9a-f]{64}")
_PACKAGE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}/[A-Za-z0-9_-]{1,128}")
_NAMED_REVISION: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_NEWEST: Final = "latest"
Answer = TypeVar("Answer")


def resolve_object(uri: str, revision: str) -> ResolvedData:
    """An object, or all objects of a folder by names and ETags. In a bucket with versions, `revision` names one."""
    bucket, key = _Bucket.of(urlsplit(uri).netloc), _path(uri)
    if key and (found := bucket.object(key)) is not None:
        return _of_object(uri, revision, bucket, found)
    files = sorted(bucket.below(key).items())
    if not files:
        raise CannotResolve(f"the bucket {bucket.name} has nothing at {key or 'its top'}")
    return state_of_files(uri, revision, f"etags:{digest_of_folder(files)}")


def resolve_quilt(uri: str, revision: str) -> ResolvedData:
    """A package of Quilt by its top hash: of `latest`, of another named revision, or one that the registry has."""
    bucket, package = _Bucket.of(urlsplit(uri.removeprefix("quilt+")).netloc), _path(uri)
    wanted = revision or _NEWEST
    if not _PACKAGE.fullmatch(package):
        raise CannotResolve("the address names no package: write quilt+s3://bucket/team/name")
    if _TOP_HASH.fullmatch(wanted):
        if bucket.object(f".quilt/packages/{wanted}") is None:
            raise CannotResolve(f"the bucket {bucket.name} has no package with the top hash {wanted}")
        return _of_package(uri, wanted)
    pointer = f".quilt/named_packages/{package}/{wanted}"
    found = bucket.hash_in(pointer) if _NAMED_REVISION.fullmatch(wanted) else ""
    if not found:
        raise CannotResolve(f"the bucket {bucket.name} has no revision {wanted} of the package {package}")
    return _of_package(uri, found)


@dataclass(frozen=True, slots=True)
class _Bucket:
    """One bucket, and what it is asked. CannotResolve where it refuses or is not there."""

    name: str
    store: S3Store

    @classmethod
    def of(cls, name: str) -> _Bucket:
        if not name:
            raise CannotResolve("the address names no bucket: write s3://bucket/folder/train.csv")
        without_tls = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        store = S3Store(
            name,
            client_options={
                "timeout": _ANSWER_TIMEOUT,
                "connect_timeout": _CONNECT_TIMEOUT,
                "allow_http": without_tls,
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": _ANSWER_TIMEOUT},
        )
        return cls(name, store)

    def object(self, key: str, version: str = "") -> Mapping[str, Any] | None:
        """What the bucket shows of an object, in that version or in the newest; None where there is none."""
        if not version:
            return self._asked(lambda: self.store.head(key))
        return self._asked(lambda: self.store.get(key, options={"head": True, "version": version}).meta)

    def hash_in(self, key: str) -> str:
        """The top hash that an object consists of; nothing where it is not there, or something else."""
        shown = self.object(key)
        if shown is None or shown["size"] > _MAX_POINTER_BYTES:
            return ""
        content = self._asked(lambda: bytes(self.store.get(key).bytes())) or b""
        found = content.decode(errors="replace").strip()
        return found if _TOP_HASH.fullmatch(found) else ""

    def below(self, folder: str) -> dict[str, str]:
        """The ETag of each object of a folder, by its name from there."""
        begins = f"{folder}/" if folder else ""
        pages = self._asked(lambda: list(self.store.list(folder or None))) or []
        named = {one["path"].removeprefix(begins): _etag(one) for page in pages for one in page}
        return {name: etag for name, etag in named.items() if not is_hidden(name)}

    def _asked(self, question: Callable[[], Answer]) -> Answer | None:
        try:
            return question()
        except FileNotFoundError:
            return None
        except (BaseError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise CannotResolve(f"the bucket {self.name} cannot be read: {reason}") from None


def _of_object(uri: str, revision: str, bucket: _Bucket, newest: Mapping[str, Any]) -> ResolvedData:
    digest, version = f"etag:{_etag(newest)}", str(newest.get("version") or "")
    if version and revision not in ("", digest, version):
        earlier = bucket.object(_path(uri), revision)
        if earlier is not None and earlier.get("version") == revision:
            return ResolvedData(uri=uri, revision=revision, digest=f"etag:{_etag(earlier)}")
    return state_of_files(uri, revision, digest, version)


def _of_package(uri: str, top_hash: str) -> ResolvedData:
    return ResolvedData(uri=uri, revision=top_hash, digest=f"quilt:{top_hash}")


def _path(uri: str) -> str:
    return unquote(urlsplit(uri.removeprefix("quilt+")).path).strip("/")


def _etag(shown: Mapping[str, Any]) -> str:
    """Without quotes: answers about one object have them, lists of some servers have none."""
    found = str(shown.get("e_tag") or "").removeprefix("W/").strip('"')
    if not found:
        raise CannotResolve("the bucket names no ETag, so nothing identifies the content")
    return found
