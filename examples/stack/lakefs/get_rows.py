"""lakeFS as the stage that fetches rows: the very commit that the run was given, by lakeFS's own client.

It needs nothing of the package `viridian`: variables come in, and an exit code goes out.
"""

import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lakefs_sdk import Configuration
from lakefs_sdk.client import LakeFSClient

commit, digest = os.environ["VIRIDIAN_DATA_REVISION"], os.environ["VIRIDIAN_DATA_DIGEST"]
address = urlsplit(os.environ["VIRIDIAN_DATA_URI"])
repository, path = address.netloc, unquote(address.path).strip("/")

login = Configuration(
    host=os.environ["LAKECTL_SERVER_ENDPOINT_URL"],
    username=os.environ["LAKECTL_CREDENTIALS_ACCESS_KEY_ID"],
    password=os.environ["LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"],
)
objects = LakeFSClient(login).objects_api
if (found := f"lakefs:{objects.stat_object(repository, commit, path).checksum}") != digest:
    sys.exit(f"{path} of {commit} is {found}; the run was given {digest}")
target = Path(os.environ["VIRIDIAN_OUT_DIR"]) / Path(path).name
target.write_bytes(objects.get_object(repository, commit, path))
print(f"{path} of {commit}, {digest}")
