"""The stage that fetches rows: the very version of the object that the run was given, with the content of its digest.

It needs nothing of the package `viridian`: variables come in, and an exit code goes out.
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import boto3

address = urlsplit(os.environ["VIRIDIAN_DATA_URI"])
key, version = unquote(address.path).strip("/"), os.environ["VIRIDIAN_DATA_REVISION"]
etag = os.environ["VIRIDIAN_DATA_DIGEST"].removeprefix("etag:")

# S3 answers 412 where the version has another ETag, and 404 where the version is gone: the stage fails.
found = boto3.client("s3").get_object(Bucket=address.netloc, Key=key, VersionId=version, IfMatch=f'"{etag}"')
target = Path(os.environ["VIRIDIAN_OUT_DIR"]) / Path(key).name
target.write_bytes(found["Body"].read())
print(f"{key} in version {version}: {target.stat().st_size} bytes, etag {etag}")
