"""DVC as the stage `data`: which commit and content a branch stands for now, and the rows of that commit.

Beside them come the rows that are known to be sound: those of the tag `sound`.
"""

import json
import os
from pathlib import Path

from dvc.api import DVCFileSystem

uri, branch, out = os.environ["VIRIDIAN_DATA_URI"], os.environ["VIRIDIAN_DATA_REVISION"], os.environ["VIRIDIAN_OUT_DIR"]
scheme, _, address = uri.removeprefix("dvc+").partition("://")
repository, _, path = address.partition("//")

rows = DVCFileSystem(f"{scheme}://{repository}", rev=branch)
commit, digest = rows.repo.get_rev(), f"md5:{rows.info(path)['dvc_info']['md5']}"
rows.get_file(path, str(Path(out) / Path(path).name))
DVCFileSystem(f"{scheme}://{repository}", rev="sound").get_file(path, str(Path(out) / "sound.csv"))

Path("/dev/termination-log").write_text(json.dumps({"data": {"uri": uri, "revision": commit, "digest": digest}}))
print(f"{path} of {commit}, {digest}")
