"""Quilt as the stage that fetches rows: all files of the package with the top hash that the run was given.

It needs nothing of the package `viridian`: variables come in, and an exit code goes out.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

os.environ["QUILT_DISABLE_USAGE_METRICS"] = "true"

import quilt3

address = urlsplit(os.environ["VIRIDIAN_DATA_URI"].removeprefix("quilt+"))
name, top_hash = address.path.strip("/"), os.environ["VIRIDIAN_DATA_REVISION"]

folder = str(Path(os.environ["VIRIDIAN_OUT_DIR"]) / "rows")

package = quilt3.Package.browse(name, registry=f"s3://{address.netloc}", top_hash=top_hash)
package.fetch(folder)
# The top hash is that of the manifest, and the manifest has the hash of each file.
if not package.verify(folder):
    raise SystemExit(f"a file of {name} is not what its manifest with the top hash {top_hash} has noted")
print(f"{name} with the top hash {top_hash}: {', '.join(key for key, _ in package.walk())}")
