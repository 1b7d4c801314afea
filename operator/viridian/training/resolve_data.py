"""The shipped resolvers as a container runs them: what VIRIDIAN_DATA_URI and VIRIDIAN_DATA_REVISION stand for now.

    python -m viridian.training.resolve_data

The report holds {"data": {"uri", "revision", "digest"}}: that is the contract of any resolver. Any exit code but 0 is
an error, and it is tried again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final

from viridian.api.stage import MAX_REPORT_BYTES, StageReport
from viridian.api.texts import one_line
from viridian.training import stage_exit
from viridian.training.resolvers.buckets import resolve_object, resolve_quilt
from viridian.training.resolvers.dvc_files import resolve_dvc
from viridian.training.resolvers.git_files import resolve_git
from viridian.training.resolvers.lakefs_files import resolve_lakefs
from viridian.training.resolvers.plain_files import resolve_path, resolve_web
from viridian.training.resolvers.resolved_data import CannotResolve, ResolvedData

Resolver = Callable[[str, str], ResolvedData]
RESOLVERS: Final[tuple[tuple[tuple[str, ...], Resolver], ...]] = (
    (("dvc+",), resolve_dvc),
    (("git+", "git://"), resolve_git),
    (("s3://",), resolve_object),
    (("quilt+s3://",), resolve_quilt),
    (("lakefs://",), resolve_lakefs),
    (("http://", "https://"), resolve_web),
    (("file:///", "/"), resolve_path),
)
"""By how an address begins."""


def resolve(uri: str, revision: str) -> ResolvedData:
    """The state that the address names now. CannotResolve, with the reason."""
    for beginnings, resolver in RESOLVERS:
        if uri.startswith(beginnings):
            return resolver(uri, revision)
    known = ", ".join(beginning for beginnings, _ in RESOLVERS for beginning in beginnings)
    raise CannotResolve(f"no shipped resolver knows such an address: it begins with none of {known}; bring an image")


def main() -> int:
    """The exit code."""
    try:
        found = resolve(os.environ.get("VIRIDIAN_DATA_URI", ""), os.environ.get("VIRIDIAN_DATA_REVISION", ""))
    except (CannotResolve, OSError) as error:
        sentence = one_line(str(error), MAX_REPORT_BYTES)
        sys.stderr.write(f"{sentence}\n")
        stage_exit.write(StageReport(failures=(sentence,)))
        return 1
    sys.stderr.write(f"revision {found.revision}, digest {found.digest}\n")
    stage_exit.write(StageReport(data=found.document()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
