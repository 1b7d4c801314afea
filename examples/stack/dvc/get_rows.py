"""DVC as the stage that fetches rows: the very commit that the run was given, with the content that its digest names.

It needs nothing of the package `viridian`: variables come in, and an exit code goes out.
"""

import hashlib
import os
import sys
from pathlib import Path

from dvc.api import DVCFileSystem

commit, digest = os.environ["VIRIDIAN_DATA_REVISION"], os.environ["VIRIDIAN_DATA_DIGEST"]
scheme, _, address = os.environ["VIRIDIAN_DATA_URI"].removeprefix("dvc+").partition("://")
repository, _, path = address.partition("//")
target = Path(os.environ["VIRIDIAN_OUT_DIR"]) / Path(path).name

DVCFileSystem(f"{scheme}://{repository}", rev=commit).get_file(path, str(target))
found = f"md5:{hashlib.md5(target.read_bytes(), usedforsecurity=False).hexdigest()}"
if found != digest:
    sys.exit(f"{path} of {commit} is {found}; the run was given {digest}")
print(f"{path} of {commit}, {found}")
